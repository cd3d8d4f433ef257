package terminal

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whoelse/sessions/internal/screen"
)

// TestTwoGoroutines has a person type while a writer prints, resizes and takes,
// as a session does; the race detector is the better half of it.
func TestTwoGoroutines(t *testing.T) {
	const lines = 200
	in, keys := io.Pipe()
	wake := make(chan struct{}, 1)
	term := newTerminal(in, Config{Width: 30, Height: 10, Wake: func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	}})
	said := make(chan string, lines)
	stop := make(chan struct{})
	screen := screen.New(30, 10)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer keys.Close()
		for i := range lines {
			_, _ = fmt.Fprintf(keys, "line %d 日本\x01\x05\r", i)
		}
	})
	wg.Go(func() {
		defer close(stop)
		for {
			line, err := term.ReadLine(func(Line) bool { return true })
			if err != nil {
				return
			}
			said <- line.Text
		}
	})
	count := writer(term, screen, said, wake, stop)
	wg.Wait()
	if count != lines || len(screen.Unknown) > 0 {
		t.Errorf("%d lines of %d, unknown %q", count, lines, screen.Unknown)
	}
	var want []string
	for i := range lines {
		want = append(want, fmt.Sprintf("line %d 日本", i))
	}
	term.Close()
	_, _ = screen.Write(term.Take(nil))
	if diff := cmp.Diff(want, screen.All()); diff != "" {
		t.Error(diff)
	}
}

// writer shows what was said until the reader has ended.
func writer(term *Terminal, screen *screen.Screen, said <-chan string, wake, stop <-chan struct{}) (count int) {
	var out []byte
	for {
		select {
		case s := <-said:
			term.Print([]byte(s + "\n"))
			term.Resize(30+count%2, 10)
			count++
		case <-wake:
		case <-stop:
			for len(said) > 0 {
				term.Print([]byte(<-said + "\n"))
				count++
			}
			_, _ = screen.Write(term.Take(out[:0]))
			return count
		}
		out = term.Take(out[:0])
		screen.Resize(30+(count+1)%2, 10)
		_, _ = screen.Write(out)
	}
}

func TestWake(t *testing.T) {
	var woken int
	r := newRig(t, Config{Wake: func() { woken++ }})
	waits := func(want bool, what string) func() {
		return func() {
			if woken > 0 != want {
				r.fail("woken %d times by %s", woken, what)
			}
			woken = 0
		}
	}
	r.script = []any{
		waits(true, "the prompt"), "a", waits(true, "an echo"), "\x1b[5~\x0f", waits(false, "nothing"),
		r.print("x\n"), waits(false, "Print"), r.resize(20, 5), waits(false, "Resize"),
		func() { r.term.Clear() }, waits(true, "Clear"), "\r", waits(true, "Enter"),
	}
	r.run()
}

// TestCostlyKeys has one read bring more keys that copy a long line than anybody
// presses: they must not cost what they ask for.
func TestCostlyKeys(t *testing.T) {
	for _, keys := range []string{"\t", "\x1b[A\x1b[B", "\xffx", "x\x7f", "\x0c", "\x02\x14", "\x02\x7f", "\x19", "\x1b[A", "\x05\x15x", paste("x")} {
		var tabs int
		cfg := Config{Complete: func(l string, _ int) (string, int, bool) { tabs++; return l, 0, true }}
		flood := strings.Repeat(keys, rawSize/len(keys))
		in := &repeated{first: strings.Repeat("日", 1333) + "\r" + strings.Repeat("x", maxText), keys: flood, n: 20}
		term := newTerminal(in, cfg)
		_, _ = term.ReadLine(erased)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = term.ReadLine(erased)
		runtime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) / 20; n > 4<<20 || tabs > 20*64 {
			t.Errorf("%q: %d bytes allocated for one read, %d times Tab", keys, n, tabs)
		} else {
			t.Logf("%q: %d KB allocated for one read", keys, n>>10)
		}
	}
}

// repeated gives first, then the same keys n times.
type repeated struct {
	first, keys string
	n           int
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.first != "" {
		n := copy(p, r.first)
		r.first = r.first[n:]
		return n, nil
	}
	if r.n--; r.n < 0 {
		return 0, io.EOF
	}
	return copy(p, r.keys), nil
}

// single gives the same keys for ever, one byte at a time.
type single struct {
	keys string
	at   int
}

func (s *single) Read(p []byte) (int, error) {
	p[0] = s.keys[s.at]
	s.at = (s.at + 1) % len(s.keys)
	return 1, nil
}

func TestSizes(t *testing.T) {
	for in, want := range map[size]size{
		{0, 0}: {80, 24}, {-1, -5}: {80, 24}, {1, 1}: {10, 2}, {1 << 30, 1 << 30}: {500, 500}, {100, 30}: {100, 30},
	} {
		if got := clampSize(in.width, in.height); got != want {
			t.Errorf("%v becomes %v", in, got)
		}
	}
}

// TestBurstIsDrawnOnce bounds what a burst of keys in one read makes the server
// write: not a whole line for each of them.
func TestBurstIsDrawnOnce(t *testing.T) {
	r := newRig(t, Config{}, strings.Repeat("x", 3000)+"\x01", func() {}, strings.Repeat("ab\x7f", 170))
	r.run()
	if r.out > 12000 {
		t.Errorf("%d bytes written", r.out)
	}
}

func TestIdleMemory(t *testing.T) {
	const n = 500
	terms := make([]*Terminal, n)
	use := func(term *Terminal, keys string) {
		term.in.src = strings.NewReader(keys)
		term.in.err, term.in.ended = nil, nil
		_, _ = term.ReadLine(erased)
		term.Print([]byte(strings.Repeat("welcome to the room\n", 200)))
		term.Take(nil)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range terms {
		terms[i] = newTerminal(strings.NewReader(""), Config{})
		use(terms[i], "hi\r")
		use(terms[i], paste(strings.Repeat("x", 3000))+"\x15short\r")
		use(terms[i], strings.Repeat("y", 3000)+"\r")
		terms[i].in.past, terms[i].in.killed = nil, ""
		use(terms[i], "hi\r")
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (after.HeapAlloc - before.HeapAlloc) / n; each > 3000+maxAbove {
		t.Errorf("%d bytes each", each)
	} else {
		t.Logf("%d bytes each", each)
	}
	runtime.KeepAlive(terms)
}

func BenchmarkPrint(b *testing.B) {
	for name, typed := range map[string]string{"nothing typed": "", "half a line": "some text 日本"} {
		b.Run(name, func(b *testing.B) {
			term := newTerminal(strings.NewReader(typed), Config{})
			_, _ = term.ReadLine(erased)
			batch := []byte(strings.Repeat("14:02 bob: hello there, how are you?\n", 5))
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				term.Print(batch)
				out = term.Take(out[:0])
			}
		})
	}
}

func BenchmarkReadLine(b *testing.B) {
	for name, keys := range map[string]string{
		"in one burst": "hello there, how are you all today?\r",
		"with edits":   "hello there, how\x01\x1b[1;5C\x7f\x7fxx\x05 are you?\r",
	} {
		b.Run(name, func(b *testing.B) {
			term := newTerminal(&repeated{"", keys, 1 << 60}, Config{})
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				_, _ = term.ReadLine(func(Line) bool { return true })
				out = term.Take(out[:0])
			}
		})
	}
	b.Run("key by key", func(b *testing.B) {
		term := newTerminal(&single{keys: "hello there, how are you all today?\r"}, Config{})
		var out []byte
		b.ReportAllocs()
		for b.Loop() {
			_, _ = term.ReadLine(func(Line) bool { return true })
			out = term.Take(out[:0])
		}
	})
}
