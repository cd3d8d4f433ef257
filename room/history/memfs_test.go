package history

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
)

// memFS is a file system in memory that knows what is on its disk: the bytes
// and names that were synced, for certain, and of all others any part. It can
// fail any operation, and die at any.
type memFS struct {
	mu     sync.Mutex // guards everything below it, in nodes too
	root   *memNode
	inodes uint64
	steps  int
	fault  func(step int, op string) fault
	opened int    // files that are open
	worst  int    // how many were at once
	dead   bool   // nothing has any effect any more
	absent bool   // nothing is in its place any more
	next   *memFS // what has taken its place, if anything
	locked map[string]bool

	// before, if set, is called before some operations, without mu; it may wait.
	before func(op, name string)
}

// coming tells of an operation before it is done.
func (m *memFS) coming(op, name string) {
	m.mu.Lock()
	before := m.before
	m.mu.Unlock()
	if before != nil {
		before(op, name)
	}
}

// watch has before be told from now on.
func (m *memFS) watch(before func(op, name string)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before = before
}

// fault is what goes wrong with an operation; without err, nothing.
type fault struct {
	err   error
	part  bool // a write writes half of it first
	dead  bool // the process ends here
	takes bool // the operation has its effect, and fails nevertheless
}

var errDead = errors.New("dead")

// memNode is a file or a folder.
type memNode struct {
	ino uint64

	data    []byte    // as a reader sees it
	disk    []byte    // as it was last synced
	pending []memEdit // what is not synced
	failed  bool      // writing it back failed, which its next sync tells

	mounted   bool                // it is the topmost folder of another file system
	names     map[string]*memNode // of a folder; nil for a file
	diskNames map[string]*memNode
	moves     []map[string]*memNode // names not synced: nil is removed
}

// memEdit is a write, or with nil data a truncation.
type memEdit struct {
	off  int64
	data []byte
	lost bool // an fsync failed, and no later one brings it back
}

func newMemFS() *memFS {
	m := &memFS{}
	m.root = m.node(true)
	return m
}

func (m *memFS) node(dir bool) *memNode {
	m.inodes++
	n := &memNode{ino: m.inodes}
	if dir {
		n.names, n.diskNames = map[string]*memNode{}, map[string]*memNode{}
	}
	return n
}

// step is called with mu held at the start of every operation that can fail.
func (m *memFS) step(op string) fault {
	if m.dead {
		return fault{err: errDead}
	}
	m.steps++
	var f fault
	if m.fault != nil {
		f = m.fault(m.steps, op)
	}
	if f.dead {
		m.dead = true
		f.err = errDead
	}
	return f
}

// fail makes operations fail from now on as f says; nil ends that.
func (m *memFS) fail(f func(step int, op string) fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = f
}

// count is how many operations there were.
func (m *memFS) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.steps
}

// open is how many files are open, and how many were at once.
func (m *memFS) open() (now, worst int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.opened, m.worst
}

// crash is what a power cut leaves: all that was synced, and of the rest
// whatever rng says, torn in any way.
func (m *memFS) crash(rng *rand.Rand) *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &memFS{inodes: m.inodes}
	c.root = m.root.survive(rng)
	return c
}

// killed is what kill -9 leaves: everything.
func (m *memFS) killed() *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &memFS{inodes: m.inodes, root: m.root.survive(nil)}
}

func (n *memNode) survive(rng *rand.Rand) *memNode {
	c := &memNode{ino: n.ino, mounted: n.mounted}
	if n.names == nil {
		c.data = n.tear(rng)
		c.disk = slices.Clone(c.data)
		return c
	}
	names := n.names
	if rng != nil {
		names = clone(n.diskNames)
		for _, move := range n.moves {
			if rng.IntN(2) == 0 {
				apply(names, move)
			}
		}
	}
	c.names = map[string]*memNode{}
	for name, child := range names {
		c.names[name] = child.survive(rng)
	}
	c.diskNames = clone(c.names)
	return c
}

func clone(m map[string]*memNode) map[string]*memNode {
	c := make(map[string]*memNode, len(m))
	apply(c, m)
	return c
}

func apply(names, move map[string]*memNode) {
	for name, n := range move {
		if names[name] = n; n == nil {
			delete(names, name)
		}
	}
}

// tear returns the synced bytes with some of the edits that were not.
func (n *memNode) tear(rng *rand.Rand) []byte {
	if rng == nil {
		return slices.Clone(n.data)
	}
	b := slices.Clone(n.disk)
	prefix := rng.IntN(2*len(n.pending) + 1) // often everything before some point
	for i, e := range n.pending {
		if i < prefix && prefix <= len(n.pending) || prefix > len(n.pending) && rng.IntN(2) == 0 {
			b = e.apply(b)
		} else if len(e.data) > 1 && rng.IntN(2) == 0 { // a piece of it
			from := rng.IntN(len(e.data))
			to := from + rng.IntN(len(e.data)-from+1)
			if rng.IntN(2) == 0 {
				from = 0
			}
			b = memEdit{off: e.off + int64(from), data: e.data[from:to]}.apply(b)
		}
	}
	return b
}

func (e memEdit) apply(b []byte) []byte {
	if e.data == nil {
		return resize(b, e.off)
	}
	if end := e.off + int64(len(e.data)); end > int64(len(b)) {
		b = resize(b, end)
	}
	copy(b[e.off:], e.data)
	return b
}

// resize may change b in place.
func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size]
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}
