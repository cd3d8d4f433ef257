package render

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"whoelse/keys/span"
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
			return Refusal(dst, NotSent(r), st)
		}
		return Notice(dst, sent(r), st)
	case result.Done:
		return Notice(dst, strings.ReplaceAll(done[r.What], "NICK", r.Nick), st)
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
		dst = Notice(dst, "one-time invitation for "+r.Nick+", valid for "+span.Format(r.For)+", code "+r.Code+":", st)
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
	result.Blocked:         "NICK's messages are hidden; /unblock NICK shows them again",
	result.AlreadyBlocked:  "you already block NICK",
	result.Unblocked:       "NICK's messages are shown again",
	result.InboxEmpty:      "your inbox is empty: nothing unread; inbox all shows earlier messages",
	result.NoMessages:      "no messages yet",
	result.NoMessagesWith:  "no messages yet between you and NICK",
	result.NothingSaid:     "nothing has been said yet",
	result.KeyAlreadyYours: "that key is already yours",
	result.KeyRemoved:      "removed NICK; it no longer works, and its sessions end",
	result.GivingUp:        "giving up NICK: your keys are removed and your messages set aside; only an operator can give them back",
	result.NotSearched:     "older lines were not searched; there may be more",
}

// Failure says in one line why something was not done.
func Failure(f result.Failure, st Style, now time.Time) string {
	switch f.Reason {
	case result.NoSuchNick:
		return nobody(f.Nick, f.Near)
	case result.OperatorsOnly:
		return "only operators can do that"
	case result.KeysOnly:
		switch f.About {
		case "key":
			return "guests have no keys; connect with one to have a nick of your own (ssh-keygen -t ed25519 makes one)"
		case "inbox":
			return "nothing is kept for guests; connect with a key to have an inbox"
		}
		return "nothing is kept for guests, so " + f.About + " works only in the room; connect with a key to have a nick of your own"
	case result.RoomOnly:
		return f.About + " works only in the room; to enter it, connect without a command"
	case result.Muted:
		words := "not sent: " + f.Nick + " muted you"
		if !f.Until.IsZero() {
			words += " until " + Clock(f.Until, now, st)
		}
		return words
	case result.TooLong:
		return "not sent: that is " + Count(f.N) + " characters, and a message can have at most " + Count(f.Most)
	case result.NotAffordable:
		return "not sent: " + f.Err.Error()
	case result.NothingToReply:
		return "nobody has written to you yet; write to someone with send NICK TEXT"
	case result.Self:
		if f.About == "kick" {
			return "you can't kick yourself; quit leaves"
		}
		return "you can't " + f.About + " yourself"
	case result.WouldBanYou:
		return "not banned: " + f.Nick + " would ban you, too"
	case result.WouldBan:
		what := "the operator "
		if len(f.Nicks) > 1 {
			what = "the operators "
		}
		return "not banned: " + f.Nick + " covers " + what + People(f.Nicks, listed) +
			"; if you mean it, put the word anyway after " + f.Nick + ", or after the duration"
	case result.NotMuted:
		return f.Nick + " is not muted"
	case result.GuestInvited:
		return "guests need no invitation"
	case result.CertificateOnly:
		return "you logged in with a certificate; only its issuer can add keys"
	case result.NoSuchKey:
		return "none of your keys has this fingerprint; /key lists them"
	case result.BadKey:
		return "not added: " + f.Err.Error()
	case result.TooManyKeys:
		return "not added: that would be more than " + Count(f.Most) + " keys; remove some"
	case result.LimitedKey:
		return "not added: your key is limited in a way that can't be passed on from here"
	case result.KeyGone:
		return "not added: the key you logged in with no longer holds " + f.Own
	case result.NickHeld:
		return f.Nick + " is held by a key already; whoever has that key can /key add another one"
	case result.NotBanned:
		if f.About != "" {
			return f.Nick + " is not banned by itself, but covered by the ban of " + f.About
		}
		return f.Nick + " is not banned; /bans lists who is"
	case result.NotConfirmed:
		return "you are " + f.Own + ", not " + f.Nick + "; to give your nick up, type /key leave " + f.Own
	case result.NoKeyHere:
		return "no key holds " + f.Own + " here; it is for whoever made your certificate to take it back"
	case result.NotHere:
		return f.Nick + " is not here"
	case result.NotBlocked:
		return "you do not block " + f.Nick
	case result.NickKept:
		if f.Guest {
			return "your nick can't be changed here; to be " + f.Nick + ", leave and connect with: " + f.About
		}
		return "your key keeps the nick " + f.Own + "; to be " + f.Nick + ", connect with another key (ssh -i FILE): " + f.About
	case result.NoSuchCommand:
		return "no such command; type help for a list of commands"
	case result.NoSuchMessage:
		return "no recent message has the ID " + text.Quote(f.About, 24) + "; a message that was cut has its ID in its last line"
	case result.NoInput:
		return "there is no text on the input"
	case result.AnswersMissing:
		return "not confirmed: the server did not finish in time; it may or may not arrive"
	case result.MarkingMissing:
		return "not confirmed: the server did not finish in time; these messages may be shown as new again"
	case result.Sending:
		return "not sent: " + Error(f.Err)
	case "":
		return f.Err.Error()
	}
	words := strings.NewReplacer("NICK", f.Nick, "COMMAND", f.About).Replace(doing[f.Reason])
	return words + " failed: " + Error(f.Err)
}

// doing names what a failure of the storage came to.
var doing = map[result.Reason]string{
	result.FindingWriter:   "finding who wrote to you",
	result.MarkingAway:     "marking you away",
	result.MarkingBack:     "marking you back",
	result.Blocking:        "blocking NICK",
	result.Unblocking:      "unblocking NICK",
	result.ReadingBlocked:  "reading your list",
	result.ReadingInbox:    "reading your inbox",
	result.ReadingHistory:  "reading your history",
	result.ReadingRoom:     "reading the room's history",
	result.FindingMessage:  "looking for that message",
	result.MarkingMessages: "marking your messages as read",
	result.Recording:       "not done: writing the audit log",
	result.RecordingFailed: "recording in the audit log that it was not done",
	result.Acting:          "COMMAND",
	result.AddingKey:       "adding the key",
	result.RemovingKey:     "removing the key",
	result.GivingNickUp:    "giving up NICK",
}

const storageTrouble = "storage trouble; please try again in a moment"

// Error says an error in words for people: those of the storage are for the log.
func Error(err error) string {
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

func sent(r result.Receipt) string {
	switch r.Outcome {
	case room.Delivered:
		return "delivered to " + r.To
	case room.KeptAway:
		if r.Reason != "" {
			return "kept for " + r.To + " (away: " + r.Reason + ")"
		}
		return "kept for " + r.To + " (away)"
	case room.KeptBroken:
		return "kept for " + r.To + " (connection lost)"
	case room.KeptSilent:
		return "kept for " + r.To + " (not answering)"
	}
	return "kept for " + r.To + " (offline)"
}

// NotSent says in one line why a message was not taken.
func NotSent(r result.Receipt) string {
	words := storageTrouble
	switch r.Outcome {
	case room.RefusedUnknown:
		words = nobody(r.To, r.Near)
	case room.RefusedSelf:
		words = "that is you"
	case room.RefusedGone:
		words = r.To + " is not here, and nothing is kept for guests"
	case room.RefusedBlocked:
		words = r.To + " does not accept messages from you"
	case room.RefusedYours:
		words = "you block " + r.To + " and would not see the answer; /unblock " + r.To + " first"
	case room.RefusedFull:
		words = fmt.Sprintf("%s's inbox is full (%s); %s has to read some first", r.To, Number(r.Most, "unread message", "unread messages"), r.To)
	}
	if r.Only {
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
		dst = Entry(dst, short(c), c.Help, column, st)
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
