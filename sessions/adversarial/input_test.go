package adversarial

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

// Escape sequences without end cost nothing and end with the line.
func TestEndlessEscapes(t *testing.T) {
	whileInRooms(t, options{}, func(r *rig) {
		a := r.audience()
		c := r.connect(visit{user: "mallory", key: "mallory", term: "xterm"})
		for _, begin := range []string{"\x1b", "\x1b[", "\x1b]", "\x1bP", "\x1bO", "\x1b[200", "\u009b"} {
			for _, n := range []int{1, 254, 255, 256, 4096, many(1 << 20)} {
				c.types(begin + strings.Repeat("1", n) + "\r\x15\r")
			}
		}
		c.types(strings.Repeat("\x1b", many(1<<20)) + "\r\x15\r" + "the end\r")
		a.sees("mallory: the end")
		a.unharmed()
		c.clean("mallory")
	})
}

// A paste of any length, which may never end, is counted and not kept.
func TestEndlessPaste(t *testing.T) {
	whileInRooms(t, options{}, func(r *rig) {
		before := now()
		piece := strings.Repeat("x", 1<<20)
		c := r.connect(visit{user: "mallory", key: "mallory", term: "xterm"})
		c.types("\x1b[200~")
		for range many(50) {
			c.types(piece)
		}
		costs(t, before, 100, 16<<20)
		c.types("\x1b[201~\r")
		c.sees("not sent: that is")
		c.types("\x1b[200~" + strings.Repeat("lines\r\n", many(100_000)) + "\x1b[201~\r")
		c.types("the end\r")
		c.sees("mallory: the end")
		never := r.connect(visit{user: "mallory", key: "mallory", term: "xterm"})
		never.types("\x1b[200~" + piece)
	})
}

// A line of up to a million characters is refused in words, wherever it comes from.
func TestEndlessLine(t *testing.T) {
	length := many(1_000_000)
	whileInRooms(t, options{}, func(r *rig) {
		a := r.audience()
		for i, s := range []string{"x", "日", "e\u0301", "\u0301", "\x00", "\xff", " "} {
			for _, term := range []string{"xterm", ""} {
				c := r.connect(visit{user: "mallory", key: "mallory", term: term})
				after := fmt.Sprintf("after %d at %q", i, term) // other than what the greeting repeats
				io.WriteString(c.ch, strings.Repeat(s, length/len(s))+"\r\n"+after+"\r\n")
				if !c.shows("mallory: " + after) {
					t.Fatalf("after many %q at %q, mallory sees %.2000q", s, term, c.received())
				}
				c.clean("mallory")
				c.Close()
			}
		}
		a.unharmed()
		if got := a[1].received(); len(got) > 100<<10 {
			t.Errorf("others get %d bytes", len(got))
		}
	})
}

// UTF-8 that comes a byte at a time is put together again, and what is none is
// replaced, where it stands.
func TestSplitUTF8(t *testing.T) {
	t.Parallel()
	const said = "h\u00e9llo \u65e5\u672c\u8a9e \U0001f680 \u0928\u092e\u0938\u094d\u0924\u0947 end"
	alongInRooms(t, options{}, func(r *rig) {
		a := r.audience()
		for _, term := range []string{"xterm", ""} {
			c := r.connect(visit{user: "mallory", key: "mallory", term: term})
			for _, line := range []string{said, "cut \xe6\x97 here " + said, "\xff\xfe\xc0\x80 " + said, "\xed\xa0\xbd\xed\xb8\x80 " + said} {
				for i := range len(line) {
					c.types(line[i : i+1])
				}
				c.types("\r\n")
			}
			c.types("the end by " + term + ".\r\n")
			a.sees("mallory: the end by " + term + ".")
			c.Close()
		}
		got := a[1].received()
		if n := strings.Count(got, said); n != 8 {
			t.Errorf("it arrives whole %d times: %q", n, got)
		}
		if !strings.Contains(got, "cut "+string(utf8.RuneError)) {
			t.Errorf("nothing stands for what was cut: %q", got)
		}
		a.unharmed()
	})
}

// Input that just ends: with and without a newline, after nothing, after a command.
func TestInputThatEnds(t *testing.T) {
	t.Parallel()
	alongInRooms(t, options{}, func(r *rig) {
		a := r.audience()
		for i, input := range []string{"", "\n", "the last line", "\r", "@erin", "\x04", "\x00", "/", "@", "@erin psst"} {
			c := r.connect(visit{user: "mallory", key: "mallory"})
			c.types(input)
			if err := c.ch.CloseWrite(); err != nil {
				t.Errorf("%d: %v", i, err)
			}
			c.leaves()
			c.clean("mallory")
		}
		a.sees("mallory: the last line")
		a[1].sees("[mallory -> you] psst")
		a.unharmed()
	})
}

// Commands of any size and quoting.
func TestHostileCommands(t *testing.T) {
	t.Parallel()
	along(t, options{}, func(r *rig) {
		a := r.audience()
		c := r.connect(visit{user: "mallory", key: "mallory", command: "send erin it's \"half' quoted\\"})
		c.sees("delivered to erin")
		a[1].sees(`[mallory -> you] it's "half' quoted\`)
		for _, size := range []int{10_001, 60 << 10} {
			c := r.connect(visit{user: "mallory", key: "mallory", command: "say " + strings.Repeat("x", size)})
			c.sees("not sent")
			c.leaves()
		}
		for _, size := range []int{65 << 10, 128<<10 + 1, 250 << 10} {
			if r.channel("mallory").ask("exec", text{"say " + strings.Repeat("x", size)}) {
				t.Errorf("a command of %d bytes is taken", size)
			}
		}
		endless := r.connect(visit{user: "mallory", key: "mallory", command: "say -"})
		io.WriteString(endless.ch, strings.Repeat("x", 1<<20)) // until the server has enough
		endless.sees("not sent")
		a.unharmed()
	})
}
