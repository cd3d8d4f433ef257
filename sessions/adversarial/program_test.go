package adversarial

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"whoelse/sessions/internal/rawssh"
)

// A line without end costs the server no memory, and JSON that is nested deeply no stack: both
// are answered, and three such lines end the session.
func TestProgramsEndlessLines(t *testing.T) {
	while(t, options{}, func(r *rig) {
		before := now()
		c := r.connect(visit{user: "mallory", key: "mallory", command: "json"})
		for range 256 { // 16 MiB
			c.types(strings.Repeat("x", 64<<10))
		}
		c.types("\n")
		c.sees(`"CODE":"too-long"`)
		costs(t, before, 100, 8<<20)
		c.types(strings.Repeat("[", 60<<10) + "\n" + strings.Repeat(`{"TO":`, 10_000) + "\n")
		c.sees(`"CODE":"bad-lines"`)
		c.leaves()
		if n := strings.Count(c.received(), `"CMD":"ERROR"`); n != 3 {
			t.Errorf("%d answers:\n%s", n, c.received())
		}
	})
}

// A program that asks for everything and reads nothing is ended, like a person.
func TestProgramsThatDoNotRead(t *testing.T) {
	t.Parallel()
	along(t, options{within: time.Hour}, func(r *rig) {
		c := r.raw("mallory")
		if !c.Session(1<<16, 1<<15) {
			t.Fatal("there is no session")
		}
		asks(c, "json", false)
		frames := `{"CMD":"JOIN"}` + "\n" + strings.Repeat(`{"CMD":"HISTORY"}`+"\n", 50)
		c.Write(append([]byte{rawssh.ChannelData, 0, 0, 0, 0}, rawssh.Str(nil, frames)...))
		for begun := false; !begun; {
			p, err := c.Next()
			r.must(err)
			begun = p[0] == rawssh.ChannelData
		}
		dora := r.connect(visit{user: "dora", key: "dora"})
		line := strings.Repeat("x", 9900) + "\n"
		for n := range 20 {
			dora.types(strings.Repeat(line, 25) + fmt.Sprintf("more %d\n", n))
			dora.sees(fmt.Sprintf("dora: more %d", n))
		}
		eventually(t, "a program that reads nothing goes on", func() bool { return r.visits("mallory") == 0 })
	})
}
