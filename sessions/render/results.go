package render

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"whoelse/keys/duration"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/result"
	"whoelse/sessions/text"
)

// What people read of results stands here, and of messages and events beside the
// functions that make lines of them. Words are lower case, without a full stop; they
// name the thing, the cause and the way out, and never an internal error.

// Result renders what a command gave back, but for [result.Pages], of which Messages
// renders one after the other.
func Result(dst []byte, r result.Result, st Style, now time.Time) []byte {
	switch r := r.(type) {
	case result.Failure:
		return Refusal(dst, Failure(r, st, now), st)
	case result.Receipt:
		if !r.Taken() {
			return Refusal(dst, Receipt(r), st)
		}
		return Notice(dst, Receipt(r), st)
	case result.Done:
		return Notice(dst, strings.ReplaceAll(done[r.What], "{nick}", r.Nick), st)
	case result.Text:
		return Notice(dst, r.Words, st)
	case result.Online:
		return online(dst, r.People, st, now)
	case result.Lately:
		return lately(dst, r, st, now)
	case result.Back:
		if r.Unread.Messages > 0 {
			return Notice(dst, "welcome back; "+unread(r.Unread), st)
		}
		return Notice(dst, "welcome back", st)
	case result.BlockList:
		if len(r.Nicks) == 0 {
			return Notice(dst, "you block nobody", st)
		}
		return Notice(dst, "you block "+People(r.Nicks, len(r.Nicks)), st)
	case result.Identity:
		if r.Fingerprint == "" {
			return Notice(dst, "you are "+r.Nick+", a guest: nothing is kept for you when you leave; connect with a key to have a nick of your own", st)
		}
		return Notice(dst, "you are "+r.Nick+", by the key "+r.Fingerprint, st)
	case result.Help:
		return help(dst, r.Commands, st)
	case result.HelpOn:
		return helpOn(dst, r.Syntax, st)
	case result.Moderation:
		return Notice(dst, Moderation(r), st)
	case result.Invitation:
		dst = Notice(dst, "one-time invitation for "+r.Nick+", valid for "+duration.Format(r.For)+", code "+r.Code+":", st)
		return Notice(dst, "  "+r.Join, st)
	case result.Bans:
		return banned(dst, r.List, st)
	case result.Keys:
		return ownKeys(dst, r, st, now)
	case result.KeysAdded:
		for _, k := range r.List {
			words := "added " + key(k, "", st, now) + "; whoever has it can join as " + r.Nick
			if r.Operator {
				words += ", but not as an operator"
			}
			dst = Notice(dst, words, st)
		}
		return dst
	case result.MOTD:
		if lines := MOTD(dst, r.Text); len(lines) > len(dst) {
			return lines
		}
		return Notice(dst, "there is no message of the day", st)
	}
	return dst
}

// done says what was done, or found to be so.
var done = map[result.What]string{
	result.MarkedAway:      "you are marked away; direct messages will wait; /back to return",
	result.MarkedAwayGuest: "you are marked away, but nothing is kept for guests; /back to return",
	result.WasNotAway:      "you were not away",
	result.StillAway:       "you are still away; /back to return",
	result.Blocked:         "{nick}'s messages are hidden; /unblock {nick} shows them again",
	result.AlreadyBlocked:  "you already block {nick}",
	result.Unblocked:       "{nick}'s messages are shown again",
	result.InboxEmpty:      "your inbox is empty: nothing unread; inbox all shows earlier messages",
	result.NoMessages:      "no messages yet",
	result.NoMessagesWith:  "no messages yet between you and {nick}",
	result.NothingSaid:     "nothing has been said yet",
	result.KeyAlreadyYours: "that key is already yours",
	result.KeyRemoved:      "removed {nick}; it no longer works, and its sessions end",
	result.GivingUp:        "giving up {nick}: your keys are removed and your messages set aside; only an operator can give them back",
	result.NotSearched:     "older lines were not searched; there may be more",
}

// Failure says in one line why something was not done.
func Failure(f result.Failure, st Style, now time.Time) string {
	words := failed[f.Reason]
	switch f.Reason {
	case "":
		return f.Err.Error()
	case result.NoSuchNick:
		return nobody(f.Nick, f.Near)
	case result.KeysOnly:
		switch f.About {
		case "key":
			words = "guests have no keys; connect with one to have a nick of your own (ssh-keygen -t ed25519 makes one)"
		case "inbox":
			words = "nothing is kept for guests; connect with a key to have an inbox"
		}
	case result.Muted:
		if !f.Until.IsZero() {
			words += " until " + Clock(f.Until, now, st)
		}
	case result.NickKept:
		if f.Guest {
			words = "your nick can't be changed here; to be {nick}, leave and connect with: {about}"
		}
	case result.Self:
		if f.About == "kick" {
			words += "; quit leaves"
		}
	case result.WouldBan:
		if len(f.Nicks) > 1 {
			words = strings.Replace(words, "operator", "operators", 1)
		}
	case result.NotBanned:
		if f.About != "" {
			words = "{nick} is not banned by itself, but covered by the ban of {about}"
		}
	}
	return strings.NewReplacer(
		"{nick}", f.Nick, "{own}", f.Own, "{about}", f.About, "{id}", text.Quote(f.About, 24), "{nicks}", People(f.Nicks, listed),
		"{n}", Count(f.N), "{most}", Count(f.Most), "{error}", Error(f.Err),
	).Replace(words)
}

// failed says why something was not done; Failure has the exceptions.
var failed = map[result.Reason]string{
	result.OperatorsOnly:   "only operators can do that",
	result.KeysOnly:        "nothing is kept for guests, so {about} works only in the room; connect with a key to have a nick of your own",
	result.RoomOnly:        "{about} works only in the room; to enter it, connect without a command",
	result.Muted:           "not sent: {nick} muted you",
	result.TooLong:         "not sent: that is {n} characters, and a message can have at most {most}",
	result.NotAffordable:   "not sent: {error}",
	result.NothingToReply:  "nobody has written to you yet; write to someone with send NICK TEXT",
	result.Self:            "you can't {about} yourself",
	result.NotBlocked:      "you do not block {nick}",
	result.NickKept:        "your key keeps the nick {own}; to be {nick}, connect with another key (ssh -i FILE): {about}",
	result.NoSuchCommand:   "no such command; type help for a list of commands",
	result.NoSuchMessage:   "no recent message has the ID {id}; a message that was cut has its ID in its last line",
	result.NoInput:         "there is no text on the input",
	result.AnswersMissing:  "not confirmed: the server did not finish in time; it may or may not arrive",
	result.MarkingMissing:  "not confirmed: the server did not finish in time; these messages may be shown as new again",
	result.NotHere:         "{nick} is not here",
	result.WouldBanYou:     "not banned: {nick} would ban you, too",
	result.WouldBan:        "not banned: {nick} covers the operator {nicks}; if you mean it, put the word anyway after {nick}, or after the duration",
	result.NotBanned:       "{nick} is not banned; /bans lists who is",
	result.NotMuted:        "{nick} is not muted",
	result.GuestInvited:    "guests need no invitation",
	result.NickHeld:        "{nick} is held by a key already; whoever has that key can /key add another one",
	result.CertificateOnly: "you logged in with a certificate; only its issuer can add keys",
	result.BadKey:          "not added: {error}",
	result.TooManyKeys:     "not added: that would be more than {most} keys; remove some",
	result.LimitedKey:      "not added: your key is limited in a way that can't be passed on from here",
	result.KeyGone:         "not added: the key you logged in with no longer holds {own}",
	result.NoSuchKey:       "none of your keys has this fingerprint; /key lists them",
	result.NotConfirmed:    "you are {own}, not {nick}; to give your nick up, type /key leave {own}",
	result.NoKeyHere:       "no key holds {own} here; it is for whoever made your certificate to take it back",

	result.Sending:         "not sent: {error}",
	result.FindingWriter:   "finding who wrote to you failed: {error}",
	result.MarkingAway:     "marking you away failed: {error}",
	result.MarkingBack:     "marking you back failed: {error}",
	result.Blocking:        "blocking {nick} failed: {error}",
	result.Unblocking:      "unblocking {nick} failed: {error}",
	result.ReadingBlocked:  "reading your list failed: {error}",
	result.ReadingInbox:    "reading your inbox failed: {error}",
	result.ReadingHistory:  "reading your history failed: {error}",
	result.ReadingRoom:     "reading the room's history failed: {error}",
	result.FindingMessage:  "looking for that message failed: {error}",
	result.MarkingMessages: "marking your messages as read failed: {error}",
	result.Recording:       "not done: writing the audit log failed: {error}",
	result.RecordingFailed: "recording in the audit log that it was not done failed: {error}",
	result.Acting:          "{about} failed: {error}",
	result.AddingKey:       "adding the key failed: {error}",
	result.RemovingKey:     "removing the key failed: {error}",
	result.GivingNickUp:    "giving up {nick} failed: {error}",
}

const storageTrouble = "storage trouble; please try again in a moment"

// Error says an error, or nil, in words for people: those of the storage are for the log.
func Error(err error) string {
	if err == nil {
		return ""
	}
	if errors.Is(err, room.ErrStorage) {
		return storageTrouble
	}
	if f, ok := errors.AsType[result.Failure](err); ok {
		return Failure(f, Style{}, time.Now())
	}
	return err.Error()
}

func nobody(nick, near string) string {
	words := "nobody is called " + nick
	if near != "" {
		words += "; did you mean " + near + "?"
	}
	return words
}

// became says what became of a message.
var became = map[room.Outcome]string{
	room.Delivered:      "delivered to {to}",
	room.KeptOffline:    "kept for {to} (offline)",
	room.KeptAway:       "kept for {to} (away{reason})",
	room.KeptBroken:     "kept for {to} (connection lost)",
	room.KeptSilent:     "kept for {to} (not answering)",
	room.RefusedUnknown: "{nobody}",
	room.RefusedSelf:    "that is you",
	room.RefusedGone:    "{to} is not here, and nothing is kept for guests",
	room.RefusedBlocked: "{to} does not accept messages from you",
	room.RefusedYours:   "you block {to} and would not see the answer; /unblock {to} first",
	room.RefusedFull:    "{to}'s inbox is full ({most}); {to} has to read some first",
	room.Failed:         storageTrouble,
}

// Receipt says in one line what became of a message.
func Receipt(r result.Receipt) string {
	reason := r.Reason
	if reason != "" {
		reason = ": " + reason
	}
	words := strings.NewReplacer(
		"{to}", r.To, "{reason}", reason, "{nobody}", nobody(r.To, r.Near), "{most}", Number(r.Most, "unread message", "unread messages"),
	).Replace(became[r.Outcome])
	switch {
	case r.Taken():
		return words
	case r.Only:
		return "not sent: " + words
	}
	return "not sent to " + r.To + ": " + words
}

func online(dst []byte, people []result.Person, st Style, now time.Time) []byte {
	if len(people) == 0 {
		return Notice(dst, "nobody else is here", st)
	}
	dst = Notice(dst, Number(len(people), "other person is", "other people are")+" here:", st)
	for _, p := range people {
		dst = Notice(dst, "  "+person(p, st, now), st)
	}
	return dst
}

// person describes someone who is here.
func person(p result.Person, st Style, now time.Time) string {
	words := p.Nick
	if strings.HasPrefix(p.Nick, "~") {
		words += " (guest)"
	}
	words += ": since " + Clock(p.Since, now, st)
	if idle := now.Sub(p.Active); idle >= time.Minute {
		words += ", idle " + Ago(idle)
	}
	switch {
	case p.Away && p.Reason != "":
		words += ", away: " + p.Reason
	case p.Away:
		words += ", away"
	}
	switch {
	case p.Sessions == 0:
		words += ", connection lost just now"
	case p.Sessions > 1:
		words += fmt.Sprintf(", %d sessions", p.Sessions)
	}
	if p.Silent && p.Sessions > 0 {
		words += ", not answering"
	}
	if p.Quiet {
		words += ", not announced"
	}
	return words
}

func lately(dst []byte, r result.Lately, st Style, now time.Time) []byte {
	within := "within the last " + Number(r.Minutes, "minute", "minutes")
	if len(r.People) == 0 {
		return Notice(dst, "nobody else was here "+within, st)
	}
	dst = Notice(dst, within+":", st)
	for _, p := range r.People {
		words := ": left " + Ago(now.Sub(p.Active)) + " ago"
		switch {
		case p.Online:
			words = ": online now"
		case p.Lost:
			words = ": connection lost " + Ago(now.Sub(p.Active)) + " ago"
		}
		dst = Notice(dst, "  "+p.Nick+words, st)
	}
	return dst
}

// helpColumn is how wide the column of commands in the help gets.
const helpColumn = 26

func help(dst []byte, commands parse.Table, st Style) []byte {
	dst = Notice(dst, "just type to talk to everyone; commands:", st)
	short := func(c *parse.Syntax) string { return "  " + c.Forms()[0] }
	column := 0
	for _, c := range commands {
		if n := len(short(c)) + 2; n <= helpColumn+4 { // one that is long stands alone, and widens nothing
			column = max(column, n)
		}
	}
	for _, c := range commands {
		dst = starred(dst, short(c), c.Help, column, grey, st)
	}
	return Notice(dst, "Tab completes; up and down recall what you typed; /help COMMAND tells more", st)
}

func helpOn(dst []byte, c *parse.Syntax, st Style) []byte {
	dst = Notice(dst, c.Usage+": "+c.Help, st)
	if c.Example != "" {
		dst = Notice(dst, "for example: "+c.Example, st)
	}
	if c.More != "" {
		dst = Notice(dst, c.More, st)
	}
	if len(c.Aliases) > 0 {
		dst = Notice(dst, "also /"+strings.Join(c.Aliases, ", /"), st)
	}
	return dst
}

// MOTD cleans the message of the day: it is the operator's, but a file all the same.
func MOTD(dst []byte, raw string) []byte {
	if raw = strings.TrimRight(text.Clean(raw), "\n"); raw == "" {
		return dst
	}
	return append(dst, raw+"\n"...)
}
