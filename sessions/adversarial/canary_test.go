package adversarial

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// while runs a case beside a canary, and asserts afterwards that nobody noticed and
// that nothing is left of it.
func while(t *testing.T, o options, f func(r *rig)) {
	t.Helper()
	chats(t, o, func(r *rig) {
		before := now()
		f(r)
		r.hangUp()
		settles(t, before)
	})
}

// along is while for a parallel test, which waits most of the time and measures
// nothing.
func along(t *testing.T, o options, f func(r *rig)) {
	t.Helper()
	together.enter(t)
	chats(t, o, f)
}

// chats runs a case beside a canary.
func chats(t *testing.T, o options, f func(r *rig)) {
	t.Helper()
	r := newRig(t, o)
	all := []*canary{r.canary()}
	if r.private {
		all = append(all, r.canaryOf(host, "hanna", "#den "))
	}
	for _, c := range all {
		c.hears(3)
	}
	r.visitors = nil
	f(r)
	r.hangUp()
	for _, c := range all {
		c.hears(3)
		c.ends()
	}
}

// whileInRooms is while in the lobby and, with all that can be tested, in a private room.
func whileInRooms(t *testing.T, o options, f func(r *rig)) {
	t.Helper()
	while(t, o, f)
	inDen(t, o, f, while)
}

// alongInRooms is the same for along.
func alongInRooms(t *testing.T, o options, f func(r *rig)) {
	t.Helper()
	along(t, o, f)
	inDen(t, o, f, along)
}

func inDen(t *testing.T, o options, f func(*rig), run func(*testing.T, options, func(*rig))) {
	if full {
		o.den = true
		t.Run("in a private room", func(t *testing.T) { run(t, o, f) })
	}
}

// together are the cases that run beside each other. What the first of them found is
// what the last has to leave.
var together company

type company struct {
	mu     sync.Mutex // owns the fields below
	here   int
	before usage
}

// enter counts a case until its server has ended.
func (c *company) enter(t *testing.T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.here == 0 {
		c.before = now()
	}
	c.here++
	t.Cleanup(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.here--; c.here == 0 {
			settles(t, c.before)
		}
	})
}

// hangUp ends all connections of a case.
func (r *rig) hangUp() {
	for _, v := range r.visitors {
		v.Close()
	}
	r.visitors = nil
}

// canary is bob, at a terminal, and carol, who counts what he says; or two others, in a room.
type canary struct {
	t          *testing.T
	bob, carol *client
	line       *regexp.Regexp // what he says
	stop       func()         // ends the chat; may be called again

	mu    sync.Mutex // owns the fields below
	sent  []time.Time
	took  []time.Duration
	wrong []string // lines out of order
}

const canaryEvery = 20 * time.Millisecond

var canaryLine = regexp.MustCompile(`^\d\d:\d\d bob: canary (\d+)$`)

func (r *rig) canary() *canary { return r.canaryOf("bob", "carol", "") }

// canaryOf is a canary of these two. What he says begins with where.
func (r *rig) canaryOf(bob, carol, where string) *canary {
	r.Helper()
	c := &canary{t: r.T, line: regexp.MustCompile(`^\d\d:\d\d ` + where + bob + `: canary (\d+)$`)}
	c.bob = r.connect(visit{user: bob, key: bob, term: "xterm"})
	c.carol = r.connect(visit{user: carol, key: carol, line: c.heard})
	quit := make(chan struct{})
	var over sync.WaitGroup
	over.Go(func() { c.chat(quit) })
	c.stop = sync.OnceFunc(func() {
		close(quit)
		over.Wait()
	})
	r.Cleanup(c.stop)
	return c
}

// chat says a line every canaryEvery until quit is closed.
func (c *canary) chat(quit <-chan struct{}) {
	tick := time.NewTicker(canaryEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-quit:
			return
		}
		c.mu.Lock()
		c.sent = append(c.sent, time.Now())
		c.mu.Unlock()
		if _, err := fmt.Fprintf(c.bob.ch, "canary %d\r", n); err != nil {
			return
		}
	}
}

func (c *canary) heard(line string) {
	m := c.line.FindStringSubmatch(line)
	if m == nil {
		return
	}
	n, _ := strconv.Atoi(m[1])
	c.mu.Lock()
	defer c.mu.Unlock()
	if n != len(c.took) {
		c.wrong = append(c.wrong, fmt.Sprintf("%d instead of %d", n, len(c.took)))
	}
	if n < len(c.sent) {
		c.took = append(c.took, time.Since(c.sent[n]))
	}
}

func (c *canary) counts() (sent, heard int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sent), len(c.took)
}

// hears waits for n more lines.
func (c *canary) hears(n int) {
	c.t.Helper()
	_, heard := c.counts()
	eventually(c.t, "the canary is silent", func() bool {
		_, total := c.counts()
		return total >= heard+n
	})
}

// ends stops the chat and asserts that all of it arrived, in order and clean.
func (c *canary) ends() {
	c.t.Helper()
	c.stop()
	if !soon(func() bool {
		sent, heard := c.counts()
		return sent == heard
	}) {
		sent, heard := c.counts()
		c.t.Errorf("%d of the canary's %d lines were heard; who speaks got at last %q, who listens %q",
			heard, sent, tail(c.bob.received()), tail(c.carol.received()))
	}
	c.bob.follows(c.line, "who speaks")
	c.bob.clean("bob")
	c.carol.clean("carol")
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wrong) > 0 {
		c.t.Errorf("out of order: %q", c.wrong)
	}
	slices.Sort(c.took)
	c.t.Logf("%d lines of the canary; half took %v, 99 %% took %v, the slowest %v", len(c.took),
		c.quantile(50), c.quantile(99), c.quantile(100))
}

// tail is the end of what a client received.
func tail(s string) string { return s[max(0, len(s)-4000):] }

// quantile is how long so many percent of the lines took at most, after ends.
func (c *canary) quantile(percent int) time.Duration {
	return c.took[min(len(c.took)*percent/100, len(c.took)-1)].Round(time.Microsecond)
}

// usage is what a case must give back.
type usage struct {
	goroutines, files int
	heap              uint64
}

func now() usage {
	runtime.GC()
	runtime.GC() // the second frees what pools held on to
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := withoutHeap()
	u.heap = m.HeapAlloc
	return u
}

// withoutHeap is now without what takes long to measure.
func withoutHeap() usage {
	files, _ := os.ReadDir("/proc/self/fd") // none where there is no such folder
	return usage{goroutines: runtime.NumGoroutine(), files: len(files)}
}

// tolerated is what may be left: the canary's own questions and timers come and go, and
// what it said is remembered.
var tolerated = usage{goroutines: 2, files: 3, heap: 16 << 20}

func (u usage) within(before, more usage) bool {
	return u.goroutines <= before.goroutines+more.goroutines && u.files <= before.files+more.files && u.heap <= before.heap+more.heap
}

func (u usage) String() string {
	return fmt.Sprintf("%d goroutines, %d files, %d KiB", u.goroutines, u.files, u.heap>>10)
}

// settles waits until usage is back where it was.
func settles(t *testing.T, before usage) {
	t.Helper()
	var last usage
	if !soon(func() bool {
		if last = withoutHeap(); !last.within(before, tolerated) {
			return false
		}
		last = now()
		return last.within(before, tolerated)
	}) {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		t.Errorf("%v are left of %v before\n%s", last, before, stacks[:min(len(stacks), 8000)])
	}
}

// costs asserts that something holds no more than that. The least of several measurements
// counts: on a busy machine the collector is late for much that nobody holds any more.
// What the clients of the tests have received counts, too, and twice while a buffer grows.
func costs(t *testing.T, before usage, goroutines int, heap uint64) {
	t.Helper()
	var last usage
	for range 20 {
		if last = now(); last.within(before, usage{goroutines, 1 << 20, heap}) {
			return
		}
		pause(t, 50*time.Millisecond)
	}
	t.Errorf("it costs %v, before %v", last, before)
}

// pause lets a case stand for a moment, while the canary chats.
func pause(t *testing.T, d time.Duration) {
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-over.C:
	case <-t.Context().Done():
	}
}

// eventually waits until ok.
func eventually(t *testing.T, otherwise string, ok func() bool) {
	t.Helper()
	if !soon(ok) {
		t.Fatal(otherwise)
	}
}

// soon asks again and again whether ok, until patience is over.
func soon(ok func() bool) bool {
	late := time.NewTimer(patience)
	defer late.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok() {
			return true
		}
		select {
		case <-tick.C:
		case <-late.C:
			return false
		}
	}
}
