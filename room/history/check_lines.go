package history

import (
	"errors"
	"fmt"
	"io"
)

// lineCheck goes over the lines of one history.
type lineCheck struct {
	c     *checker
	path  string
	f     file
	lines forward
	again bool  // the end was read a second time
	told  int64 // up to where it was told that it was read
}

// history looks at one history's file.
func (c *checker) history(in folder, path, name string) error {
	f, size, err := c.open(in, path, name)
	if f == nil {
		return err
	}
	defer func() { _ = f.close() }() // it was only read
	k := &lineCheck{c: c, path: path, f: f, lines: forward{r: f, end: size}}
	defer k.step()
	for n := 0; ; n++ {
		if n%1000 == 0 {
			k.step()
			if err := c.ctx.Err(); err != nil {
				return err
			}
		}
		l, err := k.lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			k.unreadable(err)
			return nil
		}
		k.line(l)
	}
}

func (k *lineCheck) step() {
	k.c.how.Step(k.lines.off - k.told)
	k.told = k.lines.off
}

// unreadable tells of a file that can't be read to its end, unless it is shorter now:
// a server that finds a torn end sets it aside.
func (k *lineCheck) unreadable(err error) {
	if st, e := k.f.stat(); e == nil && st.size < k.lines.end && errors.Is(err, io.ErrUnexpectedEOF) {
		return
	}
	k.c.tell(Finding{File: k.path, Offset: k.lines.off, Size: k.lines.end - k.lines.off,
		What: fmt.Sprintf("can't be read: %v", err), Grade: Trouble})
}

// line looks at one line, which ends where the next one begins.
func (k *lineCheck) line(l line) {
	if isTrim(l) && !torn(l, k.lines.off) {
		k.c.sum.Records++
		return
	}
	found, whole := decodeLine(l.data)
	cut := torn(l, k.lines.off)
	if cut && k.grown(l) {
		return // it comes again
	}
	k.c.sum.Records += len(found)
	for _, e := range found {
		if e.msg != nil {
			k.c.sum.LastID = max(k.c.sum.LastID, e.msg.ID)
		}
	}
	if whole && !cut {
		return
	}
	bad := damage(k.path, l, k.lines.off, k.f, found)
	if cut && k.c.inUse() {
		bad.Grade, bad.What = Remark, "being written, or a torn end that the server sets aside at its next use"
	}
	k.c.tell(bad)
}

// grown reports whether there is more of the last line by now, and then goes on with
// it, once.
func (k *lineCheck) grown(l line) bool {
	st, err := k.f.stat()
	if err != nil || st.size <= k.lines.end || k.again {
		return false
	}
	k.again = true
	k.lines = forward{r: k.f, off: l.off, end: st.size, mem: k.lines.mem}
	return true
}
