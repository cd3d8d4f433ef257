package history

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// Checking is how [Check] and [Repair] tell what they find and how far they are. Its
// functions are called one at a time.
type Checking struct {
	Tell func(Finding)
	Step func(bytes int64) // now and then: so much more was read; if set
}

// Summary counts what [Check] went over.
type Summary struct {
	Files   int
	Records int   // good ones
	Damaged int   // findings that are Damage
	Trouble int   // findings that are Trouble
	Aside   int64 // lines that were set aside earlier
	Waiting int   // lines in the journals
	LastID  string
}

// Check goes over the histories in dir and changes nothing. Beside a running server
// what is being written at this moment is no damage. Its memory does not grow with the
// files. The error is about the folder as a whole: not there, not readable, newer than
// this package, or ctx is over.
func Check(ctx context.Context, dir string, how Checking) (Summary, error) {
	root, err := lookDir(dir)
	if err != nil {
		return Summary{}, err
	}
	defer func() { _ = root.close() }() // it was only looked at
	c := newChecker(ctx, root, how)
	c.inUse = usedNow(dir)
	err = c.all()
	return c.sum, err
}

// checker goes over one folder.
type checker struct {
	ctx   context.Context
	how   Checking
	root  folder
	inUse func() bool
	sum   Summary
}

func newChecker(ctx context.Context, root folder, how Checking) *checker {
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

func (c *checker) remark(name, what string) {
	c.tell(Finding{File: name, Offset: -1, What: what, Grade: Remark})
}

func (c *checker) trouble(name, what string) {
	c.tell(Finding{File: name, Offset: -1, What: what, Grade: Trouble})
}

func (c *checker) all() error {
	if _, err := readVersion(c.root); err != nil {
		return err
	}
	if err := c.folder(c.root, "", c.shared); err != nil {
		return err
	}
	if err := c.below("users", func(in folder) error { return c.folder(in, "users/", c.nicks) }); err != nil {
		return err
	}
	return c.below("journal", c.journals)
}

// below has a folder gone over, if it is there.
func (c *checker) below(name string, each func(folder) error) error {
	in, err := c.root.sub(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		c.trouble(name, fmt.Sprintf("can't be used (%v); move it away", err))
		return nil
	}
	defer func() { _ = in.close() }() // it was only looked at
	return each(in)
}

// folder calls each for everything in a folder, in order. path goes before the names.
func (c *checker) folder(in folder, path string, each func(folder, string, string) error) error {
	names, err := in.names()
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

// shared looks at one name beside the folder users.
func (c *checker) shared(in folder, path, name string) error {
	switch name {
	case "room.jsonl", "presence.jsonl":
		return c.history(in, path, name)
	case stateFile:
		return c.state()
	case "users", "journal":
		return nil // their turn comes
	case versionFile, "lock", backupLock:
		return c.plain(in, path, name)
	}
	return c.other(in, path, name)
}

// nicks looks at one name in the folder users.
func (c *checker) nicks(in folder, path, name string) error {
	nick, isHistory := strings.CutSuffix(name, ".jsonl")
	switch {
	case name == retiredFolder:
		return nil // nothing reads it, until somebody is given theirs back
	case !isHistory:
		return c.other(in, path, name)
	case !validOwner(nick) || sharedFiles[nick] != "":
		c.remark(path, "this is no nick's history: nothing reads it")
		return nil
	}
	return c.history(in, path, name)
}

// other looks at what is not a history.
func (c *checker) other(in folder, path, name string) error {
	switch {
	case strings.HasSuffix(name, ".torn"):
		return c.aside(in, path, name)
	case strings.HasSuffix(name, ".tmp"):
		if !c.inUse() {
			c.remark(path, "left over from something that was interrupted; it can be deleted")
		}
		return nil
	}
	c.remark(path, "not a file of whoelse: nothing reads it")
	return nil
}

// plain sees that it is a file.
func (c *checker) plain(in folder, path, name string) error {
	f, _, err := openSized(in, name)
	if errors.Is(err, errOdd) {
		c.trouble(path, "is no file; move it away")
	}
	if f != nil {
		_ = f.close() // it was only looked at
	}
	return nil
}

// open tells what is wrong when it gives no file. A file that is gone is none.
func (c *checker) open(in folder, path, name string) (file, int64, error) {
	f, size, err := openSized(in, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, nil
	case errors.Is(err, errOdd):
		c.trouble(path, "is no file; move it away")
		return nil, 0, nil
	case err != nil:
		c.trouble(path, fmt.Sprintf("can't be read: %v", err))
		return nil, 0, nil
	}
	c.sum.Files++
	return f, size, nil
}

// aside counts what was set aside.
func (c *checker) aside(in folder, path, name string) error {
	f, size, err := c.open(in, path, name)
	if f == nil {
		return err
	}
	defer func() { _ = f.close() }() // it was only read
	lines := int64(0)
	b := make([]byte, blockSize)
	for at := int64(0); at < size; {
		n, err := f.ReadAt(b[:min(int64(len(b)), size-at)], at)
		if n == 0 && err != nil {
			c.trouble(path, fmt.Sprintf("can't be read: %v", err))
			return nil
		}
		lines += int64(bytes.Count(b[:n], []byte("\n")))
		at += int64(n)
	}
	c.how.Step(size)
	c.sum.Aside += lines
	c.remark(path, fmt.Sprintf("set aside earlier: %s, %s", counted(lines, "line"), counted(size, "byte")))
	return nil
}

// counted is "1 line", "2 lines".
func counted(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// state looks at the file with the greatest id.
func (c *checker) state() error {
	f, size, err := c.open(c.root, stateFile, stateFile)
	if f == nil {
		return err
	}
	defer func() { _ = f.close() }() // it was only read
	if _, ok := parseState(f, size); !ok {
		c.tell(Finding{File: stateFile, Size: size, What: "can't be understood", Grade: Damage})
	}
	return nil
}

// parseState reads the greatest id. An empty file is as good as none.
func parseState(r io.ReaderAt, size int64) (last string, ok bool) {
	text, err := io.ReadAll(io.NewSectionReader(r, 0, min(size, maxLine)))
	if err == nil && len(text) == 0 {
		return "", true
	}
	var state struct{ Last string }
	text = bytes.TrimSuffix(text, []byte("\n"))
	ok = err == nil && sealed(text) && json.Unmarshal(text, &state) == nil
	return state.Last, ok
}
