package migrate

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"whoelse/room/history/record"
	"whoelse/room/internal/disk"
	"whoelse/room/internal/jsonl"
)

// tornEnd is added to the name of a history for what was damaged in it.
const tornEnd = ".torn"

// do makes one file.
func (b *building) do(t task) error {
	f, size, err := b.old.open(t.from, false)
	switch {
	case errors.Is(err, disk.ErrNotRegular):
		b.opts.Log.Error("history: the path is not a regular file; it is left out", "file", t.from, "error", err)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if f == nil && len(b.journal[t.owner]) == 0 {
		return nil
	}
	if f != nil {
		defer func() { _ = f.Close() }() // it was only read
	}
	to, _, err := b.new.open(t.to, true)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(io.NewOffsetWriter(to, 0), 64<<10)
	if strings.HasSuffix(t.from, tornEnd) {
		_, err = io.Copy(out, io.NewSectionReader(f, 0, size))
	} else {
		c := &converting{b: b, t: t, f: f, size: size, out: out, unread: make(map[string]uint64)}
		err = c.all()
	}
	if err == nil {
		err = out.Flush()
	}
	if err == nil && !b.whole {
		err = to.Sync()
	}
	return errors.Join(err, to.Close())
}

// converting is one history on its way to the new layout.
type converting struct {
	b    *building
	t    task
	f    disk.File // nil: there is none
	size int64

	out     *bufio.Writer
	seq     uint64            // of the last line
	time    time.Time         // and when
	unread  map[string]uint64 // by id, the numbers
	damaged int
}

// all writes the lines of the file, and among them, where they belong, those of the
// journals that it lacks: it is as it was when the server was killed.
func (c *converting) all() error {
	missing, shift, err := c.missing()
	if err != nil {
		return err
	}
	lines := jsonl.NewForward(c.f, 0, c.size)
	for c.size > 0 {
		l, err := lines.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		for len(missing) > 0 && missing[0].off-shift <= l.Off {
			if err := c.line(missing[0].data); err != nil {
				return err
			}
			missing = missing[1:]
		}
		found, whole := jsonl.Records(l.Data)
		for _, r := range found {
			if err := c.line(r.Data); err != nil {
				return err
			}
		}
		if !whole {
			if err := c.setAside(io.NewSectionReader(c.f, l.Off, lines.Offset()-l.Off)); err != nil {
				return err
			}
		}
	}
	for _, p := range missing {
		if err := c.line(p.data); err != nil {
			return err
		}
	}
	if c.damaged > 0 {
		c.b.opts.Log.Warn("history: damaged lines set aside", "file", c.t.from, "lines", c.damaged, "in", c.t.to+tornEnd)
	}
	c.b.seq = max(c.b.seq, c.seq)
	return c.state()
}

// missing returns the lines of the journals that the file lacks, and what their offsets
// are greater by than the file's. What was removed from the file is not missing.
func (c *converting) missing() (list []pending, shift int64, err error) {
	pend := c.b.journal[c.t.owner]
	if len(pend) == 0 || c.size == 0 {
		return pend, 0, nil
	}
	there := make(map[string]bool, len(pend))
	for _, p := range pend {
		there[string(p.data)] = false
	}
	cut := int64(0)
	lines := jsonl.NewForward(c.f, 0, c.size)
	for {
		l, err := lines.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		found, _ := jsonl.Records(l.Data)
		for _, r := range found {
			if _, wanted := there[string(r.Data)]; wanted {
				there[string(r.Data)] = true
			}
		}
		if len(found) > 0 && l.Off == 0 {
			if first, ok := decode(found[0].Data); ok && first.Kind == kindTrim {
				cut, shift = first.Was, first.Was-first.At
			}
		}
	}
	for _, p := range pend {
		if p.off >= cut && !there[string(p.data)] {
			list = append(list, p)
		}
	}
	return list, shift, nil
}

// line writes one that is good, with its number. What only the old layout needs is left
// out.
func (c *converting) line(data []byte) error {
	l, ok := decode(data)
	numbered := append(strconv.AppendUint([]byte(`{"seq":`), c.seq+1, 10), ',')
	numbered = jsonl.Seal(append(numbered, data[1:len(data)-jsonl.Trailer]...), 0)
	if !ok || len(numbered) > jsonl.MaxLine {
		return c.setAside(bytes.NewReader(append(bytes.Clone(data), '\n')))
	}
	switch l.Kind {
	case kindState, kindTrim:
		return nil
	case kindRead:
		for _, id := range l.IDs {
			delete(c.unread, id)
		}
	default:
		if c.t.nick != l.From && slices.Contains(l.To, c.t.nick) {
			c.unread[l.ID] = c.seq + 1
		}
		c.b.lastID = max(c.b.lastID, l.ID)
	}
	c.seq++
	c.time = l.Time
	_, err := c.out.Write(numbered)
	return err
}

// state ends a nick's history with a line that says what is unread, so that nobody has to
// read all of it to find out.
func (c *converting) state() error {
	if c.t.nick == "" || c.seq == 0 {
		return nil
	}
	var unread []record.Place
	for _, seq := range slices.Sorted(maps.Values(c.unread)) {
		unread = append(unread, record.Place{Seq: seq})
	}
	_, err := c.out.Write(record.AppendState(nil, c.seq, c.time, unread))
	return err
}

// setAside keeps what is damaged beside the new file.
func (c *converting) setAside(r io.Reader) error {
	c.damaged++
	torn, size, err := c.b.new.open(c.t.to+tornEnd, true)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.NewOffsetWriter(torn, size), r)
	last := make([]byte, 1)
	if err == nil {
		_, err = torn.ReadAt(last, size+n-1)
	}
	if err == nil && last[0] != '\n' {
		_, err = torn.WriteAt([]byte("\n"), size+n)
	}
	if err == nil && !c.b.whole {
		err = torn.Sync()
	}
	return errors.Join(err, torn.Close())
}
