package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	dead   bool // nothing has any effect any more
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
	ino    uint64
	locked bool

	data    []byte    // as a reader sees it
	disk    []byte    // as it was last synced
	pending []memEdit // what is not synced

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
	c := &memNode{ino: n.ino}
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

func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return slices.Clone(b[:size])
	}
	return append(slices.Clone(b), make([]byte, size-int64(len(b)))...)
}

// memDir is an open folder.
type memDir struct {
	m *memFS
	n *memNode
}

func (m *memFS) folder() folder { return memDir{m, m.root} }

func (d memDir) open(name string, create bool) (file, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	n := d.n.names[name]
	op := "open"
	if n == nil && create {
		op = "create"
	}
	if f := d.m.step(op); f.err != nil {
		return nil, f.err
	}
	if n == nil && !create {
		return nil, fs.ErrNotExist
	}
	if n == nil {
		n = d.m.node(false)
		d.n.move(map[string]*memNode{name: n})
	}
	if n.names != nil {
		return nil, fmt.Errorf("%s %w", name, errOdd)
	}
	return &memFile{m: d.m, n: n}, nil
}

func (n *memNode) move(move map[string]*memNode) {
	apply(n.names, move)
	n.moves = append(n.moves, move)
}

func (d memDir) lstat(name string) (stat, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if f := d.m.step("lstat"); f.err != nil {
		return stat{}, f.err
	}
	n := d.n.names[name]
	if n == nil {
		return stat{}, fs.ErrNotExist
	}
	return stat{n.ino, int64(len(n.data))}, nil
}

func (d memDir) names() ([]string, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if f := d.m.step("names"); f.err != nil {
		return nil, f.err
	}
	var names []string
	for name := range d.n.names {
		names = append(names, name)
	}
	return names, nil
}

func (d memDir) remove(name string) error {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if f := d.m.step("remove"); f.err != nil {
		return f.err
	}
	if d.n.names[name] == nil {
		return fs.ErrNotExist
	}
	d.n.move(map[string]*memNode{name: nil})
	return nil
}

func (d memDir) rename(from, to string) error {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if f := d.m.step("rename"); f.err != nil {
		return f.err
	}
	d.n.move(map[string]*memNode{from: nil, to: d.n.names[from]})
	return nil
}

func (d memDir) sub(name string) (folder, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if f := d.m.step("sub"); f.err != nil {
		return nil, f.err
	}
	n := d.n.names[name]
	if n == nil {
		n = d.m.node(true)
		d.n.names[name], d.n.diskNames[name] = n, n
	}
	return memDir{d.m, n}, nil
}

func (d memDir) lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }
func (d memDir) close() error                   { return nil }

func (d memDir) sync() error {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	f := d.m.step("syncdir")
	if f.err == nil || f.takes {
		d.n.diskNames, d.n.moves = clone(d.n.names), nil
	}
	return f.err
}

// memFile is an open file.
type memFile struct {
	m *memFS
	n *memNode
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if x := f.m.step("read"); x.err != nil {
		return 0, x.err
	}
	if off > int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.n.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	x := f.m.step("write")
	n := len(p)
	if x.err != nil {
		n = 0
		if x.part {
			n = len(p) / 2
		}
		if x.takes {
			n = len(p)
		}
	}
	if n > 0 {
		f.edit(memEdit{off: off, data: slices.Clone(p[:n])})
	}
	return n, x.err
}

func (f *memFile) edit(e memEdit) {
	f.n.data = e.apply(f.n.data)
	f.n.pending = append(f.n.pending, e)
}

func (f *memFile) truncate(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if x := f.m.step("truncate"); x.err != nil {
		return x.err
	}
	f.edit(memEdit{off: size})
	return nil
}

func (f *memFile) sync() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	x := f.m.step("sync")
	if x.err != nil && !x.takes {
		for i := range f.n.pending {
			f.n.pending[i].lost = true
		}
		return x.err
	}
	for _, e := range f.n.pending {
		if !e.lost {
			f.n.disk = e.apply(f.n.disk)
		}
	}
	f.n.pending = nil
	return x.err
}

func (f *memFile) stat() (stat, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if x := f.m.step("stat"); x.err != nil {
		return stat{}, x.err
	}
	return stat{f.n.ino, int64(len(f.n.data))}, nil
}

func (f *memFile) close() error { return nil }
