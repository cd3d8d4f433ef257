package adversarial

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"whoelse/room"
	"whoelse/room/history"
	"whoelse/sessions/internal/rawssh"
	"whoelse/sessions/sshd"
)

// past is what was said before the server started: n messages of so many bytes.
type past struct {
	n, size int
	room.Message
}

// remember puts it into the histories.
func (r *rig) remember(all []past) {
	r.Helper()
	store, err := history.Open(filepath.Join(r.dir, "history"), history.Options{})
	r.must(err)
	store.Follow(func([]room.Entry) {})
	id := 0
	for _, p := range all {
		p.Time, p.Text = time.Now().UTC(), strings.Repeat("x", p.size)
		for range p.n {
			id++
			p.ID = fmt.Sprintf("%011d", id)
			store.Append(&room.Event{Message: p.Message}, func(err error) { r.Error(err) })
		}
	}
	r.must(store.Close())
}

// asks asks for something at a terminal or with a command, and reads nothing of it.
func asks(c *rawssh.Client, what string, terminal bool) {
	if !terminal {
		c.Write(rawssh.Request(0, "exec", false, rawssh.Str(nil, what)))
		return
	}
	pty := rawssh.Str(nil, "xterm")
	pty = append(pty, 0, 0, 0, 80, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0)
	c.Write(rawssh.Request(0, "pty-req", false, rawssh.Str(pty, "")))
	c.Write(rawssh.Request(0, "shell", false, nil))
	c.Write(rawssh.Str([]byte{rawssh.ChannelData, 0, 0, 0, 0}, what+"\r"))
}

// visits counts the sessions and commands of a nick.
func (r *rig) visits(nick string) (n int) {
	r.manager.EndWhere(func(l *sshd.Login, _ netip.AddrPort) (string, bool) {
		if l.Nick == nick {
			n++
		}
		return "", false
	})
	return n
}

// held is how many bytes a server holds, without what was garbage before the collector came to it, which on a
// busy machine is a lot: the least of three measurements in a row, and the most of these.
type held struct {
	last []uint64
	most uint64
}

func (h *held) add(heap uint64) {
	h.last = append(h.last, heap)
	if n := len(h.last); n >= 3 {
		h.most = max(h.most, slices.Min(h.last[n-3:]))
	}
}

// What somebody asks for and does not take is hardly in memory, however much it is,
// and nothing of it counts as read.
func TestMuchThatIsNotTaken(t *testing.T) {
	const lines = 3000
	each := uint64(1)
	if full && !raceOn {
		each = 2
	}
	while(t, options{within: time.Hour, past: []past{
		{lines, 4000, room.Message{Kind: room.KindSay, Room: room.Lobby, From: "dora"}},
		{lines, 4000, room.Message{Kind: room.KindDirect, From: "dora", To: []string{"mallory"}}},
	}}, func(r *rig) {
		before, searched := now(), r.store.Stats().Searched
		questions := []string{"/history 10000", "inbox all 10000", "inbox"}
		var all []*rawssh.Client // all come before the first of them asks, who will not be here for long
		for range 2 * int(each) * len(questions) {
			c := r.raw("mallory")
			if !c.Session(1<<16, 1<<15) {
				t.Fatal("there is no session")
			}
			all = append(all, c)
		}
		for i, c := range all {
			what, terminal := questions[i%len(questions)], i < len(all)/2
			if !terminal {
				what = strings.TrimPrefix(what, "/")
			}
			asks(c, what, terminal)
		}
		asked := len(all)
		eventually(t, "some of them are not there", func() bool { return r.visits("mallory") == asked })
		const most = 5 << 20 // bytes for each: what is written and not confirmed, queued, and the page that follows; alone it is 1.1 MiB
		next, holds := time.Now(), held{}
		eventually(t, "the last of them is not let go, or nothing is read for them", func() bool {
			if began := time.Now(); began.After(next) { // it takes all goroutines' time
				holds.add(now().heap)
				next = time.Now().Add(max(100*time.Millisecond, 4*time.Since(began)))
			}
			// On a slow machine some are let go before all was searched for them: what others say fills their windows, too.
			gone := r.visits("mallory") == 0
			if !full || raceOn { // the rest is to wait until writes have stood for too long
				return gone || r.store.Stats().Searched-searched >= 4*each*lines
			}
			return gone
		})
		if holds.most > before.heap+uint64(asked*most) {
			t.Errorf("%d KiB for %d who take nothing, before %v", holds.most>>10, asked, before)
		}
		t.Logf("%d KiB for each of %d", (int64(holds.most)-int64(before.heap))>>10/int64(asked), asked)
		if n := r.store.Stats().Searched - searched; n < each*lines {
			t.Errorf("%d messages were searched", n)
		}
		if n, err := r.store.Waiting("mallory"); n != lines || err != nil {
			t.Errorf("%d are unread, %v", n, err)
		}
	})
}

// Who blocks the main speakers has the server search for the few lines that are left,
// and not without end.
func TestSearchBehindWhoIsBlocked(t *testing.T) {
	const lines, asks, most = 50_000, 2, 41_000 // 4 MiB of such lines
	while(t, options{past: []past{
		{1, 10, room.Message{Kind: room.KindSay, Room: room.Lobby, From: "dora"}}, {lines, 10, room.Message{Kind: room.KindSay, Room: room.Lobby, From: "carol"}},
	}}, func(r *rig) {
		c := r.connect(visit{user: "mallory"})
		c.types("/block carol\n/block bob\n")
		c.sees("bob's messages are hidden")
		before := r.store.Stats().Searched
		for i := range asks {
			c.types(fmt.Sprintf("/history 10000\n/say asked %d\n", i))
			c.sees(fmt.Sprint("asked ", i))
		}
		if n := r.store.Stats().Searched - before; n == 0 || n > asks*most {
			t.Errorf("%d messages were searched for %d questions", n, asks)
		}
		if got := c.received(); strings.Count(got, "older lines were not searched") != asks {
			t.Errorf("that there may be more is said otherwise: %q", got[max(0, len(got)-2000):])
		}
	})
}

// Whoever takes what is asked for gets all of it, at whatever length, in order and
// once, and then the inbox is empty.
func TestMuchThatIsTaken(t *testing.T) {
	const lines = 1234
	while(t, options{past: []past{{lines, 100, room.Message{Kind: room.KindDirect, From: "dora", To: []string{"mallory"}}}}}, func(r *rig) {
		c := r.connect(visit{user: "mallory", key: "mallory", command: "inbox --json"})
		c.leaves()
		c.clean("mallory")
		if n := strings.Count(c.received(), strings.Repeat("x", 100)); n != lines {
			t.Errorf("%d messages are shown", n)
		}
		eventually(t, "what was shown is unread", func() bool {
			n, err := r.store.Waiting("mallory")
			return n == 0 && err == nil
		})
		all := r.connect(visit{user: "mallory", key: "mallory", command: "inbox all 10000 --json"})
		all.leaves()
		if n := strings.Count(all.received(), strings.Repeat("x", 100)); n != lines {
			t.Errorf("%d messages are in the past", n)
		}
	})
}
