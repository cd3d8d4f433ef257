package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"whoelse/room"
	"whoelse/room/internal/disk"
	"whoelse/room/internal/jsonl"
)

// Checking is how [Check] and [Repair] report what they find and how far they are. Its
// functions are called one at a time.
type Checking struct {
	Tell func(Finding)
	Step func(bytes int64) // now and then: so much more was read; if set
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

// checker goes over one folder.
type checker struct {
	ctx   context.Context
	how   Checking
	root  disk.Folder
	inUse func() bool
	sum   Summary
	last  uint64 // no event has a greater number
	most  uint64 // the greatest in the histories
}

func newChecker(ctx context.Context, root disk.Folder, how Checking) *checker {
	if how.Tell == nil {
		how.Tell = func(Finding) {}
	}
	if how.Step == nil {
		how.Step = func(int64) {}
	}
	return &checker{ctx: ctx, how: how, root: root, inUse: func() bool { return false }}
}

func (c *checker) tell(f Finding) {
	switch f.Grade {
	case Damage:
		c.sum.Damaged++
	case Trouble:
		c.sum.Trouble++
	}
	c.how.Tell(f)
}

func (c *checker) note(grade Grade, name, what string) {
	c.tell(Finding{File: name, Offset: -1, What: what, Grade: grade})
}

func (c *checker) all() error {
	v, err := ReadVersion(c.root)
	if err == nil && v != 0 && v < Version {
		err = fmt.Errorf("the histories have version %d; a start of the server brings them up to date", v)
	}
	if err != nil {
		return err
	}
	if err := c.checkLog(); err != nil {
		return err
	}
	if err := c.folder(c.root, "", c.shared); err != nil {
		return err
	}
	if err := c.below("rooms", c.rooms); err != nil {
		return err
	}
	return c.below("users", c.nicks)
}

// below calls each for everything in a folder of the root, if that is there.
func (c *checker) below(name string, each func(in disk.Folder, path, name string) error) error {
	in, err := c.root.Sub(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		c.note(Trouble, name, fmt.Sprintf("can't be used (%v); move it away", err))
		return nil
	}
	defer func() { _ = in.Close() }() // it was only looked at
	return c.folder(in, name+"/", each)
}

// folder calls each for everything in a folder, in order. path goes before the names.
func (c *checker) folder(in disk.Folder, path string, each func(in disk.Folder, path, name string) error) error {
	names, err := in.Names()
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if err := each(in, path+name, name); err != nil {
			return err
		}
	}
	return nil
}

// shared looks at one name beside the other folders.
func (c *checker) shared(in disk.Folder, path, name string) error {
	switch name {
	case "presence.jsonl":
		return c.history(in, path, name)
	case "users", "rooms", logFolder, checkpointFile:
		return nil // their turn comes, or was
	case versionFile, "lock", backupLock:
		return nil
	}
	return c.other(in, path, name)
}

func (c *checker) rooms(in disk.Folder, path, name string) error {
	if name == room.Lobby+".jsonl" {
		return c.history(in, path, name)
	}
	return c.other(in, path, name)
}

func (c *checker) nicks(in disk.Folder, path, name string) error {
	nick, isHistory := strings.CutSuffix(name, ".jsonl")
	switch {
	case name == retiredFolder:
		return nil // nothing reads it, until somebody is given theirs back
	case !isHistory:
		return c.other(in, path, name)
	case !ValidNick(nick):
		c.note(Remark, path, "not the history of a nick: nothing reads it")
		return nil
	}
	return c.history(in, path, name)
}

// other looks at what is not a history.
func (c *checker) other(in disk.Folder, path, name string) error {
	switch {
	case strings.HasSuffix(name, ".torn"):
		if f, size := c.open(in, path, name); f != nil {
			c.sum.Aside += size
			c.note(Remark, path, fmt.Sprintf("set aside earlier: %d bytes", size))
			return f.Close()
		}
	case !strings.HasSuffix(name, ".tmp"):
		c.note(Remark, path, "not a file of whoelse: nothing reads it")
	case !c.inUse():
		c.note(Remark, path, "left over from something that was interrupted; it can be deleted")
	}
	return nil
}

// open reports what is wrong when it gives no file. A file that is gone is none.
func (c *checker) open(in disk.Folder, path, name string) (disk.File, int64) {
	f, st, err := openStat(in, name, false)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0
	case errors.Is(err, disk.ErrNotRegular):
		c.note(Trouble, path, "is not a file; move it away")
		return nil, 0
	case err != nil:
		c.note(Trouble, path, fmt.Sprintf("can't be read: %v", err))
		return nil, 0
	case st.Links > 1:
		c.note(Trouble, path, "has another name (a hard link), and is not used; put a copy in its place")
	}
	c.sum.Files++
	return f, st.Size
}

// openStat opens a file.
func openStat(in disk.Folder, name string, create bool) (disk.File, disk.Stat, error) {
	f, err := in.Open(name, create)
	if err != nil {
		return nil, disk.Stat{}, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, st, errors.Join(err, f.Close())
	}
	return f, st, nil
}

// unreadable reports a file that can't be read to its end, unless a server has cut it.
func (c *checker) unreadable(path string, off, size int64, err error) error {
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) || !c.inUse() {
		c.tell(Finding{File: path, Offset: off, Size: size - off, What: fmt.Sprintf("can't be read: %v", err), Grade: Trouble})
	}
	return nil
}

// stepEvery is after how many bytes it is reported how far it is.
const stepEvery = 1 << 20

// history looks at one history's file.
func (c *checker) history(in disk.Folder, path, name string) error {
	f, size := c.open(in, path, name)
	if f == nil {
		return nil
	}
	defer func() { _ = f.Close() }() // it was only read
	var seq, most uint64
	off, stepped, ordered := int64(0), int64(0), true
	err := eachLine(f, 0, size, func(l jsonl.Line, next int64) error {
		off = next
		found, whole := split(l)
		for _, g := range found {
			if g.Seq < seq && ordered {
				ordered = false
				c.tell(Finding{File: path, Offset: g.Off, Size: int64(len(g.data)) + 1, What: "out of order", Grade: Damage})
			}
			seq, most = g.Seq, max(most, g.Seq)
			c.sum.Records++
			if g.Message != nil {
				c.sum.LastID = max(c.sum.LastID, g.Message.ID)
			}
		}
		if cut := torn(l, next); !whole || cut {
			bad := damaged(path, l, next, found)
			if cut && c.inUse() {
				bad.Grade, bad.What = Remark, "being written, or a torn end that the server sets aside at its next use"
			}
			c.tell(bad)
		}
		if next-stepped >= stepEvery {
			c.how.Step(next - stepped)
			stepped = next
		}
		return c.ctx.Err()
	})
	c.how.Step(off - stepped)
	if err != nil {
		return c.unreadable(path, off, size, err)
	}
	c.most = max(c.most, most)
	if most > c.last && !c.inUse() {
		c.note(Damage, path, fmt.Sprintf("has the number %d, and the log comes only to %d: it is from another folder, and nothing more would be kept in it", most, c.last))
	}
	return nil
}
