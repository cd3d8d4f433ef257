// Package parse turns one typed line into a Call. It is a pure function of the line and a
// table of commands, and knows nothing of the people online or the nicks that exist.
//
// Plain text is said. Commands begin with '/'; some also work as a bare word. What begins
// like a command and does not fit its syntax is an [*Error], never text: a private message
// with a typing mistake must not end up in front of everybody.
package parse

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"whoelse/keys/nick"
	"whoelse/sessions/text"
)

// Call is a parsed line. The command determines which fields are set. After an error only JSON is set, and the
// name if it is known.
type Call struct {
	Name string   // canonical name of the command; "say" for plain text, "" for an empty line
	To   []string // canonical nicks: send, broadcast to a list
	Nick string   // canonical nick: inbox of one, block, unblock, kick, mute, invite, key leave
	Room string   // canonical name of a room, without '#'; "" where none is named
	Text string   // message text, away reason, help topic, a pasted key
	N    int      // minutes or lines; 0 when not given

	Target string        // of a ban, or the fingerprint of a key, as typed
	For    time.Duration // how long; 0 when not given
	Why    string        // the reason of a kick or ban, "" for none
	Anyway bool          // ban: also if it covers an operator
	Verb   string        // the first word after the name, where one says what to do

	Since            string // tail: the ID of a message; with For, a duration, and N it says where to begin
	Direct, Mentions bool   // tail
	File             string // paste: its name, as typed; "" when not given

	JSON bool          // --json, from a shell: answer in frames. Set with an error, too
	Key  string        // --id, from a shell: the retry key
	Wait time.Duration // --wait, from a shell; 0 when not given
}

// Syntax is one command as people type it and read about it.
type Syntax struct {
	Name      string
	Aliases   []string
	BareWords []string // which of its names also work without '/'
	Alone     bool     // the bare words only count when nothing follows
	ToNick    bool     // a nick follows, and people type it without '/': see Misspelt
	Text      bool     // what follows ends with a text, which is taken as it is: options come first
	Options   bool     // from a shell it takes --id and, with recipients, --wait
	Usage     string   // its forms, separated by ", "
	Example   string   // a line of it, where mistakes are likely; may be empty
	Help      string   // what it does, one line
	More      string   // what help COMMAND adds; may be empty

	// Args parses what follows the name into call. It returns what is wrong, in words, or "".
	Args func(rest string, call *Call) string
}

// Forms are the ways to type the command: the parts of its usage.
func (c *Syntax) Forms() []string {
	forms := strings.Split(c.Usage, ", ")
	for i, f := range forms {
		forms[i] = strings.TrimPrefix(f, "or ")
	}
	return forms
}

// Table is all commands, "say" and "send" among them, in the order of the help.
type Table []*Syntax

// Find returns the command with this name or alias, with or without '/', or nil.
func (t Table) Find(name string) *Syntax {
	name = strings.TrimPrefix(name, "/")
	for _, c := range t {
		if c.Name == name || slices.Contains(c.Aliases, name) || slices.Contains(c.BareWords, name) {
			return c
		}
	}
	return nil
}

// Error is for a line that begins like a command and is not a valid one. Its text is fit to
// show: at most two lines, with the input quoted and cut.
type Error struct {
	Problem string // what is wrong, and the usage of the command
	Hint    string // the way out, or ""
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Problem
	}
	return e.Problem + " (" + e.Hint + ")"
}

const sayHint = "to say it anyway, put a space in front"

// Line parses one line of input, which may hold several lines of text.
// The error is always an *Error.
func (t Table) Line(line string) (Call, error) {
	switch {
	case strings.TrimSpace(line) == "":
		return Call{}, nil
	case line[0] == ' ' || line[0] == '\n': // all behind that space is said
		line = strings.TrimRight(strings.TrimLeft(line, "\n"), " \n")
		return Call{Name: "say", Text: strings.TrimPrefix(line, " ")}, nil
	case line[0] == '@':
		return t.at(line, sayHint)
	}
	word, rest := cut(line)
	if name, slash := strings.CutPrefix(word, "/"); slash {
		return t.named("/", name, rest)
	}
	if c := t.bare(word, rest); c != nil {
		return run(c, rest, sayHint)
	}
	return Call{Name: "say", Text: strings.TrimSpace(line)}, nil
}

// Command parses a command that needs no '/': one that is given to ssh after the host.
func (t Table) Command(line string) (Call, error) {
	line = strings.TrimSpace(line)
	word, rest := cut(line)
	var call Call
	var err error
	switch {
	case strings.HasPrefix(word, "@"):
		call, err = t.at(line, "")
	case strings.HasPrefix(word, nick.RoomMark):
		call, err = run(t.Find("in"), line, "")
	default:
		call, err = t.optioned(strings.TrimPrefix(word, "/"), rest)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		e.Hint = "ssh HOST help lists the commands" // nothing here is ever said by mistake
		if call.Name == "" {
			e.Hint = "to say it to everyone: ssh HOST say TEXT; for the list of commands: ssh HOST help"
		}
	}
	return call, err
}

// optioned is named, and parses the options in rest.
func (t Table) optioned(name, rest string) (call Call, err error) {
	var options Call
	c := t.Find(strings.ToLower(name))
	rest, problem := options.options(c, rest)
	if problem != "" {
		call.Name, err = c.Name, &Error{Problem: c.Name + ": " + problem}
	} else {
		call, err = t.named("", name, rest)
	}
	if err == nil && options.Wait != 0 && len(call.To) == 0 {
		err = &Error{Problem: c.Name + ": --wait is for messages to people, not for the room"}
	}
	call.JSON, call.Key, call.Wait = options.JSON, options.Key, options.Wait
	return call, err
}

// InRoom parses a line of the form "#room text". ok is false if line does not begin like one.
func (t Table) InRoom(line string) (call Call, err error, ok bool) {
	if !strings.HasPrefix(line, nick.RoomMark) || len(line) < 2 || strings.ContainsAny(line[1:2], " #\n\t") {
		return Call{}, nil, false
	}
	call, err = run(t.Find("in"), line, sayHint)
	return call, err, true
}

// Addressed returns call, or, if its text begins with a room, the call of "in" for that room, or an error.
func (t Table) Addressed(call Call) (Call, error) {
	in, err, ok := t.InRoom(call.Text)
	if !ok || len(call.To) > 0 {
		return call, nil
	}
	in.JSON, in.Key = call.JSON, call.Key
	return in, err
}

// at parses a line that begins with '@'.
func (t Table) at(line, hint string) (Call, error) {
	send := *t.Find("send")
	send.Args = atArgs
	return run(&send, line[1:], hint)
}

// named runs the command called name, which was typed with mark in front.
func (t Table) named(mark, name, rest string) (Call, error) {
	lower := strings.ToLower(name)
	if c := t.Find(lower); c != nil && !strings.HasPrefix(name, "/") {
		return run(c, rest, "")
	}
	var names []string // that it may have been meant as
	for _, c := range t {
		names = append(append(names, c.Name), c.Aliases...)
	}
	e := &Error{Problem: "no command " + text.Quote(mark+name, 24), Hint: sayHint + "; /help lists the commands"}
	if near, ok := nick.Nearest(lower, names); ok {
		e.Problem += "; did you mean " + mark + near + "?"
	}
	return Call{}, e
}

// bare finds the command that word names without a '/', if it does.
func (t Table) bare(word, rest string) *Syntax {
	word = strings.ToLower(word)
	c := t.Find(word)
	if c == nil || !slices.Contains(c.BareWords, word) {
		return nil
	}
	if c.Alone && rest != "" { // "help me", "exit through the gift shop"; but "help send" is one
		topic := strings.ToLower(rest)
		about := t.Find(topic)
		if c.Name != "help" || about == nil || topic[0] != '/' && (topic != about.Name || topic == "me") {
			return nil
		}
	}
	return c
}

// Misspelt is what to answer instead of saying a line that is very likely a command, but has no '/' or a slip in
// its name; nil if it is to be said. known tells whether somebody is called that, and written whether somebody has
// written to the person.
func (t Table) Misspelt(line string, known func(nick string) bool, written func() bool) *Error {
	word, rest := cut(line)
	word = strings.ToLower(word)
	if line == "" || strings.ContainsRune(" /@!:", rune(line[0])) {
		return nil
	}
	meant := ""
	if c := t.Find(word); c == nil {
		meant = t.slip(word, rest, known)
	} else if !slices.Contains(c.BareWords, word) && c.lacksSlash(word, rest, known, written) {
		meant = "/" + word
	}
	if meant == "" {
		return nil
	}
	return &Error{Problem: "not said: did you mean " + text.Quote(strings.TrimSpace(meant+" "+rest), 40) + "?", Hint: sayHint}
}

// slip is the command that word is with a slip in it, "" for none: one for people of whom one is known, such as
// "sned bob hi", or one that is typed alone. Four letters with a wrong one can be a word, in whatever language.
func (t Table) slip(word, rest string, known func(string) bool) string {
	if everyday[word] {
		return ""
	}
	for _, c := range t {
		for _, name := range c.BareWords {
			switch {
			case !nick.OneSlip(word, name):
			case rest == "" && (len(name) > 4 || sameLetters(word, name)), c.ToNick && anyKnown(rest, known):
				return name
			}
		}
	}
	return ""
}

// anyKnown reports whether rest begins with a list of nicks of which one is known.
func anyKnown(rest string, known func(string) bool) bool {
	list, _ := cutNicks(rest)
	return slices.ContainsFunc(list, func(item string) bool {
		n, err := nick.ParseAny(item)
		return err == nil && known(n)
	})
}

func sameLetters(a, b string) bool {
	x, y := []byte(a), []byte(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// everyday has words of everyday language that are one slip away from a command.
var everyday = map[string]bool{
	"sent": true, "sends": true, "end": true, "bend": true, "fend": true, "lend": true, "mend": true, "rend": true,
	"tend": true, "vend": true, "wend": true, "spend": true, "sand": true, "seed": true, "unbox": true, "broadcasts": true,
}

// lacksSlash reports whether word and rest, which would be said, are meant as the command.
func (c *Syntax) lacksSlash(word, rest string, known func(string) bool, written func() bool) bool {
	var call Call
	switch problem := c.Args(rest, &call); {
	case problem != "":
		return false
	case call.Room != "":
		return strings.ContainsFunc(call.Room, unicode.IsLetter) // else "in #12 we changed that"
	case rest == "":
		return slices.Contains([]string{"history", "rooms", "settings", "motd", "whoami"}, word)
	case word == "reply":
		return written()
	case slices.Contains([]string{"block", "unblock", "ignore", "unignore", "kick", "mute", "unmute"}, word):
		return !strings.ContainsAny(rest, " \n\t") && known(call.Nick)
	}
	return false
}

// run parses the arguments of a command. A failure comes with hint, unless there was no text
// to say.
func run(c *Syntax, rest, hint string) (Call, error) {
	call := Call{Name: c.Name}
	problem := c.Args(rest, &call)
	switch problem {
	case "":
		return call, nil
	case noText:
		hint = ""
	}
	problem = c.Name + ": " + problem + "; usage: " + c.Usage
	if c.Example != "" {
		problem += ", for example: " + c.Example
	}
	return Call{Name: c.Name}, &Error{Problem: problem, Hint: hint}
}

// cut splits s at its first white space; rest has none around it.
func cut(s string) (word, rest string) {
	i := strings.IndexAny(s, " \n\t")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimSpace(s[i:])
}
