package history

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"whoelse/room"
)

// readdress has what is unread in from's history addressed to to. Where nothing is
// unread the file stays as it is; otherwise it is replaced, in one step.
func (h *Held) readdress(from, to string) error {
	it, err := h.s.owner(from)
	if err != nil {
		return err
	}
	defer func() {
		h.s.owners.release(it)
		h.s.owners.forget(from)
		h.s.files.forget(from)
	}()
	if len(it.val.unread) == 0 {
		return nil
	}
	v, unread, err := h.s.view(it.val)
	if err != nil {
		return err
	}
	defer v.close()
	name := from + ".jsonl"
	if err := h.write(name+".tmp", readdressing{v: v, unread: unread, from: from, to: to}); err != nil {
		return err
	}
	if err := h.s.home().users.rename(name+".tmp", name); err != nil {
		return err
	}
	return h.s.home().users.sync()
}

// write makes the file called name, durable but for its name. A file that an
// interrupted call has left is overwritten.
func (h *Held) write(name string, r readdressing) error {
	f, err := h.s.home().users.open(name, true)
	if err != nil {
		return err
	}
	err = f.truncate(0)
	if err == nil {
		r.out = bufio.NewWriterSize(io.NewOffsetWriter(f, 0), blockSize)
		err = r.copy()
	}
	if err == nil {
		err = f.sync()
	}
	return errors.Join(err, f.close())
}

// readdressing copies a history byte for byte, but for the lines that are unread.
type readdressing struct {
	v        *view
	unread   []ref
	from, to string

	out  *bufio.Writer
	size int64 // of what was written
	mine []ref // where the unread messages are now
}

// copy ends with a state line of its own: those before it stand no longer where
// they say, and without one the whole file would have to be read each time.
func (r *readdressing) copy() error {
	pos := int64(0)
	for _, u := range r.unread {
		if err := r.raw(pos, u.off); err != nil {
			return err
		}
		end, err := r.message(u)
		if err != nil {
			return err
		}
		pos = end
	}
	if err := r.raw(pos, r.v.end()); err != nil {
		return err
	}
	if err := r.put(stateLine(time.Now(), r.size, r.mine)); err != nil {
		return err
	}
	return r.out.Flush()
}

func (r *readdressing) raw(from, to int64) error {
	n, err := io.Copy(r.out, io.NewSectionReader(r.v, from, to-from))
	r.size += n
	if err == nil && n < to-from {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (r *readdressing) put(text []byte) error {
	n, err := r.out.Write(text)
	r.size += int64(n)
	return err
}

// message writes one that is unread, and returns where to go on. Of a line that is
// damaged beside it nothing is dropped: its bytes follow as they are.
func (r *readdressing) message(u ref) (next int64, err error) {
	lines := forward{r: r.v, off: u.off, end: r.v.end()}
	l, err := lines.next()
	if err != nil {
		return 0, err
	}
	found, whole := decodeLine(l.data)
	i := slices.IndexFunc(found, func(e entry) bool { return e.msg != nil && e.msg.ID == u.id })
	if i < 0 {
		return 0, fmt.Errorf("at byte %d: the message is not there any more", u.off)
	}
	text, err := messageLine(r.toNew(found[i].msg))
	if err != nil {
		return 0, err
	}
	r.mine = append(r.mine, ref{off: r.size, id: u.id})
	next = u.off
	if whole {
		next += int64(len(l.data)) + 1
	}
	return next, r.put(text)
}

func (r *readdressing) toNew(m *room.Message) *room.Message {
	c := *m
	c.To = slices.Clone(m.To)
	for i, nick := range c.To {
		if nick == r.from {
			c.To[i] = r.to
		}
	}
	return &c
}
