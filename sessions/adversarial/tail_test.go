package adversarial

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"whoelse/room"
	"whoelse/sessions/internal/rawssh"
)

// tails has mallory start n tails that read nothing, each on a connection of its own.
func (r *rig) tails(n int, command string) (all []*rawssh.Client) {
	r.Helper()
	for range n {
		c := r.raw("mallory")
		if !c.Session(1<<16, 1<<15) {
			r.Fatal("there is no session")
		}
		asks(c, command, false)
		all = append(all, c)
	}
	return all
}

// A tail that is not read holds a page of what was said, and what is said meanwhile up to the
// limit of a session; then it is ended. Nobody else is any slower for it.
func TestTailsThatAreNotRead(t *testing.T) {
	onlyFull(t)
	const lines = 3000
	past := []past{{lines, 4000, room.Message{Kind: room.KindSay, Room: room.Lobby, From: "dora"}}}
	while(t, options{within: time.Hour, past: past}, func(r *rig) {
		before, began := now(), time.Now()
		for _, c := range r.tails(room.MaxObservers, "tail --since 00000000000") {
			for begun := false; !begun; {
				p, err := c.Next()
				r.must(err)
				begun = p[0] == rawssh.ChannelData
			}
		}
		running := r.visits("mallory")
		if soon := time.Since(began) < 9*time.Second; soon && running != room.MaxObservers { // less than a write may stand
			t.Errorf("%d tails go on", running)
		}
		const most = 3 << 20 // as in TestMuchThatIsNotTaken
		costs(t, before, 20*room.MaxObservers, room.MaxObservers*most)
		dora := r.connect(visit{user: "dora", key: "dora"})
		line := strings.Repeat("x", 9900) + "\n"
		for n := range 20 { // 5 MB in all, which they all share
			dora.types(strings.Repeat(line, 25) + fmt.Sprintf("more %d\n", n))
			dora.sees(fmt.Sprintf("dora: more %d", n))
		}
		eventually(t, "a tail that is not read goes on", func() bool { return r.visits("mallory") == 0 })
	})
}

// A key has few tails at a time; the rest are refused, and a place is free again once one ends.
func TestTailsWithoutEnd(t *testing.T) {
	while(t, options{}, func(r *rig) {
		running := func(n int) {
			t.Helper()
			eventually(t, fmt.Sprintf("not %d go on", n), func() bool { return r.visits("mallory") == n })
		}
		all := r.tails(many(1000), "tail -n 0")
		running(room.MaxObservers)
		for _, c := range all {
			c.Close()
		}
		running(0)
		waiting := append(r.tails(50, "tail -n 1"), r.tails(50, "watch mallory")...)
		running(room.MaxObservers)
		for _, c := range waiting {
			c.Close()
		}
		running(0)
		c := r.connect(visit{user: "mallory", key: "mallory", command: "tail -n 1"})
		c.sees("canary")
	})
}

// Whatever others say, a tail prints lines of six columns of text.
func TestTailOfHostileText(t *testing.T) {
	t.Parallel()
	along(t, options{}, func(r *rig) {
		dora := r.connect(visit{user: "dora", key: "dora", command: "tail"})
		direct := r.connect(visit{user: "dora", key: "dora", command: "tail --direct"})
		eventually(t, "they do not begin", func() bool { return r.visits("dora") == 2 })
		c := r.connect(visit{user: "mallory", key: "mallory"})
		for _, s := range some(t, 1) {
			s = strings.ReplaceAll(s, "\n", "\r")
			c.types(" " + s + "\n/me " + s + "\n@dora " + s + "\n")
		}
		c.types("/say the end\n@dora the end\n")
		for _, tail := range []*client{dora, direct} {
			tail.sees("\tthe end\n")
			got := tail.received()
			for line := range strings.Lines(got[:strings.LastIndex(got, "\n")+1]) { // of the last one, a part may have come
				line = strings.TrimSuffix(line, "\n")
				bad := unclean(strings.ReplaceAll(line, "\t", " "))
				if columns := strings.Split(line, "\t"); len(columns) != 6 || len(columns[0]) != 24 || bad != "" {
					t.Errorf("%q: %s", line, bad)
				}
			}
		}
	})
}

// A tail that has nothing to print, and a watch, end when their client answers nothing any more.
func TestTailOfADeadClient(t *testing.T) {
	t.Parallel()
	onlyFull(t)
	along(t, options{}, func(r *rig) {
		r.tails(1, "tail --direct")
		r.connect(visit{user: "dora", key: "dora", command: "nick"}).leaves()
		r.tails(1, "watch dora")
		eventually(t, "they do not begin", func() bool { return r.visits("mallory") == 2 })
		for range 2 { // questions, each of them 15 s after the one before
			if soon(func() bool { return r.visits("mallory") == 0 }) {
				return
			}
		}
		t.Error("they go on")
	})
}
