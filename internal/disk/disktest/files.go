package disktest

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
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
	op := "open"
	d.m.locked(func() {
		if create && d.n.names[name] == nil {
			op = "create"
		}
	})
	var n *node
	err := d.m.do(op, name, func() error {
		if n = d.n.names[name]; n == nil && !create {
			return fs.ErrNotExist
		}
		if n == nil {
			n = d.m.newNode(false)
			d.n.move(map[string]*node{name: n})
		}
		if n.names != nil {
			return fmt.Errorf("%s %w", name, disk.ErrNotRegular)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	d.m.locked(func() {
		d.m.opened++
		d.m.worst = max(d.m.worst, d.m.opened)
	})
	return &file{m: d.m, n: n, name: name}, nil
}

func (n *node) move(move map[string]*node) {
	apply(n.names, move)
	n.moves = append(n.moves, move)
}

func (n *node) stat() disk.Stat {
	st := disk.Stat{Ino: n.ino, Size: int64(len(n.data))}
	if n.names != nil {
		st.Mode = fs.ModeDir
	}
	return st
}

func (d dir) Lstat(name string) (st disk.Stat, err error) {
	err = d.m.do("lstat", name, func() error {
		n := d.n.names[name]
		if n == nil {
			return fs.ErrNotExist
		}
		st = n.stat()
		return nil
	})
	return st, err
}

func (d dir) Names() (names []string, err error) {
	err = d.m.do("names", "", func() error {
		names = slices.Collect(maps.Keys(d.n.names))
		return nil
	})
	return names, err
}

func (d dir) Remove(name string) error {
	return d.m.do("remove", name, func() error {
		if d.n.names[name] != nil {
			d.n.move(map[string]*node{name: nil})
		}
		return nil
	})
}

func (d dir) Rename(from, to string) error {
	return d.m.do("rename", from, func() error {
		source, from := d.below(from)
		target, to := d.below(to)
		n := source.names[from]
		switch {
		case n == nil:
			return fs.ErrNotExist
		case source == target:
			source.move(map[string]*node{from: nil, to: n})
		default: // file systems do both or neither; that the file is in both is found by nobody
			target.names[to], target.diskNames[to] = n, n
			source.move(map[string]*node{from: nil})
		}
		return nil
	})
}

// below finds the folder that a name is in, which may be FOLDER/NAME.
func (d dir) below(name string) (*node, string) {
	if folder, base, ok := strings.Cut(name, "/"); ok {
		return d.n.names[folder], base
	}
	return d.n, name
}

func (d dir) Sub(name string) (sub disk.Folder, err error) {
	err = d.m.do("sub", name, func() error {
		n := d.n.names[name]
		if n == nil {
			n = d.m.newNode(true)
			d.n.names[name], d.n.diskNames[name] = n, n
		}
		sub = dir{d.m, n}
		return nil
	})
	return sub, err
}

func (d dir) Replaced() (err error) {
	d.m.locked(func() {
		if d.n == d.m.root {
			err = d.m.replaced
		}
	})
	return err
}

func (d dir) Close() error { return nil }

func (d dir) Lock(name string) (io.Closer, error) {
	err := d.m.do("lock", name, func() error {
		if d.m.locks[name] {
			return disk.ErrInUse
		}
		if d.m.locks == nil {
			d.m.locks = map[string]bool{}
		}
		d.m.locks[name] = true
		return nil
	})
	return lock{d.m, name}, err
}

// lock is a lock that is held.
type lock struct {
	m    *FS
	name string
}

func (l lock) Close() error {
	l.m.locked(func() { delete(l.m.locks, l.name) })
	return nil
}

func (d dir) Sync() error {
	return d.m.do("syncdir", "", func() error {
		d.n.diskNames, d.n.moves = clone(d.n.names), nil
		return nil
	})
}

// file is an open file.
type file struct {
	m    *FS
	n    *node
	name string
}

func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.m.do("read", f.name, func() error {
		if n = copy(p, f.n.data[min(off, int64(len(f.n.data))):]); n < len(p) {
			return io.EOF
		}
		return nil
	})
	return n, err
}

func (f *file) WriteAt(p []byte, off int64) (n int, err error) {
	x := f.m.begin("write", f.name)
	defer f.m.mu.Unlock()
	switch {
	case x.Err == nil || x.Takes:
		n = len(p)
	case x.Part:
		n = len(p) / 2
	}
	if n > 0 {
		f.n.edit(edit{off: off, data: slices.Clone(p[:n])})
	}
	return n, x.Err
}

func (f *file) Truncate(size int64) error {
	return f.m.do("truncate", f.name, func() error {
		f.n.edit(edit{off: size})
		return nil
	})
}

func (f *file) Sync() error {
	x := f.m.begin("sync", f.name)
	defer f.m.mu.Unlock()
	f.n.sync(x.Err != nil && !x.Takes)
	return x.Err
}

func (n *node) edit(e edit) {
	n.data = e.apply(n.data)
	n.pending = append(n.pending, e)
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

func (f *file) Stat() (st disk.Stat, err error) {
	err = f.m.do("stat", f.name, func() error {
		st = f.n.stat()
		return nil
	})
	return st, err
}

func (f *file) Close() error {
	f.m.locked(func() { f.m.opened-- })
	return nil
}
