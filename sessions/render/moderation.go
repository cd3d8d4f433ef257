package render

import (
	"strings"
	"time"

	"whoelse/keys/bans"
	"whoelse/keys/duration"
	"whoelse/sessions/result"
)

// How many people or operators, and how many addresses, are named.
const (
	listed     = 20
	fromListed = 5
)

// Moderation says in one line what an operator did, for its reader.
func Moderation(m result.Moderation) string {
	lasts := map[bool]string{false: "for good", true: "indefinitely"}[m.What == "mute"]
	if m.For != 0 {
		lasts = "for " + duration.Format(m.For)
	}
	did := map[string]string{
		"kick": "kicked NICK", "ban": "banned NICK LASTS", "unban": "unbanned NICK",
		"mute": "muted NICK LASTS", "unmute": "unmuted NICK", "invite": "invited NICK",
	}[m.What]
	did = strings.NewReplacer("NICK", m.Whom, "LASTS", lasts).Replace(did)
	switch m.Reader {
	case result.Operator:
		return because(m.By+" "+did, m.Why)
	case result.Concerned:
		return because(concerned(m, lasts), m.Why)
	}
	switch m.What {
	case "kick":
		return did + ": " + Number(m.Sessions, "session", "sessions") + ", from " + from(m.From)
	case "ban":
		return did + affected(m)
	case "mute":
		return did + "; /unmute " + m.Whom + " ends it"
	case "unmute":
		return m.Whom + " can write again"
	}
	return m.Whom + " can join again"
}

// concerned is what somebody reads to whom it is done.
func concerned(m result.Moderation, lasts string) string {
	switch m.What {
	case "kick":
		return "you were kicked by " + m.By
	case "mute":
		return m.By + " muted you " + lasts + ": you can read, but not write"
	case "unmute":
		return m.By + " unmuted you"
	}
	who := "you are"
	if m.ByKey {
		who = "your key is"
	}
	words := who + " banned by " + m.By + " " + lasts
	if m.ByBlock {
		words += ", with everyone from " + m.Whom
	}
	return words
}

// affected tells whom of the people here a ban has met, and where one who was banned by
// name came from, whom another name would let in again.
func affected(m result.Moderation) string {
	switch {
	case len(m.Hit) == 0:
		return "; nobody online was affected"
	case len(m.Hit) == 1 && m.Hit[0] == m.Whom:
		return "; connected from " + from(m.From)
	}
	return "; it ended the sessions of " + People(m.Hit, listed)
}

func from(addresses []string) string {
	if len(addresses) > fromListed {
		return strings.Join(addresses[:fromListed], ", ") + ", ..."
	}
	return strings.Join(addresses, ", ")
}

// because appends a reason, if there is one.
func because(words, why string) string {
	if why == "" {
		return words
	}
	return words + ": " + why
}

func banned(dst []byte, list []bans.Ban, st Style) []byte {
	if len(list) == 0 {
		return Notice(dst, "nobody is banned", st)
	}
	zone := st.Zone
	if zone == nil {
		zone = time.UTC
	}
	dst = Notice(dst, Number(len(list), "ban", "bans")+":", st)
	for _, b := range list {
		words := "  " + b.Target.String() + " by " + b.By + " on " + b.Made.In(zone).Format("2 Jan 2006")
		if b.Until.IsZero() {
			words += ", for good"
		} else {
			words += ", until " + b.Until.In(zone).Format("2 Jan 2006 15:04 MST")
		}
		dst = Notice(dst, because(words, b.Reason), st)
	}
	return dst
}

func ownKeys(dst []byte, own result.Keys, st Style, now time.Time) []byte {
	if len(own.List) == 0 {
		return Notice(dst, "you logged in with a certificate for the key "+own.In+"; no key of yours is stored here", st)
	}
	dst = Notice(dst, Number(len(own.List), "key is", "keys are")+" yours:", st)
	for _, k := range own.List {
		dst = Notice(dst, "  "+key(k, own.In, st, now), st)
	}
	return dst
}

// key describes one of somebody's keys; in is the one in use.
func key(k result.Key, in string, st Style, now time.Time) string {
	words := k.Fingerprint + " (" + k.Type + ")"
	switch {
	case k.Added.IsZero():
	case now.UTC().Format(time.DateOnly) == k.Added.Format(time.DateOnly): // a day, given at its beginning in UTC
		words += ", added today"
	default:
		words += ", added on " + k.Added.Format("2 Jan 2006")
	}
	switch {
	case k.Fingerprint == in:
		words += ", in use here"
	case !k.Used.IsZero():
		words += ", last used " + Ago(now.Sub(k.Used)) + " ago"
	}
	if k.From != "" {
		words += ", only from " + k.From
	}
	switch {
	case k.Expires.IsZero():
	case now.Before(k.Expires):
		words += ", until " + Clock(k.Expires, now, st)
	default:
		words += ", expired " + Clock(k.Expires, now, st)
	}
	if k.Disabled != "" {
		words += ", not in force: " + k.Disabled
	}
	return words
}
