package history

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxJournalLine bounds a line of a journal: what stands before a history's line there
// is well below the difference.
const maxJournalLine = maxLine + 256

// journalLink is what a journal's first line says about the one before it.
type journalLink struct {
	ok      bool
	prev    int
	prevEnd int64
}

// journals looks at all journals.
func (c *checker) journals(in folder) error {
	var nums []int
	err := c.folder(in, "journal/", func(in folder, path, name string) error {
		if num, ok := journalNum(name); ok {
			nums = append(nums, num)
			return nil
		}
		return c.other(in, path, name)
	})
	if err != nil {
		return err
	}
	slices.Sort(nums)
	links, err := c.links(in, nums)
	if err != nil {
		return err
	}
	sealedAt := make(map[int]int64)
	for i, l := range links {
		if !l.ok {
			continue
		}
		sealedAt[l.prev] = l.prevEnd
		if i > 0 && l.prev != nums[i-1] && !c.inUse() {
			c.tell(Finding{File: "journal/" + journalName(nums[i]), Offset: -1, Grade: Damage,
				What: fmt.Sprintf("follows %s, which is missing", journalName(l.prev))})
		}
	}
	for _, num := range nums {
		end, complete := sealedAt[num]
		if err := c.journal(in, num, end, complete); err != nil {
			return err
		}
	}
	return nil
}

// links reads the first lines of the journals.
func (c *checker) links(in folder, nums []int) ([]journalLink, error) {
	links := make([]journalLink, len(nums))
	for i, num := range nums {
		f, size, err := openSized(in, journalName(num))
		if err != nil {
			continue // it is told, or gone, when it is read
		}
		first, err := bufio.NewReader(io.NewSectionReader(f, 0, min(size, 256))).ReadBytes('\n')
		_ = f.close() // it was only read
		if err == nil {
			l := &links[i]
			l.prev, l.prevEnd, l.ok = parseHeader(first[:len(first)-1])
		}
	}
	return links, c.ctx.Err()
}

// journalCheck goes over the lines of one journal.
type journalCheck struct {
	c        *checker
	path     string
	complete bool // all of it was acknowledged: the next one says so
	pos      int64
	unit     int   // lines of a unit that has not ended
	unitAt   int64 // where it begins
	bad      int64 // where the first bad line of an open journal is, -1 for none
	after    int   // good lines after it
}

// journal looks at one, of which the bytes before end count if it is complete.
func (c *checker) journal(in folder, num int, end int64, complete bool) error {
	path := "journal/" + journalName(num)
	f, size, err := c.open(in, path, journalName(num))
	if f == nil {
		return err
	}
	defer func() { _ = f.close() }() // it was only read
	k := &journalCheck{c: c, path: path, complete: complete, bad: -1}
	if complete && end > size {
		c.tell(Finding{File: path, Offset: size, Size: end - size, What: "cut off, says the next journal", Grade: Damage})
	}
	if complete {
		size = min(size, end)
	}
	lines := bufio.NewReaderSize(io.NewSectionReader(f, 0, size), maxJournalLine)
	for {
		l, n, err := wholeLine(lines)
		if err != nil && !errors.Is(err, io.EOF) {
			c.tell(Finding{File: path, Offset: k.pos, Size: size - k.pos, What: fmt.Sprintf("can't be read: %v", err), Grade: Trouble})
			return nil
		}
		if n == 0 {
			break
		}
		k.line(l, n)
		if err := c.ctx.Err(); err != nil {
			return err
		}
	}
	k.end(size)
	c.how.Step(size)
	return nil
}

// wholeLine returns the next line without its newline, nil when it has none or is too
// long, and how many bytes it takes.
func wholeLine(r *bufio.Reader) (l []byte, n int64, err error) {
	for {
		part, err := r.ReadSlice('\n')
		n += int64(len(part))
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err == nil && n == int64(len(part)) {
			l = part[:len(part)-1]
		}
		return l, n, err
	}
}

func (k *journalCheck) line(l []byte, n int64) {
	at := k.pos
	k.pos += n
	if _, _, ok := parseHeader(l); ok && at == 0 {
		return
	}
	rec, ok := parseRecord(l)
	switch {
	case !ok && k.complete:
		k.c.tell(Finding{File: k.path, Offset: at, Size: n, What: "a damaged line", Grade: Damage})
	case !ok && k.bad < 0:
		k.bad = at
	case !ok:
	case k.bad >= 0:
		k.after++
	default:
		if k.unit == 0 {
			k.unitAt = at
		}
		if k.unit++; rec.last || k.complete {
			k.c.sum.Waiting += k.unit
			k.unit = 0
		}
		if e, ok := decode(rec.data); ok && e.msg != nil {
			k.c.sum.LastID = max(k.c.sum.LastID, e.msg.ID)
		}
	}
}

// end tells of what does not count at the end of the open journal, which is how a
// journal ends when its server did not: nobody was told that it was kept.
func (k *journalCheck) end(size int64) {
	at := k.bad
	if k.unit > 0 && (at < 0 || k.unitAt < at) {
		at = k.unitAt
	}
	switch {
	case at < 0:
	case k.after > 0 && !k.c.inUse():
		k.c.tell(Finding{File: k.path, Offset: k.bad, Size: size - k.bad, Grade: Damage,
			What: fmt.Sprintf("a damaged line, and %s after it that a start would leave out", counted(int64(k.after), "line"))})
	case !k.c.inUse():
		k.c.tell(Finding{File: k.path, Offset: at, Size: size - at, What: "torn end, which was never acknowledged", Grade: Remark})
	}
}
