package history

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf8"
)

// Finding is one thing that is to be told about a folder of histories.
type Finding struct {
	File   string // in the folder, with slashes
	Offset int64  // where in it; -1 for all of it
	Size   int64  // how many bytes; 0 for all of it
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

// damage tells what is wrong with a line, in which these records were found. next is
// where the next line begins.
func damage(name string, l line, next int64, r io.ReaderAt, found []entry) Finding {
	f := Finding{File: name, Offset: l.off, Size: next - l.off, Grade: Damage}
	junk := beside(l.data, found)
	switch n := len(found); {
	case n == 1 && junk == 0:
		f.What = "the last line lacks its newline"
	case n == 2 && junk <= 1:
		f.What = "a newline was lost, both records found"
	case n > 0:
		f.What = fmt.Sprintf("damaged beside a record; whole records found in it: %d", n)
	case allZero(r, l.off, next):
		f.What = "bytes of zero"
	case torn(l, next):
		f.What = "torn end"
	case l.data == nil:
		f.What = "longer than any record"
	default:
		f.What = explain(l.data)
	}
	return f
}

// beside is how many bytes of a line are in none of the records found in it.
func beside(data []byte, found []entry) int {
	n := len(data)
	for _, e := range found {
		n -= recordLen(data[e.off:])
	}
	return n
}

// torn reports whether a line has no newline, as only the last one can.
func torn(l line, next int64) bool { return next-l.off == int64(len(l.data)) }

// explain says why data is no record.
func explain(data []byte) string {
	if len(data) == 0 {
		return "an empty line"
	}
	if sealed(data) {
		return "not a record, though its checksum fits"
	}
	if body := len(data) - crcLen; body >= 0 {
		if _, ok := trailer(data[body:]); ok {
			return "the checksum does not fit"
		}
	}
	if data[0] != '{' {
		return "not a record"
	}
	return "no checksum"
}

// allZero reports whether there is nothing but zeros in [from, to), but for a newline
// at its end.
func allZero(r io.ReaderAt, from, to int64) bool {
	b := make([]byte, blockSize)
	seen := false
	for at := from; at < to; {
		part := b[:min(int64(len(b)), to-at)]
		n, err := r.ReadAt(part, at)
		if n < len(part) && err != nil {
			return false
		}
		at += int64(n)
		if at == to {
			part = bytes.TrimSuffix(part, []byte("\n"))
		}
		if len(bytes.TrimLeft(part, "\x00")) > 0 {
			return false
		}
		seen = seen || len(part) > 0
	}
	return seen
}

// recordLen is where the record that data begins with ends.
func recordLen(data []byte) int {
	return bytes.Index(data, []byte(crcOpen)) + crcLen
}

// Clean is s with all escaped that is not printable, fit for a terminal.
func Clean(s string) string {
	var b []byte
	for _, r := range s { // what is not UTF-8 is U+FFFD here
		if r != '\\' && printable(r) {
			b = utf8.AppendRune(b, r)
		} else {
			b = appendEscape(b, r)
		}
	}
	return string(b)
}
