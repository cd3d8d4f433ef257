package sessions

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys/nick"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
	"whoelse/sessions/sshd"
)

// All words that sessions show stand here or beside the command that says them.
// They are lower case, without a full stop; they name the thing, the cause and the
// way out, and never an internal error.

const (
	wordsShutdown    = "the server is shutting down; kept messages are safe; come back in a moment"
	wordsStorage     = "storage trouble; please try again in a moment"
	wordsUnconfirmed = "not confirmed: the server did not finish in time; it may or may not arrive"
	wordsUnmarked    = "not confirmed: the server did not finish in time; these messages may be shown as new again"
	wordsOperators   = "only operators can do that"
	wordsSearched    = "older lines were not searched; there may be more"
)

// lastWords is what a session is shown at its end, and for standard error what a
// pipe has asked for and nobody knows the outcome of.
func (s *session) lastWords(cause error) (words, errors string) {
	words = "bye"
	if !voluntary(cause) {
		words = wordsEnd(cause)
	}
	if words == "" || words == "bye" && s.term == nil {
		return "", s.failed.errors()
	}
	return string(render.Notice(nil, words, s.styleNow())), s.failed.errors()
}

// wordsEnd says why somebody's session or command is ended, "" if there is nobody
// any more to be told.
func wordsEnd(cause error) string {
	switch {
	case errors.Is(cause, errShutdown):
		return wordsShutdown
	case errors.Is(cause, errSlow):
		return "disconnected: your connection is too slow to keep up"
	case errors.Is(cause, errLost):
		return ""
	}
	return plainError(cause)
}

func wordsTooLong(size int) string {
	return "not sent: that is " + render.Count(size) + " characters, and a message can have at most " + render.Count(maxText)
}

// wordsUnaffordable says why nothing more is stored for somebody.
func wordsUnaffordable(why error) string { return "not sent: " + why.Error() }

func wordsTooFast(rate float64) string {
	return fmt.Sprintf("at most %g messages a second: the rest wait their turn", rate)
}

func wordsCount(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// wordsReceipt says what became of a message, and whether it was taken.
func wordsReceipt(r room.Receipt) (words string, ok bool) {
	switch r.Outcome {
	case room.Delivered:
		return "delivered to " + r.To, true
	case room.KeptOffline:
		return "kept for " + r.To + " (offline)", true
	case room.KeptAway:
		if r.Reason == "" {
			return "kept for " + r.To + " (away)", true
		}
		return "kept for " + r.To + " (away: " + r.Reason + ")", true
	case room.KeptBroken:
		return "kept for " + r.To + " (connection lost)", true
	case room.KeptSilent:
		return "kept for " + r.To + " (not answering)", true
	case room.RefusedSelf:
		return "that is you", false
	case room.RefusedGone:
		return r.To + " is not here, and nothing is kept for guests", false
	case room.RefusedBlocked:
		return r.To + " does not accept messages from you", false
	case room.RefusedYours:
		return "you block " + r.To + " and would not see the answer; /unblock " + r.To + " first", false
	case room.RefusedFull:
		return fmt.Sprintf("%s's inbox is full (%s); %s has to read some first",
			r.To, wordsCount(r.Most, "unread message", "unread messages"), r.To), false
	}
	return wordsStorage, false
}

// wordsAway reminds somebody of being away.
func wordsAway(a room.Absence, st render.Style) string {
	words := "you have been away since " + render.Clock(a.Since, time.Now(), st)
	if a.Reason != "" {
		words += " (" + a.Reason + ")"
	}
	return words + "; /back to return"
}

// wordsOnline describes someone who is here; silent is whether their client does not answer.
func (a *actor) wordsOnline(p room.Presence, silent bool) string {
	now := time.Now()
	words := p.Nick
	if strings.HasPrefix(p.Nick, "~") {
		words += " (guest)"
	}
	words += ": since " + render.Clock(p.Since, now, a.style())
	if idle := now.Sub(p.Active); idle >= time.Minute {
		words += ", idle " + render.Ago(idle)
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
	if silent && p.Sessions > 0 {
		words += ", not answering"
	}
	if p.Quiet {
		words += ", not announced"
	}
	return words
}

// wordsLast describes someone who was here lately.
func wordsLast(p room.Presence) string {
	if p.Online {
		return p.Nick + ": online now"
	}
	if p.Lost {
		return p.Nick + ": connection lost " + render.Ago(time.Since(p.Active)) + " ago"
	}
	return p.Nick + ": left " + render.Ago(time.Since(p.Active)) + " ago"
}

// wordsUnread counts the inbox: "3 unread: bob (2), carol (1); type inbox". Of a full
// one it tells what that means for its owner.
func wordsUnread(unread room.Waiting, full bool) string {
	const most = 8
	var parts []string
	for i, from := range unread.Senders {
		if i == most {
			parts = append(parts, "...")
			break
		}
		parts = append(parts, fmt.Sprintf("%s (%d)", from, unread.Of[from]))
	}
	words := fmt.Sprintf("%d unread: %s; ", unread.Messages, strings.Join(parts, ", "))
	if full {
		words += "your inbox is full, and nobody can write to you until you have read them: "
	}
	return words + "type inbox"
}

// wordsMissed counts what was said in the room since the person left and is not among the
// last lines, which are shown; "" if that is nothing. Whose connection was lost is told so,
// with the count of all that was said.
func wordsMissed(w *room.Welcome, shown int, nick string, st render.Style) string {
	if w.Left.IsZero() {
		return ""
	}
	left := w.Left.Truncate(time.Millisecond) // as the times of messages are
	all, above, mentions := 0, 0, 0
	for i, m := range w.Recent {
		if m.Time.Before(left) {
			continue
		}
		all++
		if i >= len(w.Recent)-shown {
			continue
		}
		above++
		if m.From != nick && render.Mentions(m.Text, nick) {
			mentions++
		}
	}
	atLeast := ""
	if all == room.MissedLines {
		atLeast = "at least "
	}
	var words string
	switch {
	case w.LeftLost && all == 0:
		words = wordsLost(w.Left, st) + "nothing was said in the room since then"
	case w.LeftLost:
		words = wordsLost(w.Left, st) + atLeast + wordsCount(all, "message", "messages") + " in the room since then"
	case above == 0:
		return ""
	case shown == 0:
		words = atLeast + wordsCount(above, "line", "lines") + " since you left"
	default:
		words = atLeast + wordsCount(above, "more line above", "more lines above")
	}
	if above == 0 {
		return words
	}
	if mentions > 0 {
		words += ", " + wordsCount(mentions, "mentions you", "mention you")
	}
	return fmt.Sprintf("%s: /history %d", words, above+shown)
}

func wordsLost(at time.Time, st render.Style) string {
	return "your connection was lost at " + render.Clock(at, time.Now(), st) + "; "
}

// wordsRename says how to have another nick.
func (a *actor) wordsRename(to string) string {
	own := a.seat.Nick()
	join := a.joinLine(strings.TrimPrefix(to, nick.GuestMark))
	if a.login.Key == nil {
		return "your nick can't be changed here; to be " + to + ", leave and connect with: " + join
	}
	return "your key keeps the nick " + own + "; to be " + to + ", connect with another key (ssh -i FILE): " + join
}

// joinLine is the command with which somebody connects as user.
func (a *actor) joinLine(user string) string {
	if a.host.cfg.JoinLine == nil {
		return "ssh " + user + "@HOST"
	}
	return a.host.cfg.JoinLine(user, a.at)
}

// wordsIdentity says who one is and by which key.
func wordsIdentity(l *sshd.Login, seat *room.Seat) string {
	if l.Key == nil {
		return "you are " + seat.Nick() + ", a guest: nothing is kept for you when you leave; connect with a key to have a nick of your own"
	}
	return "you are " + seat.Nick() + ", by the key " + gossh.FingerprintSHA256(l.Key)
}

// greetMost is how many people a greeting names before it only counts them.
const greetMost = 20

func wordsHere(others []room.Presence, total int) string {
	switch {
	case total == 0:
		return "nobody else is here"
	case total > len(others):
		return fmt.Sprintf("%d others are here; whoelse lists them", total)
	}
	nicks := make([]string, len(others))
	for i, p := range others {
		nicks[i] = p.Nick
	}
	verb := " are here"
	if len(nicks) == 1 {
		verb = " is here"
	}
	return render.People(nicks, greetMost) + verb
}

// helpColumn is how wide the column of commands in the help gets.
const helpColumn = 26

func helpAll(operator bool, st render.Style) string {
	lines := render.Notice(nil, "just type to talk to everyone; commands:", st)
	list, width := commandsFor(operator), 0
	for _, c := range list {
		if n := len(shortUsage(c)); n <= helpColumn { // one that is long stands alone, and widens nothing
			width = max(width, n)
		}
	}
	for _, c := range list {
		lines = render.Entry(lines, "  "+shortUsage(c), c.Help, 2+width+2, st)
	}
	return string(render.Notice(lines, "Tab completes; up and down recall what you typed; /help COMMAND tells more", st))
}

// commandsFor lists what one may ask for.
func commandsFor(operator bool) []*parse.Syntax {
	return slices.DeleteFunc(slices.Clone(parse.Commands), func(c *parse.Syntax) bool { return c.Operators && !operator })
}

// shortUsage is the first of a command's forms.
func shortUsage(c *parse.Syntax) string {
	first, _, _ := strings.Cut(c.Usage, ", ")
	return first
}

func helpOne(c *parse.Syntax, st render.Style) string {
	lines := render.Notice(nil, c.Usage+": "+c.Help, st)
	if c.Example != "" {
		lines = render.Notice(lines, "for example: "+c.Example, st)
	}
	if c.More != "" {
		lines = render.Notice(lines, c.More, st)
	}
	if len(c.Aliases) > 0 {
		lines = render.Notice(lines, "also /"+strings.Join(c.Aliases, ", /"), st)
	}
	return string(lines)
}
