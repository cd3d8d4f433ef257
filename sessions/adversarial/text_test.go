package adversarial

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"whoelse/sessions/internal/rawssh"
)

// own are hostile strings of our own making, with every control character if all is
// tested at its full length.
func own() []string {
	all := []string{
		"\x1b]0;title\a", "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "\x1b]50;font\a", "\x1b]52;c;ZXZpbA==\a", "\x1bP$q\"p\x1b\\", "\x1bPtmux;\x1b\x1b]0;x\a\x1b\\",
		"\x1b[6n", "\x1b[21t", "\x1b[5n", "\x1b[c", "\x1b[>c", "\x1b[?1049h", "\x1b[2J\x1b[H", "\x1b[31mred", "\x1bc", "\x1b[!p", "\x1b[200~x\x1b[201~", "\x1b[999999999999A",
		"\u009b2J", "\u009d0;x\u009c", "\u0090x\u009c", "\xc2\x9b2J", "\x9b2J", "\xc2", "\xe2\x80", "\xf0\x9f", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff\xfe\xfd",
		"\u202edrow\u202c", "\u2066a\u2069", "\u200e\u200f\u061c", "\u2028a\u2029b", "a\u200bb\u200cc\u2060d\ufeffe", "\U000e0041\U000e007f", "\u115f\u3164\uffa0", "\ufe00\ufe0f\u180b",
		"z" + strings.Repeat("\u0335\u0321\u0308", 100), strings.Repeat("\u0301", 300), "x\r\n12:00 bob: forged", "x\r12:00 bob: forged", "x\n * bob left", "x\v\fy", "a\tb", "a\bb\x7f",
		"\x1b" + strings.Repeat("1", 255), "\x1b[" + strings.Repeat("1", 255), "\x1b]" + strings.Repeat("1", 4096), strings.Repeat("\a", 100), strings.Repeat("日", 300), "\u200d\u200d\u200d",
	}
	step := rune(7)
	if full && !raceOn {
		step = 1
	}
	for r := rune(0); r < 0x20; r += step {
		if r != '\n' {
			all = append(all, fmt.Sprintf("c0 %c end", r))
		}
	}
	for r := rune(0x7f); r < 0xa0; r += step {
		all = append(all, fmt.Sprintf("c1 %c end", r), "raw c1 "+string([]byte{byte(r)})+" end")
	}
	return all
}

// naughty is own and the Big List of Naughty Strings, where that can be had.
func naughty(t testing.TB) []string {
	list, err := os.ReadFile("testdata/blns.json") // the Big List of Naughty Strings
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	if err := json.Unmarshal(list, &all); err != nil {
		t.Fatal(err)
	}
	return append(own(), all...)
}

var forged = regexp.MustCompile(`(?m)^(\d\d:\d\d bob: forged| \* bob left)`)

// audience is who looks on: a terminal and a pipe.
type audience []*client

func (r *rig) audience() audience {
	return audience{
		r.connect(visit{user: "dora", key: "dora", term: "xterm-256color"}),
		r.connect(visit{user: "erin", key: "erin"}),
	}
}

func (a audience) sees(texts ...string) {
	for _, c := range a {
		c.t.Helper()
		c.sees(texts...)
	}
}

// unharmed asserts that nobody got anything but text, rings no bell that was not
// meant, and takes nothing for somebody else's.
func (a audience) unharmed() {
	for i, c := range a {
		c.t.Helper()
		c.clean([]string{"dora", "erin"}[i])
		if line := forged.FindString(c.shownNow()); line != "" {
			c.t.Errorf("a forged line: %q", line)
		}
	}
}

func (c *client) shownNow() string {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	return c.shown()
}

// fields are what a person can set with a line.
var fields = map[string]string{
	"say": "%s", "literal": " %s", "me": "/me %s", "broadcast": "broadcast %s", "direct": "@dora,erin %s", "group": "broadcast user dora,erin %s",
	"away": "/away %s", "block": "/block %s", "unblock": "/unblock %s", "recipient": "send %s hello", "inbox": "inbox %s", "help": "/help %s",
	"command": "/%s", "minutes": "wholast %s", "key comment": "/key add ssh-ed25519 AAAA %s", "fingerprint": "/key remove %s",
	"kick": "/kick %s x", "invite": "/invite %s",
	"ban": "/ban %s", "announce": "/announce %s", "mute": "/mute %s", "unban": "/unban %s",
}

// some is all of own and, of the rest of naughty, each nth.
func some(t testing.TB, n int) []string {
	mine := own()
	if !full || raceOn {
		n *= 10
	}
	for i, s := range naughty(t)[len(mine):] {
		if i%n == 0 {
			mine = append(mine, s)
		}
	}
	return mine
}

// someThird is every third of some, unless all is tested at its full length: for what
// takes a connection or several for each.
func someThird(t testing.TB, n int) (few []string) {
	for i, s := range some(t, n) {
		if full && !raceOn || i%3 == 0 {
			few = append(few, s)
		}
	}
	return few
}

// Whatever is put into whatever field, by pipe: others see text, and so does who
// typed it.
func TestEveryField(t *testing.T) {
	t.Parallel()
	operator := `environment="ROLE=operator" ` + keyLine("mallory")
	along(t, options{lines: []string{operator}}, func(r *rig) {
		a := r.audience()
		for field, form := range fields {
			c := r.connect(visit{user: "mallory", key: "mallory"})
			for _, s := range some(t, 1) {
				c.types(fmt.Sprintf(form, strings.ReplaceAll(s, "\n", "\r")) + "\n")
			}
			end := "end of " + field
			c.types("/away " + end + "\nwhoelse\n/bans\n/blocked\n/back\n/say " + end + "\n")
			a.sees("mallory: " + end)
			c.sees("mallory: " + end)
			c.clean("mallory with " + field)
			c.Close()
		}
		a[1].types("whoelse\n/history 1000\n")
		a[1].sees("other people are here")
		a.unharmed()
	})
}

// Why somebody has to go is told to them, to other operators and to the log.
func TestReasons(t *testing.T) {
	t.Parallel()
	lines := []string{`environment="ROLE=operator" ` + keyLine("mallory"), `environment="ROLE=operator" ` + keyLine("dora")}
	along(t, options{lines: lines}, func(r *rig) {
		a := r.audience()
		c := r.connect(visit{user: "mallory", key: "mallory"})
		for i, s := range someThird(t, 20) {
			name := fmt.Sprint("zoe", i)
			zoe := r.connect(visit{user: name, key: name, term: "xterm"})
			order := []string{"/kick %s %s\n", "/ban %s 1h because %s\n"}[i%2]
			c.types(fmt.Sprintf(order, name, strings.ReplaceAll(s[:min(len(s), 80)], "\n", "\r")))
			zoe.sees([]string{"you were kicked by mallory", "you are banned by mallory"}[i%2])
			zoe.leaves()
			zoe.clean("zoe")
			zoe.Close()
		}
		c.types("/bans\n/say the end\n")
		a.sees("mallory: the end")
		c.sees("mallory: the end")
		a.unharmed()
		c.clean("mallory")
	})
}

// The same as text, typed and pasted at a terminal.
func TestTyped(t *testing.T) {
	t.Parallel()
	alongInRooms(t, options{}, func(r *rig) {
		a := r.audience()
		c := r.connect(visit{user: "mallory", key: "mallory", term: "xterm"})
		for _, s := range some(t, 1) {
			s = leaving.Replace(s)
			c.types("t" + s + "\x1b[201~\x15\r" + "t " + s + "\r\x15")
			c.types("\x1b[200~p" + s + "\x1b[201~\r\x15")
		}
		c.types("\x1b\x1b\x1b[201~\x15\r\x15the end\r")
		a.sees("mallory: the end")
		a.unharmed()
		c.drawn("mallory") // the marks that she stacks on her own prompt are hers
	})
}

// leaving takes out what ends a session or a paste.
var leaving = strings.NewReplacer("\x03", "", "\x04", "", "\x1b[200~", "")

// What comes with a session: the terminal's name, the environment, the command,
// what the client calls itself and its last words.
func TestHostileSessions(t *testing.T) {
	t.Parallel()
	alongInRooms(t, options{}, func(r *rig) {
		a := r.audience()
		for _, s := range someThird(t, 10) {
			env := map[string]string{"TZ": s, "LANG": s, "LC_ALL": s, "COLORTERM": s, "TERM": s, "LC_" + s: s}
			for i, v := range []visit{{term: s + "x"}, {command: s + " "}, {command: "say " + s + "."}} {
				v.user, v.key, v.env = "mallory", "mallory", env
				c := r.connect(v)
				if i == 0 {
					c.types("hello\rquit\r")
				}
				c.leaves()
				c.clean(fmt.Sprintf("mallory with %q", s))
				c.Close()
			}
			r.introduced(s)
		}
		a.sees("mallory: hello")
		a.unharmed()
	})
}

// introduced connects with s as the client's version and as its last words.
func (r *rig) introduced(s string) {
	version := rawssh.Version + " " + strings.Map(func(c rune) rune {
		if c < ' ' { // which ends the connection: see TestBrokenPackets
			return -1
		}
		return c
	}, s[:min(len(s), 200)])
	c := rawssh.Exchange(r.T, r.addr, version)
	c.Write(rawssh.Str([]byte{rawssh.ServiceRequest}, "ssh-userauth"))
	c.Read(rawssh.ServiceAccept)
	c.Prove("mallory", signer("mallory"))
	c.Session(1<<20, 1<<15)
	c.Write(rawssh.Request(0, "shell", false, nil))
	c.Write(rawssh.Str(rawssh.Str([]byte{rawssh.Disconnect, 0, 0, 0, 11}, s), s))
	c.Close()
}
