package history

import (
	"bufio"
	"errors"
	"io"
	"time"
)

// mend replaces the file of name's history by one that has all good records of it and
// nothing else. The end of the file is mended first, as by any use of it.
func (h *Held) mend(name string) error {
	it, err := h.s.owner(name)
	if err != nil {
		return err
	}
	defer func() {
		h.s.owners.release(it)
		h.s.owners.forget(name)
		h.s.files.forget(name)
	}()
	v, unread, err := h.s.view(it.val)
	if err != nil {
		return err
	}
	defer v.close()
	if good, err := wholly(v); err != nil || good {
		return err // there was no more than its end to mend
	}
	in, base := h.s.place(name)
	m := &mending{v: v, unread: unread, in: in, torn: base + ".torn", shared: sharedFiles[name] != ""}
	if err := m.write(base + ".tmp"); err != nil {
		return err
	}
	if err := in.rename(base+".tmp", base); err != nil {
		return err
	}
	return in.sync()
}

// wholly reports whether there is nothing but good records.
func wholly(v *view) (bool, error) {
	lines := forward{r: v, end: v.end()}
	for {
		l, err := lines.next()
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if _, ok := decodeLine(l.data); !ok && !isTrim(l) {
			return false, nil
		}
	}
}

// mending copies a history without what is damaged, which goes to the .torn file.
type mending struct {
	v      *view
	unread []ref
	in     folder
	torn   string
	shared bool

	out   *bufio.Writer
	size  int64 // of what was written
	mine  []ref // where the unread messages are now
	aside *bufio.Writer
	kept  file // the .torn file, once there is something for it
}

// write makes the file called name; the .torn file is durable before it returns.
func (m *mending) write(name string) error {
	f, err := m.in.open(name, true)
	if err != nil {
		return err
	}
	err = f.truncate(0)
	if err == nil {
		m.out = bufio.NewWriterSize(io.NewOffsetWriter(f, 0), blockSize)
		err = m.copy()
	}
	if err == nil {
		err = f.sync()
	}
	return errors.Join(err, m.closeAside(err), f.close())
}

func (m *mending) copy() error {
	lines := forward{r: m.v, end: m.v.end()}
	for {
		l, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if isTrim(l) {
			continue // the offsets begin anew: no journal is left that counts otherwise
		}
		if err := m.line(l, lines.off); err != nil {
			return err
		}
	}
	if !m.shared { // the state lines before stand no longer where they say
		if err := m.put(stateLine(time.Now(), m.size, m.mine)); err != nil {
			return err
		}
	}
	return m.out.Flush()
}

// line copies the good records of a line, each to a line of its own.
func (m *mending) line(l line, next int64) error {
	found, good := decodeLine(l.data)
	if !good && (len(found) == 0 || beside(l.data, found) > 0) {
		if err := m.setAside(l.off, next); err != nil {
			return err
		}
	}
	for _, e := range found {
		m.follow(l.off+e.off, e)
		if err := errors.Join(m.put(record(l.data, e, good)), m.put([]byte("\n"))); err != nil {
			return err
		}
	}
	return nil
}

// follow notes where an unread message comes to stand.
func (m *mending) follow(off int64, e entry) {
	for len(m.unread) > 0 && m.unread[0].off < off {
		m.unread = m.unread[1:]
	}
	if len(m.unread) > 0 && m.unread[0].off == off && e.msg != nil {
		m.mine = append(m.mine, refTo(m.size, e.msg))
	}
}

func (m *mending) put(text []byte) error {
	n, err := m.out.Write(text)
	m.size += int64(n)
	return err
}

// setAside appends the bytes [from, to) to the .torn file.
func (m *mending) setAside(from, to int64) error {
	if m.kept == nil {
		f, err := m.in.open(m.torn, true)
		if err != nil {
			return err
		}
		m.kept = f
		st, err := f.stat()
		if err != nil {
			return err
		}
		m.aside = bufio.NewWriterSize(io.NewOffsetWriter(f, st.size), blockSize)
	}
	_, err := io.Copy(m.aside, io.NewSectionReader(m.v, from, to-from))
	return err
}

// closeAside makes what was set aside durable, if all went well so far.
func (m *mending) closeAside(err error) error {
	if m.kept == nil {
		return nil
	}
	if err == nil {
		err = m.aside.Flush()
		if err == nil {
			err = m.kept.sync()
		}
		if err == nil {
			err = m.in.sync()
		}
		return errors.Join(err, m.kept.close())
	}
	return m.kept.close()
}
