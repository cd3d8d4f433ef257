package sessions_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"whoelse/keys"
	"whoelse/room"
)

var update = flag.Bool("update", false, "write what the screens show into the transcripts")

// TestTranscripts plays testdata/*.txt. Each is one server and the people on it;
// testdata/README says how they are written.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			play(t, file)
		})
	}
}

// transcript is one file being played.
type transcript struct {
	*testing.T
	file   string
	lines  []string
	at     int // the line being played
	out    []string
	rig    *rig
	people map[string]*client
}

func play(t *testing.T, file string) {
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tr := &transcript{T: t, file: file, rig: newRig(t), people: map[string]*client{}}
	tr.lines = strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
	for tr.at < len(tr.lines) {
		tr.step()
	}
	for name, c := range tr.people {
		if strange := c.strange(); len(strange) > 0 {
			t.Errorf("%s got what no chat sends: %q", name, strange)
		}
	}
	if text := strings.Join(tr.out, "\n") + "\n"; *update && !t.Failed() && text != string(raw) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// verbs is what a line of a transcript can do.
var verbs = map[string]func(tr *transcript, who, rest string){
	"connects": (*transcript).connects,
	"runs":     (*transcript).connects,
	"types":    func(tr *transcript, who, rest string) { tr.client(who).typed(tr.keys(rest)) },
	"enters":   func(tr *transcript, who, rest string) { tr.client(who).typed(tr.keys(rest) + "\r") },
	"sends":    func(tr *transcript, who, rest string) { tr.client(who).typed(tr.unquote(rest)) },
	"ends":     func(tr *transcript, who, _ string) { tr.client(who).ch.CloseWrite() },
	"breaks":   func(tr *transcript, who, _ string) { tr.client(who).conn.Close() },
	"resizes":  (*transcript).resizes,
	"shows":    (*transcript).shows,
	"rings":    (*transcript).rings,
	"is":       (*transcript).is,
	"restarts": (*transcript).restarts,
	"counts":   (*transcript).counts,
	"keeps":    (*transcript).keeps,
	"trusts":   func(tr *transcript, _, rest string) { tr.rig.trust(rest) },
	"employs":  func(tr *transcript, _, rest string) { tr.rig.hasRole(rest, keys.RoleBot) },
	"greets":   func(tr *transcript, _, rest string) { tr.rig.motd = tr.unquote(rest) },
}

func (tr *transcript) step() {
	line := tr.lines[tr.at]
	tr.at++
	tr.out = append(tr.out, line)
	if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
		return
	}
	who, rest, _ := strings.Cut(line, " ")
	verb, rest, _ := strings.Cut(rest, " ")
	do := verbs[verb]
	if do == nil {
		tr.fatalf("no verb %q", verb)
	}
	do(tr, who, rest)
}

func (tr *transcript) fatalf(format string, args ...any) {
	tr.Helper()
	tr.Fatalf("%s:%d: %s", tr.file, tr.at, fmt.Sprintf(format, args...))
}

func (tr *transcript) client(who string) *client {
	tr.Helper()
	c := tr.people[who]
	if c == nil {
		tr.fatalf("nobody is called %s", who)
	}
	return c
}

// connects takes options and, behind them, the command to run.
func (tr *transcript) connects(who, rest string) {
	d := dial{user: who, key: who, term: "xterm-256color", env: map[string]string{"TZ": noonZone()}}
	for rest != "" {
		word, more, _ := strings.Cut(rest, " ")
		if !tr.option(&d, word) {
			d.command = rest
			break
		}
		rest = more
	}
	tr.people[who] = connect(tr, tr.rig.addr, d)
}

func (tr *transcript) option(d *dial, word string) bool {
	name, value, _ := strings.Cut(word, "=")
	switch name {
	case "guest":
		d.key = ""
	case "as":
		d.user, d.key = value, value
	case "user":
		d.user = value
	case "key":
		d.key = value
	case "term":
		d.term = value
	case "env":
		k, v, _ := strings.Cut(value, "=")
		d.env[k] = v
	case "pipe":
	default:
		w, h, ok := size(word)
		if ok { // else it is the command
			d.width, d.height = w, h
		}
		return ok
	}
	return true
}

func size(s string) (w, h int, ok bool) {
	n, err := fmt.Sscanf(s, "%dx%d", &w, &h)
	return w, h, n == 2 && err == nil
}

// noonZone names a zone in which it is about noon, so that no test meets midnight.
func noonZone() string {
	switch off := time.Now().UTC().Hour() - 12; { // the names' signs are those of POSIX
	case off > 0:
		return fmt.Sprintf("Etc/GMT+%d", off)
	case off < 0:
		return fmt.Sprintf("Etc/GMT%d", off)
	}
	return "Etc/GMT"
}

var named = strings.NewReplacer(
	"<enter>", "\r", "<tab>", "\t", "<up>", "\x1b[A", "<down>", "\x1b[B", "<left>", "\x1b[D", "<right>", "\x1b[C",
	"<home>", "\x1b[H", "<backspace>", "\x7f", "<^C>", "\x03", "<^D>", "\x04", "<^U>", "\x15",
	"<paste>", "\x1b[200~", "</paste>", "\x1b[201~", "<newline>", "\n", "<space>", " ",
)

// many is "<4001*x>": x that often.
var many = regexp.MustCompile(`<(\d+)\*(.)>`)

func (tr *transcript) keys(s string) string {
	s = many.ReplaceAllStringFunc(s, func(m string) string {
		parts := many.FindStringSubmatch(m)
		n, _ := strconv.Atoi(parts[1])
		return strings.Repeat(parts[2], n)
	})
	return named.Replace(s)
}

func (tr *transcript) unquote(s string) string {
	s = many.ReplaceAllStringFunc(s, tr.keys)
	raw, err := strconv.Unquote(s)
	if err != nil {
		tr.fatalf("not a quoted string: %s", s)
	}
	return raw
}

func (tr *transcript) resizes(who, rest string) {
	w, h, ok := size(rest)
	if !ok {
		tr.fatalf("not a size: %q", rest)
	}
	tr.client(who).resize(w, h)
}

// shows compares a whole screen with the rows that follow.
func (tr *transcript) shows(who, _ string) {
	tr.Helper()
	var want []string
	for tr.at < len(tr.lines) && strings.HasPrefix(tr.lines[tr.at], "|") {
		want = append(want, strings.TrimPrefix(strings.TrimPrefix(tr.lines[tr.at], "|"), " "))
		tr.at++
	}
	if *update {
		want = tr.client(who).settle(1500 * time.Millisecond)
	}
	want = normal(want)
	for _, row := range want {
		tr.out = append(tr.out, strings.TrimRight("| "+row, " "))
	}
	got, ok := tr.client(who).await(patience, func(rows []string) bool { return slices.Equal(normal(rows), want) })
	if !ok {
		tr.fatalf("%s sees (-want +got):\n%s\nif that is right, record it: go test ./sessions -run '%s$' -update", who, cmp.Diff(want, normal(got)), strings.TrimPrefix(tr.Name(), "Test"))
	}
}

var variable = []struct {
	is   *regexp.Regexp
	want string
}{
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\dT[\d:.]+Z\b`), "TIME"},
	{regexp.MustCompile(`\bTIME\t1[0-9a-z]{10}\t`), "TIME\tID\t"},
	{regexp.MustCompile(`\b\d\d:\d\d\b`), "HH:MM"},
	{regexp.MustCompile(`\b\d+ s ago`), "N s ago"},
	{regexp.MustCompile(`more lines; type /show \w{4}\b`), "more lines; type /show ID"},
}

// receipt is a row that tells what became of a message for one recipient.
var receipt = regexp.MustCompile(`^( \* )?(delivered to|kept for) `)

// normal replaces what differs from run to run. Receipts of several recipients come in
// no certain order: rows of them that stand together are sorted.
func normal(rows []string) []string {
	out := slices.Clone(rows)
	for i := range out {
		for _, v := range variable {
			out[i] = v.is.ReplaceAllString(out[i], v.want)
		}
		out[i] = strings.TrimRight(out[i], " ")
	}
	for from := 0; from < len(out); {
		to := from
		for to < len(out) && receipt.MatchString(out[to]) {
			to++
		}
		slices.Sort(out[from:to])
		from = to + 1
	}
	return out
}

// rings checks how often the terminal's bell has rung until now.
func (tr *transcript) rings(who, rest string) {
	tr.Helper()
	if got := strconv.Itoa(tr.client(who).bells()); got != rest {
		tr.fatalf("%s heard %s bells, want %s", who, got, rest)
	}
}

// is checks whether anything was coloured until now.
func (tr *transcript) is(who, rest string) {
	tr.Helper()
	got := "plain"
	for _, seq := range regexp.MustCompile(`\x1b\[[0-9;]*m`).FindAllString(tr.client(who).received(), -1) {
		if seq != "\x1b[0m" && seq != "\x1b[m" {
			got = "coloured"
		}
	}
	if got != rest {
		tr.fatalf("%s is %s, want %s", who, got, rest)
	}
}

// counts waits until the server has noticed who is there.
func (tr *transcript) counts(_, rest string) {
	var nicks, sessions int
	if _, err := fmt.Sscanf(rest, "%d nicks, %d sessions", &nicks, &sessions); err != nil {
		tr.fatalf("not a count: %q", rest)
	}
	tr.until(func() (bool, string) {
		now := tr.rig.room.Stats()
		return now.Members == nicks && now.Sessions == sessions,
			fmt.Sprintf("the server has %d nicks, %d sessions", now.Members, now.Sessions)
	})
}

// keeps waits until so much is unread, receipts among it.
func (tr *transcript) keeps(_, rest string) {
	var n int
	var nick string
	if _, err := fmt.Sscanf(rest, "%d for %s", &n, &nick); err != nil {
		tr.fatalf("not a number of messages for somebody: %q", rest)
	}
	tr.until(func() (bool, string) {
		unread, err := room.Collect(tr.rig.store.Unread(nick))
		return err == nil && len(unread) == n, fmt.Sprintf("%d are kept for %s, %v", len(unread), nick, err)
	})
}

func (tr *transcript) until(so func() (yes bool, is string)) {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	late := time.After(patience)
	for {
		yes, is := so()
		if yes {
			return
		}
		select {
		case <-look.C:
		case <-late:
			tr.fatalf("%s", is)
		}
	}
}

func (tr *transcript) restarts(who, rest string) {
	if who != "server" {
		tr.fatalf("only the server restarts")
	}
	if _, err := fmt.Sscanf(rest, "inbox=%d", &tr.rig.most); rest != "" && err != nil {
		tr.fatalf("not how to restart: %q", rest)
	}
	tr.rig.stop()
	tr.rig.start()
}
