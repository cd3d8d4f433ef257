package history

import (
	"errors"
	"fmt"
	"time"

	"whoelse/internal/disk"
	"whoelse/room/history/record"
)

// draft is a file that is to take the place of a history's.
type draft struct {
	s *Store
	o *owner
	v *view // of the history, without what is only in memory

	in   disk.Folder
	base string
	out  disk.File // nil before something is put
	size int64     // of out

	moved map[int64]int64 // where unread messages are that were copied one by one, by where they were
	from  int64           // all that was from here on is copied as it was
}

// replace has a file take the place of a history's, in one step. fill puts there what is in the view, or
// reports that nothing is to be done; the history may be written to meanwhile.
func (s *Store) replace(name string, fill func(*draft) (bool, error)) (err error) {
	s.applying.Lock()
	o, err := s.owner(name)
	d := draft{s: s, o: o, moved: make(map[int64]int64)}
	if err == nil {
		d.v, err = s.view(o)
	}
	s.replacing = name
	s.applying.Unlock()
	if err != nil {
		return err
	}
	defer d.v.close()
	d.v.tail = nil
	d.in, d.base = s.dirs.place(name)
	defer func() {
		if d.out != nil {
			_ = d.in.Remove(d.base + ".tmp") // where it was not renamed
			err = errors.Join(err, d.out.Close())
		}
	}()
	if due, err := fill(&d); err != nil || !due {
		return err
	}
	if err := d.put(nil); err != nil {
		return err
	}
	if err := d.out.Sync(); err != nil { // most of it while others go on
		return err
	}
	return d.install()
}

func (d *draft) put(b []byte) (err error) {
	if d.out == nil {
		if err := d.in.Remove(d.base + ".tmp"); err != nil {
			return err
		}
		if d.out, err = d.in.Open(d.base+".tmp", true); err != nil {
			return err
		}
	}
	if d.s.isClosed() {
		return errClosed
	}
	_, err = d.out.WriteAt(b, d.size)
	d.size += int64(len(b))
	return err
}

// copy copies bytes of the old file.
func (d *draft) copy(from, to int64) error {
	b := make([]byte, min(256<<10, to-from))
	for from < to {
		b = b[:min(int64(len(b)), to-from)]
		if _, err := d.v.ReadAt(b, from); err != nil {
			return err
		}
		if err := d.put(b); err != nil {
			return err
		}
		from += int64(len(b))
	}
	return nil
}

// copyRecord copies a record, with a newline.
func (d *draft) copyRecord(r record.Record) error {
	d.moved[r.Off] = d.size
	if err := d.copy(r.Off, r.Off+int64(r.Len)); err != nil {
		return err
	}
	return d.put([]byte("\n"))
}

// install adds what was appended meanwhile, and a state line, so that the number of the newest
// line is known however much went, and then renames the file. The history is loaded anew from it.
func (d *draft) install() error {
	s, o := d.s, d.o
	s.applying.Lock()
	defer s.applying.Unlock()
	if s.owners[o.name] != o || s.late[o.name] != nil {
		return nil // what it was is no more, or is made again
	}
	was, by := d.v.size, d.size-d.v.size
	d.v.size = o.size
	err := d.copy(was, o.size)
	if err == nil && o.last > 0 {
		err = d.put(record.AppendState(nil, o.last, time.Now(), d.places(by)))
	}
	if err == nil {
		err = d.out.Sync()
	}
	if err != nil {
		return err
	}
	st, err := d.out.Stat()
	if err != nil {
		return err
	}
	named, err := d.in.Lstat(d.base)
	if err == nil && (named.Ino != o.ino || named.Size != o.size) {
		err = fmt.Errorf("%s: %w", path(o.name), errReplaced)
	}
	if err != nil {
		return err
	}
	s.dirty[o.name] = []uint64{st.Ino, o.ino} // a rename that fails may have its effect
	defer s.forget(o.name)
	if err := d.in.Rename(d.base+".tmp", d.base); err != nil {
		return err
	}
	s.dirty[o.name] = []uint64{st.Ino}
	return nil
}

// places are where the unread messages are that it has. What was copied as it was has moved by so many bytes.
func (d *draft) places(by int64) (list []record.Place) {
	for _, u := range d.o.unread {
		to, moved := d.moved[u.off]
		if !moved && u.off >= d.from {
			to, moved = u.off+by, true
		}
		if moved {
			list = append(list, record.Place{u.seq, uint64(to)})
		}
	}
	return list
}
