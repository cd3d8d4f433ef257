package render

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"whoelse/keys/bans"
	"whoelse/keys/duration"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/result"
	"whoelse/sessions/text"
)

// listed is the number of people or operators that are named.
const listed = 20

// Result renders the result of a command.
func Result(dst []byte, r result.Result, st Style, now time.Time) []byte {
	color := grey
	switch r := r.(type) {
	case result.Failure:
		color = red
	case result.Receipt:
		if !r.Taken() {
			color = red
		}
	case result.Help:
		return help(dst, r.Commands, st)
	case result.MOTD:
		if lines := MOTD(dst, r.Text); len(lines) > len(dst) {
			return lines
		}
	}
	for _, s := range notes(r, st, now) {
		dst = starred(dst, "", s, 0, color, st)
	}
	return dst
}

// notices renders each of the words that apply.
func notices(dst []byte, st Style, words ...string) []byte {
	for _, s := range words {
		if s != "" {
			dst = Notice(dst, s, st)
		}
	}
	return dst
}

// notes has the words of each line about a result.
func notes(r result.Result, st Style, now time.Time) []string {
	return slices.DeleteFunc(linesOf(r, st, now), func(s string) bool { return s == "" })
}

// linesOf is notes, with "" for those that do not apply.
func linesOf(r result.Result, st Style, now time.Time) []string {
	words := ""
	switch r := r.(type) {
	case result.Failure:
		words = failure(r, st, now)
	case result.Receipt:
		words = receipt(r)
	case result.Done:
		words = doneWords(r)
	case result.Text:
		words = r.Words
	case result.RoomInfo:
		return roomInfo(r)
	case result.Rooms:
		return rooms(r)
	case result.Online:
		bots, people := split(r.People, func(p result.Person) bool { return p.Bot })
		where := when(r.Room == "", "here") + when(r.Room != "", "in #"+r.Room)
		one := func(p result.Person) string { return person(p, st, now) }
		var lines []string
		if !r.Bots {
			head := Number(len(people), "other person is", "other people are") + " " + where + ":"
			lines = list(head, "nobody else is "+where, people, one)
		}
		if r.Bots || len(bots) > 0 {
			head := Number(len(bots), "bot is", "bots are") + " " + where + ":"
			lines = append(lines, list(head, "no bots are "+where, bots, one)...)
		}
		return lines
	case result.Lately:
		within := when(r.Room != "", "in #"+r.Room+" ") + "within the last " + Number(r.Minutes, "minute", "minutes")
		none := "nobody else was " + when(r.Room == "", "here ") + within
		lines := list(within+":", none, r.People, func(p room.Presence) string { return seen(p, now) })
		return append(lines, when(r.More > 0, "  and up to "+Number(r.More, "other, who", "others, who")+" left before these"))
	case result.Back:
		words = "welcome back" + when(r.Unread.Messages > 0, "; "+unread(r.Unread))
	case result.Settings:
		return settings(r, st, now)
	case result.Version:
		words = "whoelse " + r.Version
	case result.BlockList:
		words = "you block " + People(r.Nicks, len(r.Nicks)) + when(len(r.Nicks) == 0, "nobody")
	case result.Identity:
		words = "you are " + r.Nick + ", with the key " + r.Fingerprint
		if r.Fingerprint == "" {
			words = "you are " + r.Nick + asGuest + "; connect with a key to have a nick of your own"
		}
	case result.HelpOn:
		example := when(r.Example != "", "for example: "+r.Example)
		aliases := when(len(r.Aliases) > 0, "also /"+strings.Join(r.Aliases, ", /"))
		return []string{r.Usage + ": " + r.Help, example, r.More, aliases}
	case result.Moderation:
		words = Moderation(r)
	case result.Invitation:
		words = "one-time invitation for " + r.Nick + ", valid for " + duration.Format(r.For) + ", code " + r.Code
		return []string{words + ":", "  " + r.Join}
	case result.Bans:
		head := Number(len(r.List), "ban", "bans") + ":"
		return list(head, "nobody is banned", r.List, func(b bans.Ban) string { return ban(b, st) })
	case result.Keys:
		none := "you logged in with a certificate for the key " + r.In + "; no key of yours is stored here"
		head := "you have " + Number(len(r.List), "key", "keys") + ":"
		return list(head, none, r.List, func(k result.Key) string { return key(k, r.In, st, now) })
	case result.KeysAdded:
		var all []string
		for _, k := range r.List {
			k.Pending = false
			words := "added " + key(k, "", st, now) + "; connect with it as " + r.Nick + " to confirm"
			all = append(all, words+when(r.Operator, " (without operator rights)"))
		}
		return all
	case result.MOTD:
		words = "there is no message of the day"
	}
	return []string{words}
}

// list is a heading, and words for each of all below it, or none.
func list[T any](head, none string, all []T, words func(T) string) []string {
	if len(all) == 0 {
		return []string{none}
	}
	lines := []string{head}
	for _, one := range all {
		lines = append(lines, "  "+words(one))
	}
	return lines
}

// split separates those of all that are so from the others.
func split[T any](all []T, so func(T) bool) (yes, no []T) {
	for _, one := range all {
		if so(one) {
			yes = append(yes, one)
		} else {
			no = append(no, one)
		}
	}
	return yes, no
}

// doneWords renders a [result.Done] in one line.
func doneWords(r result.Done) string {
	words, ok := done[r.What+result.What(" "+r.About)]
	if !ok {
		words = done[r.What]
	}
	return fill(words, "{nick}", r.Nick, "{room}", "#"+r.Room, "{writes}", place(r.About))
}

// done has the words for [result.Done]. "WHAT ABOUT" goes before "WHAT".
var done = map[result.What]string{
	result.MarkedAway:      "you are marked away; direct messages will wait; /back to return",
	result.MarkedAwayGuest: "you are marked away, but nothing is kept for guests; /back to return",
	result.WasNotAway:      "you were not away",
	result.StillAway:       "you are still away; /back to return",
	result.HasRead:         "read by {nick}",
	result.Blocked:         "{nick}'s messages are hidden; /unblock {nick} shows them again",
	result.AlreadyBlocked:  "you already block {nick}",
	result.Unblocked:       "{nick}'s messages are shown again",
	result.InboxEmpty:      "your inbox is empty: nothing unread; inbox all shows earlier messages",
	result.NoMessages:      "no messages yet",
	result.NoMessagesWith:  "no messages yet between you and {nick}",
	result.NothingSaid:     "nothing has been said yet",
	result.NothingFound:    "no message found that has all these words",
	result.KeyAlreadyYours: "that key is already yours",
	result.KeyRemoved:      "removed {nick}; it no longer works, and its sessions end",
	result.GivingUp:        "giving up {nick}: your keys are removed and your messages set aside; only an operator can restore them",
	result.GivingUpKeys:    "giving up {nick}: your keys are removed; your messages stay for whoever has a certificate for {nick}",
	result.NotSearched:     "older lines were not searched; there may be more",
	result.RoomMade: "you made {room} and own it; what you type goes there; /join #lobby takes you back; " +
		"/room private closes it to others",
	result.RoomLeft:      "you left {room}; what you type goes to {writes}",
	result.RoomTopicSet:  "the topic of {room} is set",
	result.RoomTopicGone: "the topic of {room} is cleared",
	result.RoomMuted:     "lines of {room} are counted, not shown; /unmute {room} shows them again",
	result.RoomUnmuted:   "lines of {room} are shown again",
	result.RoomClosed:    "{room} is closed; what was said in it is set aside",

	result.RoomUnchanged + " private": "{room} is private already",
	result.RoomUnchanged + " public":  "{room} is public already",

	result.RoomChanged + " private": "{room} is private: people who are in it and online stay; all others need /room invite NICK. " +
		"Besides these people, only operators see that it exists",
	result.RoomChanged + " public":     "{room} is public; all that was said in it is set aside, and its topic is cleared",
	result.RoomChanged + " invite":     "{nick} can now join {room}, and read what was said in it",
	result.RoomChanged + " remove":     "{nick} is removed from {room}",
	result.RoomChanged + " owner":      "{nick} is now an owner of {room}, too",
	result.RoomChanged + " mute":       "{nick} can read {room}, but not write in it",
	result.RoomChanged + " unmute":     "{nick} can write in {room} again",
	result.RoomChanged + " guests on":  "guests can join {room}",
	result.RoomChanged + " guests off": "{room} takes no guests",
}

// failure renders a failure in one line.
func failure(f result.Failure, st Style, now time.Time) string {
	if f.Reason == "" {
		return f.Err.Error()
	}
	words, ok := failed[f.Reason+result.Reason(" "+f.About)]
	switch {
	case ok:
	case f.Reason == result.NickKept && f.Guest:
		words = "your nick can't be changed here; to be {nick}, leave and connect with: {about}"
	case f.Reason == result.Sending && errors.Is(f.Err, room.ErrUncertain):
		words = "not confirmed: {error}; the message may still arrive"
	case f.Reason == result.NotBanned && f.About != "":
		words = "{nick} is not banned by itself, but covered by the ban of {about}"
	default:
		words = failed[f.Reason]
	}
	if words == "" { // the reason is the action that failed
		words = strings.ReplaceAll(string(f.Reason), "-", " ") + " failed: {error}"
	}
	if errors.Is(f.Err, room.ErrUncertain) {
		words = strings.Replace(words, " failed: {error}", " is not confirmed: {error}; it may still happen", 1)
	}
	operators := "the operator" + when(len(f.Nicks) > 1, "s") + " " + People(f.Nicks, listed)
	return fill(words,
		"{nick}", f.Nick, "{room}", "#"+f.Room, "{alike}", "#"+f.Near, "{near}", near(f.Near), "{own}", f.Own, "{operators}", operators, "{nicks}", People(f.Nicks, listed),
		"{about}", f.About, "{id}", text.Quote(f.About, 24), "{n}", Count(f.N), "{most}", Count(f.Most),
		"{until}", when(!f.Until.IsZero(), " until "+Clock(f.Until, now, st)), "{error}", Error(f.Err),
	)
}

// Reason renders a failure, a receipt or a [result.Done] in one line without a mark, for standard
// error and frames. It is "" for other results.
func Reason(r result.Result, st Style, now time.Time) string {
	switch r.(type) {
	case result.Failure, result.Receipt, result.Done:
		return text.CleanLine(linesOf(r, st, now)[0])
	}
	return ""
}

// near suggests a similar nick.
func near(nick string) string { return when(nick != "", "; did you mean "+nick+"?") }

// failed has the words for failures; failure has exceptions. "REASON ABOUT" goes before
// "REASON".
var failed = map[result.Reason]string{
	result.NoSuchNick:          "nobody is called {nick}{near}",
	result.OperatorsOnly:       "only operators can do that",
	result.KeysOnly:            "nothing is kept for guests, so {about} works only in the room; connect with a key to have a nick of your own",
	result.KeysOnly + " key":   "guests have no keys; connect with one to have a nick of your own (ssh-keygen -t ed25519 makes one)",
	result.KeysOnly + " id":    "--id is not for guests; connect with a key to have a nick of your own",
	result.KeysOnly + " wait":  "--wait is not for guests; connect with a key to have a nick of your own",
	result.KeyUsed:             "not sent: another message used the retry key {id} in the last day; choose a new one",
	result.TooManyTries:        "not sent: too many retry keys today, yours ({most} recipients) or everyone's; send without one",
	result.NotRead:             "not received in time by {nicks}; the message is not lost",
	result.NeverRead:           "{nick}'s last key was removed before the message was read",
	result.KeysOnly + " inbox": "nothing is kept for guests; connect with a key to have an inbox",
	result.KeysOnly + " paste": "guests can't send files; connect with a key (ssh-keygen -t ed25519 makes one)",
	result.KeysOnly + " fetch": "guests have no files; connect with a key (ssh-keygen -t ed25519 makes one)",
	result.RoomOnly:            "{about} works only in the room; to enter it, connect without a command",
	result.KeysOnly + " tail":  "guests have no direct messages; connect with a key to have some",
	result.ShellOnly:           "{about} works only from a shell: ssh HOST {about}",
	result.TooManyTails:        "you have {most} running already (tail, watch, send --wait and hidden programs); end one first",
	result.TooLongAgo:          "too many messages since then to print; choose a later time, or use -n",
	result.Muted:               "not sent: {nick} muted you{until}",
	result.TooLong:             "not sent: that is {n} characters, and a message can have at most {most}",
	result.NotAffordable:       "not sent: {error}",
	result.NothingToReply:      "nobody has written to you yet; write to someone with send NICK TEXT",
	result.WroteMeanwhile:      "not sent: {nick} wrote to you while you typed this; to reply to {nick}, press the up arrow and Enter; or use send {about} TEXT",
	result.Self:                "you can't {about} yourself",
	result.Self + " kick":      "you can't kick yourself; to leave, type quit",
	result.NotBlocked:          "you do not block {nick}",
	result.NickKept:            "your key keeps the nick {own}; to be {nick}, connect with another key (ssh -i FILE): {about}",
	result.NoSuchCommand:       "no such command; type help for a list of commands",
	result.NoSuchMessage:       "no recent message has the ID {id}; the last line of a message that was cut shows its ID",
	result.NoSuchRoom:          "there is no room {room}, or it is not open to you; /rooms lists those that are",
	result.RoomAlike:           "{room} reads like {alike}; take another name",
	result.RemovedFromRoom:     "you were removed from {room}; its owners can let you back with /room invite",
	result.NoGuestsInRoom:      "{room} takes no guests; connect with a key to join it",
	result.MutedInRoom:         "not sent: an owner of {room} muted you there",
	result.NotInRoom:           "you are not in {room}; /join {room} takes you there",
	result.NotRoomOwner:        "only owners of {room} can do that; /room shows who they are",
	result.MayNotOwn:           "only people who have joined {room} and do not block you can become its owners",
	result.NotForLobby:         "everybody is in the lobby: it can't be changed, muted or left",
	result.BackupRuns:          "not now: {room} can't be closed or made public while a backup is running; try again in a few minutes",
	result.NotInThisRoom:       "{room} is private, and guests can't enter private rooms",
	result.TooManyJoined:       "you are in " + Count(room.MaxJoined) + " rooms already; /leave one first",
	result.TooManyMade:         "you have made, or made public, " + Count(room.MaxMade) + " rooms today, counting failed tries; try again tomorrow",
	result.TooManyRooms:        "there are " + Count(room.MaxRooms) + " rooms, the most that this server can have; /rooms lists those open to you",
	result.TopicTooLong:        "not set: that is {n} characters, and a topic can have at most {most}",
	result.ReasonTooLong:       "not set: that is {n} characters, and a reason can have at most {most}",
	result.RoomListFull:        "that list of {room} is full, with 1,000 nicks",
	result.NoInput:             "standard input has no text",
	result.FilesOff:            "not sent: files are turned off on this server; a text of up to {most} characters can be sent with: send NICK -",
	result.NoGuestFiles:        "not sent: {nick} is a guest, and files are only for people with a key",
	result.FileTooLarge:        "not sent: the file is larger than {about}, the limit of this server",
	result.FileGone:            "{about} is no longer kept; ask for it to be sent again",
	result.NoSuchFile:          "no message to or from you with the ID {id} has a file; the ID is in the line that announced the file",
	result.FetchOnTerminal:     "fetch prints the bytes of a file; leave out -t, and write them to a file: fetch ID > FILE",
	result.InputOnTerminal:     "standard input can't be read with -t; leave out -t",
	result.Incomplete:          "not sent: the input ended in the middle of the file",
	result.NotJoined:           "you have not joined yet; send JOIN first",
	result.JoinedAlready:       "you have joined already",
	result.NotYou:              "your key's nick is {own}",
	result.BadField:            "{about} is not the ID of a message",
	result.NoSuchZone:          "no such time zone; they look like Europe/Berlin, America/New_York or UTC",
	result.NoText:              "MSG is empty",
	result.AnswersMissing:      "not confirmed: the server did not finish in time; it may or may not arrive",
	result.MarkingMissing:      "not confirmed: the server did not finish in time; these messages may be shown as new again",
	result.NotHere:             "{nick} is not here",
	result.WouldBanYou:         "not banned: that ban would cover you",
	result.WouldBan:            "not banned: that ban would cover {operators}; if you mean it, put the word anyway after {nick}, or after the duration",
	result.NotBanned:           "{nick} is not banned; /bans lists all bans",
	result.NotMuted:            "{nick} is not muted",
	result.GuestInvited:        "guests need no invitation",
	result.NickHeld:            "{nick} is already registered to a key; its owner can add another one with /key add",
	result.CertificateOnly:     "you logged in with a certificate; only its issuer can add keys",
	result.BadKey:              "not added: {error}",
	result.TooManyKeys:         "not added: that would be more than {most} keys; remove some",
	result.LimitedKey:          "not added: your key works only from a long list of addresses, which can't be copied here; ask an operator",
	result.KeyTaken:            "not added: this key already belongs to another nick; use a different one",
	result.KeyChanges:          "not changed: {error}; {most} keys can be added or removed a day, and {n} from one address",
	result.KeyGone:             "not added: the key that you logged in with no longer belongs to {own}",
	result.NoSuchKey:           "none of your keys has this fingerprint; /key lists them",
	result.NotConfirmed:        "you are {own}, not {nick}; to give your nick up, type /key leave {own}",
	result.NoKeyHere:           "{own} is not registered to a key here: you have it by a certificate, and only its issuer can take it back",
	result.Sending:             "not sent: {error}",
	result.Recording:           "not done: writing the audit log failed: {error}",
	result.RecordingFailed:     "writing to the audit log that it was not done failed, too: {error}",
	result.Acting:              "{about} failed: {error}",

	result.NotInThisRoom + " owner":  "{nick} has no key here, and can't own a room",
	result.NotInThisRoom + " remove": "{nick} owns {room}; owners can't be removed",
	result.NotInThisRoom + " mute":   "{nick} owns {room}; owners can't be muted",
	result.NoSuchRoom + " guest":     "there is no room {room}, or it is not open to you, and guests can't make rooms; /rooms lists those open to you",
	result.NoSuchCommand + " shell":  "no such command; for the list of commands: ssh HOST help",
}

// became has the words for receipts.
var became = map[room.Outcome]string{
	room.Delivered:      "delivered to {to}",
	room.KeptOffline:    "kept for {to} (offline)",
	room.KeptAway:       "kept for {to} (away{reason})",
	room.KeptBroken:     "kept for {to} (connection lost)",
	room.KeptSilent:     "kept for {to} (not answering)",
	room.RefusedUnknown: "nobody is called {to}{near}",
	room.RefusedSelf:    "that is you",
	room.RefusedGone:    "{to} is not here, and nothing is kept for guests",
	room.RefusedBlocked: "{to} does not accept messages from you",
	room.RefusedYours:   "you block {to} and would not see the answer; /unblock {to} first",
	room.RefusedFull:    "{to}'s inbox is full ({most}); {to} has to read some first",
	room.Failed:         "{error}",
}

// receipt renders a receipt in one line.
func receipt(r result.Receipt) string {
	words := fill(became[r.Outcome],
		"{to}", r.To, "{reason}", because("", r.Reason), "{near}", near(r.Near),
		"{most}", Number(r.Most, "unread message", "unread messages"),
		"{error}", cmp.Or(Error(r.Err), storageTrouble))
	not := "not sent"
	if errors.Is(r.Err, room.ErrUncertain) {
		not, words = "not confirmed", words+"; the message may still arrive"
	}
	switch {
	case r.Taken():
		return words
	case r.Only:
		return not + ": " + words
	}
	return not + " to " + r.To + ": " + words
}

// person describes somebody present.
func person(p result.Person, st Style, now time.Time) string {
	idle := now.Sub(p.Active)
	return p.Nick + when(strings.HasPrefix(p.Nick, "~"), " (guest)") + ": " + commas(
		"since "+Clock(p.Since, now, st),
		when(idle >= time.Minute, "idle "+Ago(idle)),
		when(p.Away, because("away", p.Reason)),
		when(p.Sessions == 0, "connection lost just now"),
		when(p.Sessions > 1, Number(p.Sessions, "session", "sessions")),
		when(p.Silent && p.Sessions > 0, "not answering"),
		when(p.Quiet, "not announced"),
	)
}

// seen describes somebody who was here lately.
func seen(p room.Presence, now time.Time) string {
	ago := Ago(now.Sub(p.Active)) + " ago"
	name := p.Nick + when(p.Bot, asBot)
	switch {
	case p.Online:
		return name + ": online now"
	case p.Lost:
		return name + ": connection lost " + ago
	}
	return name + ": left " + ago
}

func ban(b bans.Ban, st Style) string {
	until := "for good"
	if !b.Until.IsZero() {
		until = "until " + st.in(b.Until).Format("2 Jan 2006 15:04 MST")
	}
	return because(commas(b.Target.String()+" by "+b.By+" on "+st.in(b.Made).Format(day), until), b.Reason)
}

const day = "2 Jan 2006"

// key describes a key; in is the fingerprint of the one in use.
func key(k result.Key, in string, st Style, now time.Time) string {
	added := "added on " + k.Added.Format(day)
	if now.UTC().Format(day) == k.Added.Format(day) { // it is given at its beginning in UTC
		added = "added today"
	}
	expires := "until "
	if !now.Before(k.Expires) {
		expires = "expired "
	}
	return commas(
		k.Fingerprint+" ("+k.Type+")"+when(k.Label != "", ` "`+k.Label+`"`),
		when(!k.Added.IsZero(), added),
		when(k.Fingerprint == in, "in use here"),
		when(k.Fingerprint != in && !k.Used.IsZero(), "last used "+Ago(now.Sub(k.Used))+" ago"),
		when(k.From != "", "only from "+k.From),
		when(!k.Expires.IsZero(), expires+Clock(k.Expires, now, st)),
		when(k.Disabled != "", "disabled: "+k.Disabled),
		when(k.Pending, "not confirmed: connect with it as "+k.Nick),
	)
}

// moderated has the words for the actions of operators, indexed by [result.Reader]: for the
// operator, the other operators and the people concerned.
var moderated = map[string][3]string{
	"kick":   {"kicked {whom}: {ended}", "{by} kicked {whom}{why}", "you were kicked by {by}{why}"},
	"ban":    {"banned {whom} {lasts}; {hit}", "{by} banned {whom} {lasts}{why}", "{you} banned by {by} {lasts}{block}{why}"},
	"unban":  {"{whom} is no longer banned", "{by} unbanned {whom}", ""},
	"mute":   {"muted {whom} {lasts}; /unmute {whom} ends it", "{by} muted {whom} {lasts}", "{by} muted you {lasts}: you can read, but not write"},
	"unmute": {"{whom} can write again", "{by} unmuted {whom}", "{by} unmuted you"},
	"invite": {"", "{by} invited {whom}", ""},
}

// Moderation renders an operator's action in one line, for its reader.
func Moderation(m result.Moderation) string {
	const most = 5 // addresses that are named
	from := strings.Join(m.From[:min(most, len(m.From))], ", ") + when(len(m.From) > most, ", ...")
	lasts := "for good"
	switch {
	case m.For != 0:
		lasts = "for " + duration.Format(m.For)
	case m.What == "mute":
		lasts = "indefinitely"
	}
	hit := "it ended the sessions of " + People(m.Hit, listed)
	switch {
	case len(m.Hit) == 0 && m.Others:
		hit = "nobody on this server was affected; the other servers end the sessions that it covers"
	case len(m.Hit) == 0:
		hit = "nobody online was affected"
	case len(m.Hit) == 1 && m.Hit[0] == m.Whom: // the address, since another name would get in again
		hit = "connected from " + from
	}
	ended := Number(m.Sessions, "session", "sessions") + ", from " + from
	switch {
	case m.Others && m.Sessions == 0:
		ended = "the sessions are on another server"
	case m.Others:
		ended += "; and any on other servers"
	}
	you := "you are"
	if m.ByKey {
		you = "your key is"
	}
	return fill(moderated[m.What][m.Reader],
		"{by}", m.By, "{whom}", m.Whom, "{why}", because("", m.Why), "{lasts}", lasts, "{you}", you,
		"{hit}", hit, "{ended}", ended,
		"{block}", when(m.ByBlock, ", with everyone from "+m.Whom))
}

func help(dst []byte, commands parse.Table, st Style) []byte {
	const widest = 30
	dst = Notice(dst, "just type to talk to everyone; commands:", st)
	short := func(c *parse.Syntax) string { return "  " + c.Forms()[0] }
	column := 0
	for _, c := range commands {
		if n := len(short(c)) + 2; n <= widest { // a longer one has a row of its own
			column = max(column, n)
		}
	}
	for _, c := range commands {
		dst = starred(dst, short(c), c.Help, column, grey, st)
	}
	return Notice(dst, "Tab completes; up and down recall what you typed; /help COMMAND tells more", st)
}
