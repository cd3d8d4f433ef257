package history

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"
)

// memDir is an open folder.
type memDir struct {
	m *memFS
	n *memNode
}

func (m *memFS) folder() folder { return memDir{m, m.root} }

func (d memDir) open(name string, create bool) (file, error) {
	d.m.coming("open", name)
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	n := d.n.names[name]
	op := "open"
	if n == nil && create {
		op = "create"
	}
	if f := d.m.step(op); f.err != nil {
		if op == "create" && f.takes {
			d.n.move(map[string]*memNode{name: d.m.node(false)})
		}
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
	d.m.opened++
	d.m.worst = max(d.m.worst, d.m.opened)
	return &memFile{m: d.m, n: n, name: name}, nil
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
	f := d.m.step("remove")
	if f.err != nil && !f.takes {
		return f.err
	}
	if d.n.names[name] == nil {
		return cmp.Or(f.err, fs.ErrNotExist)
	}
	d.n.move(map[string]*memNode{name: nil})
	return f.err
}

func (d memDir) rename(from, to string) error {
	d.m.coming("rename", from)
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	f := d.m.step("rename")
	source, from := d.below(from)
	target, to := d.below(to)
	n := source.names[from]
	switch {
	case f.err != nil && !f.takes:
	case n == nil:
		return cmp.Or(f.err, fs.ErrNotExist)
	case source == target:
		source.move(map[string]*memNode{from: nil, to: n})
	default: // file systems do both or neither; that the file is in both is found by nobody
		target.names[to], target.diskNames[to] = n, n
		source.move(map[string]*memNode{from: nil})
	}
	return f.err
}

// below finds the folder that a name is in, which may be FOLDER/NAME.
func (d memDir) below(name string) (*memNode, string) {
	if folder, base, ok := strings.Cut(name, "/"); ok {
		return d.n.names[folder], base
	}
	return d.n, name
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

func (d memDir) syncAll() (bool, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	x := d.m.step("syncfs")
	d.n.syncTree(x.err != nil && !x.takes)
	return true, x.err
}

// syncTree syncs every file below n, or has none of them ever be.
func (n *memNode) syncTree(lost bool) {
	n.sync(lost)
	n.failed = n.failed || lost && len(n.pending) > 0
	for _, child := range n.names {
		if !child.mounted {
			child.syncTree(lost)
		}
	}
}

func (d memDir) successor() (folder, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if d.m.next == nil && d.m.absent {
		return nil, fs.ErrNotExist
	}
	if d.m.next == nil {
		return nil, nil
	}
	return d.m.next.folder(), nil
}

func (d memDir) close() error { return nil }

func (d memDir) lock(name string) (io.Closer, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if f := d.m.step("lock"); f.err != nil {
		return nil, f.err
	}
	if d.m.locked[name] {
		return nil, ErrInUse
	}
	if d.m.locked == nil {
		d.m.locked = map[string]bool{}
	}
	d.m.locked[name] = true
	return memLock{d.m, name}, nil
}

// memLock is a lock that is held.
type memLock struct {
	m    *memFS
	name string
}

func (l memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	delete(l.m.locked, l.name)
	return nil
}

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
	m    *memFS
	n    *memNode
	name string
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
	x := f.m.step("truncate")
	if x.err == nil || x.takes {
		f.edit(memEdit{off: size})
	}
	return x.err
}

func (f *memFile) sync() error {
	f.m.coming("sync", f.name)
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	x := f.m.step("sync")
	if f.n.failed && x.err == nil {
		x.err = syscall.EIO
	}
	f.n.failed = false
	f.n.sync(x.err != nil && !x.takes)
	return x.err
}

// sync makes a file durable, or, when it is lost, has no later sync do it.
func (n *memNode) sync(lost bool) {
	if lost {
		for i := range n.pending {
			n.pending[i].lost = true
		}
		return
	}
	for _, e := range n.pending {
		if !e.lost {
			n.disk = e.apply(n.disk)
		}
	}
	n.pending = nil
}

func (f *memFile) stat() (stat, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if x := f.m.step("stat"); x.err != nil {
		return stat{}, x.err
	}
	return stat{f.n.ino, int64(len(f.n.data))}, nil
}

func (f *memFile) close() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.m.opened--
	return nil
}
