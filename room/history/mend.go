package history

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
)

// mendTail sees to it that the file ends with a whole line, and returns where
// that is. A last line that is torn or damaged is set aside in a file beside
// it; one that only lacks its newline gets it.
func (s *Store) mendTail(name string, f file, size int64) (int64, error) {
	if size == 0 {
		return 0, nil
	}
	b := backward{r: f, off: size}
	last, err := b.next()
	if err != nil {
		return 0, err
	}
	found, _ := decodeLine(last.data)
	if len(found) == 0 {
		return last.off, s.setAside(name, f, last.off, size)
	}
	if last.off+int64(len(last.data)) < size { // its newline is there
		return size, nil
	}
	s.log.Warn("history: the last line had no newline", "owner", name, "offset", size)
	if _, err := f.WriteAt([]byte("\n"), size); err != nil {
		return 0, err
	}
	return size + 1, f.sync()
}

// setAside moves the bytes [from, to), where the file ends, to the .torn file
// beside it. They are durable there before they are cut off here.
func (s *Store) setAside(name string, f file, from, to int64) error {
	in, base := s.place(name)
	s.log.Warn("history: damaged end of a file set aside",
		"file", base, "offset", from, "bytes", to-from, "in", base+".torn")
	s.damaged.Add(1)
	if err := appendTorn(in, base+".torn", io.NewSectionReader(f, from, to-from)); err != nil {
		return fmt.Errorf("set aside: %w", err)
	}
	if err := f.truncate(from); err != nil {
		return err
	}
	return f.sync()
}

// appendTorn appends what r reads to the file called name, and a newline where
// it lacks one.
func appendTorn(in folder, name string, r io.Reader) error {
	torn, err := in.open(name, true)
	if err != nil {
		return err
	}
	defer func() { _ = torn.close() }() // it was fsynced
	st, err := torn.stat()
	if err != nil {
		return err
	}
	w := io.NewOffsetWriter(torn, st.size)
	last := []byte{'\n'}
	n, err := io.Copy(w, io.TeeReader(r, lastByte(last)))
	if err != nil {
		return err
	}
	if !bytes.Equal(last, []byte{'\n'}) {
		if _, err := torn.WriteAt([]byte("\n"), st.size+n); err != nil {
			return err
		}
	}
	if err := torn.sync(); err != nil {
		return err
	}
	return in.sync()
}

// lastByte remembers the last byte written to it.
type lastByte []byte

func (l lastByte) Write(p []byte) (int, error) {
	if len(p) > 0 {
		l[0] = p[len(p)-1]
	}
	return len(p), nil
}

// damage counts and logs a damaged line of o, once for each place.
func (s *Store) damage(o *owner, off int64, whole bool) {
	o.mu.Lock()
	known := o.noticed[off] || len(o.noticed) >= 1000
	if !known {
		o.noticed[off] = true
	}
	o.mu.Unlock()
	if !known {
		s.damaged.Add(1)
		_, base := s.place(o.name)
		s.log.Warn("history: damaged line skipped", "file", base, "offset", off,
			slog.Bool("partly_recovered", whole))
	}
}
