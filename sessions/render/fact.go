package render

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"whoelse/keys/bans"
	"whoelse/keys/duration"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/result"
	"whoelse/sessions/text"
)

// factTime sorts as the times do.
const factTime = "2006-01-02T15:04:05.000Z"

var factEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`)

// Fact renders a message for programs, as the README says: one line with time, ID, kind, sender,
// recipients and text, tabs between them.
func Fact(dst []byte, m *room.Message) []byte {
	to := "#" + cmp.Or(m.Room, room.Lobby)
	if len(m.To) > 0 {
		to = strings.Join(m.To, ",")
	}
	words := m.Text
	if m.File != nil {
		words = File(m.File)
	}
	return columns(dst, at(m.Time), m.ID, string(m.Kind), m.From, to, words)
}

// Facts renders the result of a command for scripts, one item per line. Lists have the columns of the
// README; an empty list has no lines. Other results are one line of words.
func Facts(dst []byte, r result.Result, st Style, now time.Time) []byte {
	switch r := r.(type) {
	case result.Online:
		return facts(dst, r.People, func(p result.Person) []string {
			states := commas(when(p.Bot, "bot"), when(p.Away, "away"), when(p.Sessions == 0, "lost"),
				when(p.Silent && p.Sessions > 0, "silent"), when(p.Quiet, "quiet"))
			state := cmp.Or(strings.ReplaceAll(states, " ", ""), "here")
			return []string{p.Nick, at(p.Since), at(p.Active), strconv.Itoa(p.Sessions), state, p.Reason}
		})
	case result.Lately:
		return facts(dst, r.People, func(p room.Presence) []string {
			state := "left"
			switch {
			case p.Online:
				state = "here"
			case p.Lost:
				state = "lost"
			}
			return []string{p.Nick, state, at(p.Active)}
		})
	case result.RoomInfo:
		if r.What == result.RoomJoined { // nothing is typed afterwards
			return columns(dst, "you are in #"+r.Name)
		}
	case result.Rooms:
		return facts(dst, append(slices.Clone(r.List), r.Hidden...), func(one room.RoomSummary) []string {
			states := strings.ReplaceAll(commas(when(one.Joined, "joined"), when(one.Private, "private"), when(one.Muted, "muted")), " ", "")
			return []string{"#" + one.Name, states, strconv.Itoa(one.People), strconv.Itoa(one.Unread), strconv.Itoa(one.Mentions), one.Topic}
		})
	case result.Settings:
		if r.Changed == "" {
			dst = columns(dst, "away", at(r.Absence.Since), r.Absence.Reason)
			dst = columns(dst, "blocked", strings.Join(r.Blocked, ","))
			dst = columns(dst, "bell", cmp.Or(r.Display.Bell, parse.Mentions))
			dst = columns(dst, "joins", cmp.Or(r.Display.Joins, parse.On))
			return columns(dst, "zone", r.Zone.String())
		}
	case result.BlockList:
		return facts(dst, r.Nicks, func(nick string) []string { return []string{nick} })
	case result.Keys:
		return facts(dst, r.List, func(k result.Key) []string { return keyFact(k, r.In) })
	case result.KeysAdded:
		return facts(dst, r.List, func(k result.Key) []string { return keyFact(k, "") })
	case result.Bans:
		return facts(dst, r.List, func(b bans.Ban) []string {
			return []string{b.Target.String(), b.By, at(b.Made), at(b.Until), b.Reason}
		})
	case result.Invitation:
		return columns(dst, r.Nick, r.Code, duration.Format(r.For), r.Join)
	case result.Help: // people read it, and programs take --json
		for _, c := range r.Commands {
			dst = fmt.Appendf(dst, "%-27s %s\n", strings.TrimPrefix(c.Forms()[0], "/"), c.Help)
		}
		return dst
	case result.MOTD:
		return MOTD(dst, r.Text)
	case result.Done:
		switch r.What {
		case result.InboxEmpty, result.NoMessages, result.NoMessagesWith, result.NothingSaid, result.NothingFound:
			return dst // an empty list
		case result.RoomMade:
			return columns(dst, "you made #"+r.Room+" and own it")
		case result.RoomLeft:
			return columns(dst, "you left #"+r.Room)
		}
	}
	return facts(dst, notes(r, st, now), func(s string) []string { return []string{s} })
}

func keyFact(k result.Key, in string) []string {
	state := "valid"
	switch {
	case k.Disabled != "":
		state = "disabled"
	case k.Pending:
		state = "pending"
	case k.Fingerprint == in:
		state = "in-use"
	}
	return []string{k.Fingerprint, k.Type, at(k.Added), at(k.Used), at(k.Expires), k.From, state, k.Label}
}

func facts[T any](dst []byte, all []T, fact func(T) []string) []byte {
	for _, one := range all {
		dst = columns(dst, fact(one)...)
	}
	return dst
}

// columns renders one line. An empty column is "-", so that awk counts the columns correctly.
func columns(dst []byte, all ...string) []byte {
	for i, s := range all {
		if i > 0 {
			dst = append(dst, '\t')
		}
		dst = append(dst, cmp.Or(factEscapes.Replace(text.Clean(s)), "-")...)
	}
	return append(dst, '\n')
}

// at formats the time of a column, "" for none.
func at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(factTime)
}
