package history

import (
	"bytes"
	"fmt"
	"io"

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

// damaged says what is wrong with a line of r, which ends where the next one begins.
func damaged(name string, l jsonl.Line, next int64, r io.ReaderAt, found []goodLine) Finding {
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
	case allZero(r, l.Off, next):
		f.What = "bytes of zero"
	case torn(l, next):
		f.What = "torn end"
	case l.Data == nil:
		f.What = "longer than any record"
	default:
		f.What = explain(l.Data)
	}
	return f
}

// torn reports whether a line has no newline, as only the last one can.
func torn(l jsonl.Line, next int64) bool { return next-l.Off == int64(len(l.Data)) }

// explain says why data is no record.
func explain(data []byte) string {
	switch {
	case len(data) == 0:
		return "an empty line"
	case jsonl.Sealed(data):
		return "not a record, though its checksum fits"
	case bytes.Contains(data, []byte(`,"crc":"`)) && bytes.HasSuffix(data, []byte(`"}`)):
		return "the checksum does not fit"
	case data[0] != '{':
		return "not a record"
	}
	return "no checksum"
}

// allZero reports whether there is nothing but zeros in [from, to), but for a newline
// at its end.
func allZero(r io.ReaderAt, from, to int64) bool {
	b := make([]byte, 16<<10)
	seen := false
	for at := from; at < to; {
		part := b[:min(int64(len(b)), to-at)]
		if n, _ := r.ReadAt(part, at); n < len(part) {
			return false
		}
		if at += int64(len(part)); at == to {
			part = bytes.TrimSuffix(part, []byte("\n"))
		}
		if len(bytes.TrimLeft(part, "\x00")) > 0 {
			return false
		}
		seen = seen || len(part) > 0
	}
	return seen
}

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
