package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strings"

	"whoelse/internal/disk"
	"whoelse/room"
	"whoelse/room/history/record"
	"whoelse/room/internal/jsonl"
	"whoelse/room/log"
)

// Problem is one thing that is to be reported about a folder of histories.
type Problem struct {
	File     string // in the folder, with slashes
	Offset   int64  // where in it; -1 for all of it
	Size     int64  // how many bytes
	What     string
	Severity Severity
}

// Severity is how bad a [Problem] is.
type Severity int

const (
	Remark  Severity = iota // nothing is wrong
	Damage                  // [Repair] mends it
	Trouble                 // somebody has to see to it
)

// String is the problem in one line.
func (f Problem) String() string {
	name := Clean(f.File)
	switch {
	case f.Offset < 0:
		return fmt.Sprintf("%s: %s", name, f.What)
	case f.Size == 1:
		return fmt.Sprintf("%s: byte %d: %s (1 byte)", name, f.Offset, f.What)
	}
	return fmt.Sprintf("%s: byte %d: %s (%d bytes)", name, f.Offset, f.What, f.Size)
}

// Clean is s with all escaped that is not printable, fit for a terminal.
func Clean(s string) string {
	quoted := jsonl.AppendString(nil, s)
	return strings.ReplaceAll(string(quoted[1:len(quoted)-1]), `\"`, `"`)
}

// damaged says what is wrong with a line of a history, in which these records were found.
func damaged(name string, l jsonl.Line, found []record.Record) Problem {
	f := Problem{File: name, Offset: l.Off, Size: l.End - l.Off, Severity: Damage}
	junk := len(l.Data)
	for _, r := range found {
		junk -= r.Len
	}
	switch n := len(found); {
	case n == 1 && junk == 0:
		f.What = "the last line lacks its newline"
	case n == 2 && junk <= 1:
		f.What = "a newline was lost, both records found"
	case n > 0:
		f.What = fmt.Sprintf("damaged beside a record; whole records found in it: %d", n)
	case l.Torn:
		f.What = "torn end"
	default:
		f.What = "damaged"
	}
	return f
}

// Checking is how [Check] and [Repair] report what they find and how far they are. Its
// functions are called one at a time.
type Checking struct {
	Tell func(Problem)
	Step func(bytes int64) // so much more was read; if set
}

// Summary counts what [Check] went over.
type Summary struct {
	Files   int
	Records int   // good ones in the histories
	Damaged int   // findings that are Damage
	Trouble int   // findings that are Trouble
	Aside   int64 // bytes that were set aside earlier
	Waiting int   // events in the log that the histories may lack
	LastID  string
}

// Check goes over the histories in dir and changes nothing. Beside a running server what is being
// written at this moment is no damage. Its memory does not grow with the files. The error is about
// the folder as a whole: not there, not readable, of another version, or ctx is over.
func Check(ctx context.Context, dir string, how Checking) (Summary, error) {
	root, err := disk.OpenReadOnly(dir)
	if err != nil {
		return Summary{}, err
	}
	defer func() { _ = root.Close() }() // it was only looked at
	c := newChecker(ctx, root, how)
	c.inUse = usedNow(dir)
	err = c.all()
	return c.sum, err
}

// usedNow asks [InUse] when it matters: to ask takes the lock for a moment, in which a
// server could not start. Where it can't be asked, a server may be there.
func usedNow(dir string) func() bool {
	return func() bool {
		used, err := InUse(dir)
		return used || err != nil
	}
}

// checker goes over one folder.
type checker struct {
	ctx   context.Context
	how   Checking
	root  disk.Folder
	inUse func() bool
	sum   Summary
	last  uint64 // no event has a greater number
	most  uint64 // the greatest in the histories

	segments []uint64 // of the log, where they begin
}

func newChecker(ctx context.Context, root disk.Folder, how Checking) *checker {
	if how.Tell == nil {
		how.Tell = func(Problem) {}
	}
	if how.Step == nil {
		how.Step = func(int64) {}
	}
	return &checker{ctx: ctx, how: how, root: root, inUse: func() bool { return false }}
}

func (c *checker) tell(f Problem) {
	switch f.Severity {
	case Damage:
		c.sum.Damaged++
	case Trouble:
		c.sum.Trouble++
	}
	c.how.Tell(f)
}

func (c *checker) note(severity Severity, name, format string, args ...any) {
	c.tell(Problem{File: name, Offset: -1, What: fmt.Sprintf(format, args...), Severity: severity})
}

func (c *checker) all() error {
	_, err := checkVersion(c.root)
	if err == nil {
		err = c.checkLog()
	}
	for _, folder := range []string{"", roomsFolder, usersFolder} {
		if err == nil {
			err = c.folder(folder)
		}
	}
	return err
}

// folder looks at everything in one of the folders, in order.
func (c *checker) folder(name string) error {
	in, prefix := c.root, ""
	if name != "" {
		var err error
		if in, err = c.root.Sub(name); errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			c.note(Trouble, name, "can't be used (%v); move it away", err)
			return nil
		}
		defer func() { _ = in.Close() }() // it was only looked at
		prefix = name + "/"
	}
	names, err := in.Names()
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, base := range names {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if err := c.entry(in, prefix+base, base); err != nil {
			return err
		}
	}
	return nil
}

// known are the paths that are no histories, or are looked at on their own.
var known = []string{versionFile, serverLock, backupLock, checkpointFile, logFolder, usersFolder, roomsFolder,
	usersFolder + "/" + retiredFolder, roomsFolder + "/" + retiredFolder}

func (c *checker) entry(in disk.Folder, at, base string) error {
	name := strings.TrimSuffix(base, ".jsonl")
	switch {
	case ValidNick(name) && slices.Contains([]string{path(name), path("#" + name), path(room.PresenceHistory)}, at):
		return c.history(in, at, base)
	case slices.Contains(known, at):
	case slices.ContainsFunc(c.segments, func(n uint64) bool { return at == logFolder+"/"+log.SegmentName(n) }):
		if f, size := c.open(in, at, base); f != nil {
			c.how.Step(size)
			return f.Close()
		}
	case strings.HasSuffix(base, ".torn"):
		if f, size := c.open(in, at, base); f != nil {
			c.sum.Aside += size
			c.note(Remark, at, "set aside earlier: %d bytes", size)
			return f.Close()
		}
	case !strings.HasSuffix(base, ".tmp"):
		c.note(Remark, at, "not a file of whoelse: nothing reads it")
	case !c.inUse():
		c.note(Remark, at, "left over from something that was interrupted; it can be deleted")
	}
	return nil
}

// open reports what is wrong when it gives no file. A file that is gone is none.
func (c *checker) open(in disk.Folder, at, base string) (disk.File, int64) {
	f, st, err := openStat(in, base, false)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0
	case errors.Is(err, disk.ErrNotRegular):
		c.note(Trouble, at, "is not a file; move it away")
		return nil, 0
	case err != nil:
		c.note(Trouble, at, "can't be read: %v", err)
		return nil, 0
	case st.Links > 1:
		c.note(Trouble, at, "has another name (a hard link), and is not used; put a copy in its place")
	}
	c.sum.Files++
	return f, st.Size
}

// history looks at one history's file.
func (c *checker) history(in disk.Folder, at, base string) error {
	f, size := c.open(in, at, base)
	if f == nil {
		return nil
	}
	defer func() { _ = f.Close() }() // it was only read
	var seq, most uint64
	off, ordered := int64(0), true
	for l, err := range jsonl.Lines(f, 0, size) {
		if c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		if err != nil {
			if !errors.Is(err, io.ErrUnexpectedEOF) || !c.inUse() { // else a server has cut it
				c.tell(Problem{at, off, size - off, fmt.Sprintf("can't be read: %v", err), Trouble})
			}
			return nil
		}
		c.how.Step(l.End - off)
		off = l.End
		found, whole := record.Parse(l)
		for _, r := range found {
			if r.Seq < seq && ordered {
				ordered = false
				c.tell(Problem{at, r.Off, int64(r.Len) + 1, "out of order", Damage})
			}
			seq, most = r.Seq, max(most, r.Seq)
			c.sum.Records++
			if r.Message != nil {
				c.sum.LastID = max(c.sum.LastID, r.Message.ID)
			}
		}
		if !whole || l.Torn {
			bad := damaged(at, l, found)
			if l.Torn && c.inUse() {
				bad.Severity, bad.What = Remark, "being written, or a torn end that the server sets aside at its next use"
			}
			c.tell(bad)
		}
	}
	c.most = max(c.most, most)
	if most > c.last && !c.inUse() {
		c.note(Damage, at, "has the number %d, and the log comes only to %d: it is from another folder, and nothing more would be kept in it", most, c.last)
	}
	return nil
}

// checkLog looks at the log and at the checkpoint.
func (c *checker) checkLog() error {
	before := c.checkpoint()
	if c.last = before.Seq; before.Seq == 0 {
		c.last = math.MaxUint64 // without a log a start goes on after the greatest in the histories
	}
	in, err := c.root.Sub(logFolder)
	if err != nil {
		return c.folder(logFolder) // which reports what is in its place
	}
	defer func() { _ = in.Close() }() // it was only read
	if c.segments, err = log.Segments(in); err == nil {
		err = c.folder(logFolder)
	}
	prev, damagedTo, hurt := uint64(0), uint64(0), false
	var gaps [][2]uint64
	if err == nil {
		err = log.ReadSegments(in, 0, func(e room.Entry) error {
			if prev > 0 && e.Seq > prev+1 && !hurt {
				gaps = append(gaps, [2]uint64{prev + 1, e.Seq - 1})
			}
			prev, hurt = e.Seq, false
			if e.Seq > before.Seq {
				c.sum.Waiting++
			}
			return c.ctx.Err()
		}, func(d log.Damage) {
			hurt = true
			damagedTo = prev + uint64(d.Size)
			f := Problem{logFolder + "/" + d.Segment, d.Off, d.Size, "damaged; the events there are lost", Damage}
			if d.Torn {
				f.Severity, f.What = Remark, "torn end, as a crash leaves of what was not acknowledged"
			}
			if !d.Torn || !c.inUse() {
				c.tell(f)
			}
		})
	}
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	if err != nil {
		c.note(Trouble, logFolder, "can't be read: %v", err)
		return nil
	}
	after, err := loadCheckpoint(c.root)
	if err != nil {
		after = before // it was reported
	}
	if len(c.segments) > 0 && c.segments[0] > after.Seq+1 && err == nil {
		gaps = append([][2]uint64{{after.Seq + 1, c.segments[0] - 1}}, gaps...)
	}
	for _, g := range gaps {
		if g[1] > after.Seq {
			c.note(Damage, logFolder, "the events %d to %d are missing", max(g[0], after.Seq+1), g[1])
		}
	}
	if prev > 0 && prev < before.Seq && !hurt {
		c.note(Damage, checkpointFile, "comes to %d, and the log only to %d", before.Seq, prev)
	}
	if last := max(after.Seq, prev, damagedTo); last > 0 {
		c.last = last
	}
	return nil
}

// checkpoint reads it, and reports what is wrong with it.
func (c *checker) checkpoint() checkpoint {
	f, size := c.open(c.root, checkpointFile, checkpointFile)
	if f == nil {
		return checkpoint{}
	}
	_ = f.Close() // it was only looked at
	point, err := loadCheckpoint(c.root)
	if err != nil {
		c.tell(Problem{File: checkpointFile, Size: size, What: "can't be understood", Severity: Damage})
	}
	return point
}
