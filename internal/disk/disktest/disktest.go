// Package disktest is a file system in memory that can fail any operation, and simulates power cuts.
package disktest

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
)

// FS is a file system in memory. After a simulated power cut it has all bytes and names that were
// synced, and any part of the others. It can fail at any operation, and the process can end at any.
type FS struct {
	mu         sync.Mutex // guards everything below it, in nodes too
	root       *node
	inodes     uint64
	steps      int
	fault      func(step int, op string) Fault
	unwritable func(name string) error
	opened     int   // files that are open
	worst      int   // how many were at once
	dead       bool  // nothing has any effect any more
	replaced   error // what Replaced says
	locks      map[string]bool

	before func(op, name string) // see Watch
}

// Fault describes how an operation fails. Without Err it succeeds.
type Fault struct {
	Err   error
	Part  bool // a write writes half of it first
	Dead  bool // the process ends here
	Takes bool // the operation has its effect, and fails nevertheless
}

var ErrDead = errors.New("dead")

// node is a file or a folder.
type node struct {
	ino uint64

	data    []byte // as a reader sees it
	disk    []byte // as it was last synced
	pending []edit // what is not synced

	names     map[string]*node // of a folder; nil for a file
	diskNames map[string]*node
	moves     []map[string]*node // names not synced: nil is removed
}

// edit is a write, or with nil data a truncation.
type edit struct {
	off  int64
	data []byte
	lost bool // an fsync failed, and no later one brings it back
}

// New returns an empty file system.
func New() *FS {
	m := &FS{}
	m.root = m.newNode(true)
	return m
}

func (m *FS) newNode(dir bool) *node {
	m.inodes++
	n := &node{ino: m.inodes}
	if dir {
		n.names, n.diskNames = map[string]*node{}, map[string]*node{}
	}
	return n
}

// begin starts an operation, and holds mu: what goes wrong with it?
func (m *FS) begin(op, name string) (f Fault) {
	m.mu.Lock()
	if before := m.before; before != nil {
		m.mu.Unlock()
		before(op, name)
		m.mu.Lock()
	}
	if m.dead {
		return Fault{Err: ErrDead}
	}
	m.steps++
	if m.fault != nil {
		f = m.fault(m.steps, op)
	}
	if f.Dead {
		m.dead, f.Err = true, ErrDead
	}
	if f.Err == nil && op == "write" && m.unwritable != nil {
		f.Err = m.unwritable(name)
	}
	return f
}

// do is an operation, which has its effect unless something goes wrong.
func (m *FS) do(op, name string, effect func() error) error {
	f := m.begin(op, name)
	defer m.mu.Unlock()
	if f.Err != nil && (!f.Takes || op == "lock") {
		return f.Err
	}
	return cmp.Or(f.Err, effect())
}

func (m *FS) locked(do func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	do()
}

// Watch calls before ahead of each operation from now on; it may wait. nil ends that.
func (m *FS) Watch(before func(op, name string)) { m.locked(func() { m.before = before }) }

// Fail makes operations fail from now on as f says; nil ends that.
func (m *FS) Fail(f func(step int, op string) Fault) { m.locked(func() { m.fault = f }) }

// FailWrites makes writes to files with these names fail from now on as f says; nil ends that.
func (m *FS) FailWrites(f func(name string) error) { m.locked(func() { m.unwritable = f }) }

// Replace makes Replaced of the topmost folder return err.
func (m *FS) Replace(err error) { m.locked(func() { m.replaced = err }) }

// Steps returns the number of operations so far.
func (m *FS) Steps() (n int) {
	m.locked(func() { n = m.steps })
	return n
}

// Open returns how many files are open, and how many were at most.
func (m *FS) Open() (now, worst int) {
	m.locked(func() { now, worst = m.opened, m.worst })
	return now, worst
}

// IsDead reports whether a Fault has ended the process.
func (m *FS) IsDead() (dead bool) {
	m.locked(func() { dead = m.dead })
	return dead
}

// Crash returns the state after a power cut: all that was synced, and of the rest any part, which rng chooses.
func (m *FS) Crash(rng *rand.Rand) *FS {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &FS{inodes: m.inodes}
	c.root = m.root.survive(rng)
	return c
}

// Killed returns the state after kill -9: everything.
func (m *FS) Killed() *FS {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &FS{inodes: m.inodes, root: m.root.survive(nil)}
}

func (n *node) survive(rng *rand.Rand) *node {
	c := &node{ino: n.ino}
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
	c.names = map[string]*node{}
	for name, child := range names {
		c.names[name] = child.survive(rng)
	}
	c.diskNames = clone(c.names)
	return c
}

func clone(m map[string]*node) map[string]*node {
	c := make(map[string]*node, len(m))
	apply(c, m)
	return c
}

func apply(names, move map[string]*node) {
	for name, n := range move {
		if names[name] = n; n == nil {
			delete(names, name)
		}
	}
}

// tear returns the synced bytes with some of the edits that were not.
func (n *node) tear(rng *rand.Rand) []byte {
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
			b = edit{off: e.off + int64(from), data: e.data[from:to]}.apply(b)
		}
	}
	return b
}

func (e edit) apply(b []byte) []byte {
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
