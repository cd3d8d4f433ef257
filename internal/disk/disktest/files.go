package disktest

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"whoelse/internal/disk"
)

// dir is an open folder.
type dir struct {
	m *FS
	n *node
}

// Folder is the topmost folder.
func (m *FS) Folder() disk.Folder { return dir{m, m.root} }

func (d dir) Open(name string, create bool) (disk.File, error) {
	d.m.coming("open", name)
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	n := d.n.names[name]
	op := "open"
	if n == nil && create {
		op = "create"
	}
	if f := d.m.step(op); f.Err != nil {
		if op == "create" && f.Takes {
			d.n.move(map[string]*node{name: d.m.newNode(false)})
		}
		return nil, f.Err
	}
	if n == nil && !create {
		return nil, fs.ErrNotExist
	}
	if n == nil {
		n = d.m.newNode(false)
		d.n.move(map[string]*node{name: n})
	}
	if n.names != nil {
		return nil, fmt.Errorf("%s %w", name, disk.ErrNotRegular)
	}
	d.m.opened++
	d.m.worst = max(d.m.worst, d.m.opened)
	return &file{m: d.m, n: n, name: name}, nil
}

func (n *node) move(move map[string]*node) {
	apply(n.names, move)
	n.moves = append(n.moves, move)
}

func (d dir) Lstat(name string) (disk.Stat, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if f := d.m.step("lstat"); f.Err != nil {
		return disk.Stat{}, f.Err
	}
	n := d.n.names[name]
	if n == nil {
		return disk.Stat{}, fs.ErrNotExist
	}
	return disk.Stat{Ino: n.ino, Size: int64(len(n.data))}, nil
}

func (d dir) Names() ([]string, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if f := d.m.step("names"); f.Err != nil {
		return nil, f.Err
	}
	var names []string
	for name := range d.n.names {
		names = append(names, name)
	}
	return names, nil
}

func (d dir) Remove(name string) error {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	f := d.m.step("remove")
	if f.Err != nil && !f.Takes {
		return f.Err
	}
	if d.n.names[name] == nil {
		return cmp.Or(f.Err, fs.ErrNotExist)
	}
	d.n.move(map[string]*node{name: nil})
	return f.Err
}

func (d dir) Rename(from, to string) error {
	d.m.coming("rename", from)
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	f := d.m.step("rename")
	source, from := d.below(from)
	target, to := d.below(to)
	n := source.names[from]
	switch {
	case f.Err != nil && !f.Takes:
	case n == nil:
		return cmp.Or(f.Err, fs.ErrNotExist)
	case source == target:
		source.move(map[string]*node{from: nil, to: n})
	default: // file systems do both or neither; that the file is in both is found by nobody
		target.names[to], target.diskNames[to] = n, n
		source.move(map[string]*node{from: nil})
	}
	return f.Err
}

// below finds the folder that a name is in, which may be FOLDER/NAME.
func (d dir) below(name string) (*node, string) {
	if folder, base, ok := strings.Cut(name, "/"); ok {
		return d.n.names[folder], base
	}
	return d.n, name
}

func (d dir) Sub(name string) (disk.Folder, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if f := d.m.step("sub"); f.Err != nil {
		return nil, f.Err
	}
	n := d.n.names[name]
	if n == nil {
		n = d.m.newNode(true)
		d.n.names[name], d.n.diskNames[name] = n, n
	}
	return dir{d.m, n}, nil
}

func (d dir) Replaced() error {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if d.n != d.m.root {
		return nil
	}
	return d.m.replaced
}

func (d dir) Close() error { return nil }

func (d dir) Lock(name string) (io.Closer, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if f := d.m.step("lock"); f.Err != nil {
		return nil, f.Err
	}
	if d.m.locked[name] {
		return nil, disk.ErrInUse
	}
	if d.m.locked == nil {
		d.m.locked = map[string]bool{}
	}
	d.m.locked[name] = true
	return lock{d.m, name}, nil
}

// lock is a lock that is held.
type lock struct {
	m    *FS
	name string
}

func (l lock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	delete(l.m.locked, l.name)
	return nil
}

func (d dir) Sync() error {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	f := d.m.step("syncdir")
	if f.Err == nil || f.Takes {
		d.n.diskNames, d.n.moves = clone(d.n.names), nil
	}
	return f.Err
}

// file is an open file.
type file struct {
	m    *FS
	n    *node
	name string
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if x := f.m.step("read"); x.Err != nil {
		return 0, x.Err
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

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	x := f.m.step("write")
	if x.Err == nil && f.m.unwritable != nil {
		x.Err = f.m.unwritable(f.name)
	}
	n := len(p)
	if x.Err != nil {
		n = 0
		if x.Part {
			n = len(p) / 2
		}
		if x.Takes {
			n = len(p)
		}
	}
	if n > 0 {
		f.apply(edit{off: off, data: slices.Clone(p[:n])})
	}
	return n, x.Err
}

func (f *file) apply(e edit) {
	f.n.data = e.apply(f.n.data)
	f.n.pending = append(f.n.pending, e)
}

func (f *file) Truncate(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	x := f.m.step("truncate")
	if x.Err == nil || x.Takes {
		f.apply(edit{off: size})
	}
	return x.Err
}

func (f *file) Sync() error {
	f.m.coming("sync", f.name)
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	x := f.m.step("sync")
	f.n.sync(x.Err != nil && !x.Takes)
	return x.Err
}

// sync makes a file durable, or, when it is lost, has no later sync do it.
func (n *node) sync(lost bool) {
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

func (f *file) Stat() (disk.Stat, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if x := f.m.step("stat"); x.Err != nil {
		return disk.Stat{}, x.Err
	}
	return disk.Stat{Ino: f.n.ino, Size: int64(len(f.n.data))}, nil
}

func (f *file) Close() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.m.opened--
	return nil
}
