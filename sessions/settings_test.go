package sessions_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestZone: times are in the zone that a person has set, unless their client asks for another.
func TestZone(t *testing.T) {
	r := newRig(t)
	plain := dial{user: "bob", key: "bob", width: 120, height: 24, term: "xterm"}
	asking := plain
	asking.env = map[string]string{"TZ": "Asia/Kathmandu"}
	bob, laptop := connect(t, r.addr, plain), connect(t, r.addr, asking)
	row := func(c *client, has string) string {
		t.Helper()
		shows := func(row string) bool { return strings.Contains(row, has) }
		rows, met := c.await(patience, func(rows []string) bool { return slices.ContainsFunc(rows, shows) })
		if !met {
			t.Fatalf("nothing says %q:\n%s", has, strings.Join(rows, "\n"))
		}
		return rows[slices.IndexFunc(rows, shows)]
	}
	bob.typed("/settings zone america/st_johns\r")
	row(bob, "times are in America/St_Johns")
	laptop.typed("/settings\r")
	row(laptop, "times are in Asia/Kathmandu, which your client sends (TZ); America/St_Johns is for clients that send none")
	bob.typed("lunch?\r")
	minutes := func(row string) int {
		clock, err := time.Parse("15:04", row[:5])
		r.must(err)
		return clock.Hour()*60 + clock.Minute()
	}
	offset := func(zone string) int {
		in, err := time.LoadLocation(zone)
		r.must(err)
		_, seconds := time.Now().In(in).Zone()
		return seconds / 60
	}
	const day = 24 * 60
	apart := minutes(row(laptop, "bob: lunch?")) - minutes(row(bob, "bob: lunch?"))
	if want := offset("Asia/Kathmandu") - offset("America/St_Johns"); (apart+day)%day != want {
		t.Errorf("the clocks are %d minutes apart, not %d", apart, want)
	}
}
