package history

import (
	"fmt"

	"whoelse/room/internal/jsonl"
)

// Finding is one thing that is to be reported about a folder of histories.
type Finding struct {
	File   string // in the folder, with slashes
	Offset int64  // where in it; -1 for all of it
	Size   int64  // how many bytes
	What   string
	Grade  Grade
}

// Grade is how bad a [Finding] is.
type Grade int

const (
	Remark  Grade = iota // nothing is wrong
	Damage               // [Repair] mends it
	Trouble              // somebody has to see to it
)

// String is the finding in one line.
func (f Finding) String() string {
	name := Clean(f.File)
	switch {
	case f.Offset < 0:
		return fmt.Sprintf("%s: %s", name, f.What)
	case f.Size == 1:
		return fmt.Sprintf("%s: byte %d: %s (1 byte)", name, f.Offset, f.What)
	}
	return fmt.Sprintf("%s: byte %d: %s (%d bytes)", name, f.Offset, f.What, f.Size)
}

// damaged says what is wrong with a line, which ends where the next one begins.
func damaged(name string, l jsonl.Line, next int64, found []goodLine) Finding {
	f := Finding{File: name, Offset: l.Off, Size: next - l.Off, Grade: Damage}
	junk := len(l.Data)
	for _, g := range found {
		junk -= len(g.data)
	}
	switch n := len(found); {
	case n == 1 && junk == 0:
		f.What = "the last line lacks its newline"
	case n == 2 && junk <= 1:
		f.What = "a newline was lost, both records found"
	case n > 0:
		f.What = fmt.Sprintf("damaged beside a record; whole records found in it: %d", n)
	case torn(l, next):
		f.What = "torn end"
	default:
		f.What = "damaged"
	}
	return f
}

// torn reports whether a line has no newline, as only the last one can.
func torn(l jsonl.Line, next int64) bool { return next-l.Off == int64(len(l.Data)) }

// Clean is s with all escaped that is not printable, fit for a terminal.
func Clean(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s { // what is not UTF-8 is U+FFFD here
		if r == '"' || r >= ' ' && r < 0x7f && r != '\\' {
			b = append(b, byte(r))
			continue
		}
		quoted := jsonl.AppendString(nil, string(r))
		b = append(b, quoted[1:len(quoted)-1]...)
	}
	return string(b)
}
