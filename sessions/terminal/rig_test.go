package terminal

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"whoelse/sessions/internal/screen"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a Terminal, the screen of the person at it, and a script of what
// happens. Everything runs on one goroutine: what is done while the person
// types is done from within the Terminal's reading, where it holds no lock.
type rig struct {
	t      fatal
	term   *Terminal
	screen *screen.Screen
	script []any // string: keys that come in one read; func(): anything else
	erase  func(Line) bool

	failed string // what is wrong; it ends the script
	lines  []Line
	err    error
	out    int // bytes taken
	buf    []byte
}

type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

const maxText = 4000 // unless a test says otherwise

func newRig(t fatal, cfg Config, script ...any) *rig {
	r := &rig{t: t, script: script, erase: erased}
	r.term = newTerminal(r, cfg)
	s := clampSize(cfg.Width, cfg.Height)
	r.screen = screen.New(s.width, s.height)
	return r
}

func erased(Line) bool { return true }

// newTerminal fills in what cfg says nothing of.
func newTerminal(in io.Reader, cfg Config) *Terminal {
	if cfg.MaxText == 0 {
		cfg.MaxText = maxText
	}
	if cfg.Complete == nil {
		cfg.Complete = func(string, int) (string, int, bool) { return "", 0, false }
	}
	if cfg.Begin == nil {
		cfg.Begin = func() {}
	}
	if cfg.Wake == nil {
		cfg.Wake = func() {}
	}
	return New(in, cfg)
}

// Read gives the next keys of the script to the Terminal.
func (r *rig) Read(p []byte) (int, error) {
	for len(r.script) > 0 && r.failed == "" {
		r.show()
		switch step := r.script[0].(type) {
		case func():
			r.script = r.script[1:]
			step()
		case string:
			n := copy(p, step)
			r.script[0] = step[n:]
			if n == len(step) {
				r.script = r.script[1:]
			}
			return n, nil
		}
	}
	r.show()
	return 0, io.EOF
}

// show brings what the Terminal has written to the screen.
func (r *rig) show() {
	r.buf = r.term.Take(r.buf[:0])
	r.out += len(r.buf)
	_, _ = r.screen.Write(r.buf)
}

// run plays the script and returns the rig.
func (r *rig) run() *rig {
	r.t.Helper()
	for {
		line, err := r.term.ReadLine(r.erase)
		if err != nil {
			r.err = err
			break
		}
		r.lines = append(r.lines, line)
	}
	r.show()
	if r.failed != "" {
		r.t.Fatalf("%s", r.failed)
	}
	if !r.term.mu.TryLock() {
		r.t.Fatalf("the screen is left locked")
	}
	r.term.mu.Unlock()
	if len(r.screen.Unknown) > 0 || r.screen.Bells > 0 {
		r.t.Fatalf("%d bells and unknown output %q", r.screen.Bells, r.screen.Unknown)
	}
	return r
}

func (r *rig) print(format string, args ...any) func() {
	return func() { r.term.Print(fmt.Appendf(nil, format, args...)) }
}

func (r *rig) resize(w, h int) func() {
	return func() {
		s := clampSize(w, h)
		r.screen.Resize(s.width, s.height)
		r.term.Resize(w, h)
	}
}

// expect asserts what is on the screen, at this point of the script.
func (r *rig) expect(rows ...string) func() {
	return func() {
		if got := r.screen.All(); !slices.Equal(got, rows) {
			r.fail("the screen shows\n%s\nwant\n%s", quoted(got), quoted(rows))
		}
	}
}

// fail notes what is wrong. A test must not be ended from within the Terminal's
// reading: x/term unlocks on its way out what it has not locked then.
func (r *rig) fail(format string, args ...any) {
	if r.failed == "" {
		r.failed = fmt.Sprintf(format, args...)
	}
}

func quoted(rows []string) string {
	var b strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&b, "\t%q\n", row)
	}
	return b.String()
}

// play runs a script, made for its rig, and returns the rig.
func play(t *testing.T, cfg Config, script func(*rig) []any) *rig {
	t.Helper()
	r := newRig(t, cfg)
	r.script = script(r)
	return r.run()
}

// texts returns the texts of the lines that were entered.
func (r *rig) texts() []string {
	out := []string{}
	for _, l := range r.lines {
		out = append(out, l.Text)
	}
	return out
}

// enters asserts which lines come of some keys, given at once, byte by byte, and
// cut in two everywhere, however slow the machine is.
func enters(t *testing.T, keys string, want ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { entersNow(t, keys, want) })
}

func entersNow(t *testing.T, keys string, want []string) {
	t.Helper()
	check := func(how string, script ...any) {
		t.Helper()
		r := newRig(t, Config{Complete: completeTest}, script...).run()
		if !slices.Equal(r.texts(), append([]string{}, want...)) {
			t.Errorf("%s of %.80q: %.80q, want %q", how, keys, r.texts(), want)
		}
		if !errors.Is(r.err, io.EOF) {
			t.Errorf("%s of %.80q: %v", how, keys, r.err)
		}
	}
	check("one read", keys)
	single := []any{}
	for i := range len(keys) {
		single = append(single, keys[i:i+1])
	}
	check("single bytes", single...)
	for i := 1; i < min(len(keys), 60); i++ {
		check(fmt.Sprintf("a cut at %d", i), keys[:i], keys[i:])
	}
}

func completeTest(line string, pos int) (string, int, bool) {
	if !strings.HasSuffix(line[:pos], "wh") {
		return "", 0, false
	}
	return line[:pos] + "oelse" + line[pos:], pos + 5, true
}
