package sessions

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"
)

// lineReader cuts plain input into lines, ended by "\n", "\r\n" or the input's
// end, without keeping more of a line than can be said.
type lineReader struct {
	in   io.Reader
	buf  []byte // read and not yet handed out
	read []byte // where in is read into
	err  error
}

func newLineReader(in io.Reader) *lineReader {
	return &lineReader{in: in, read: make([]byte, 1<<10)}
}

// next returns the next line and its full size in characters; of a line that is too
// long to be said only the beginning. A last line without newline comes before
// the error.
func (r *lineReader) next() (line string, size int, err error) {
	var l pipeLine
	for {
		if i := bytes.IndexByte(r.buf, '\n'); i >= 0 {
			l.add(r.buf[:i])
			r.buf = r.buf[i+1:]
			line, size = l.whole()
			return line, size, nil
		}
		l.add(r.buf)
		r.buf = nil
		if r.err != nil {
			if l.bytes == 0 {
				return "", 0, r.err
			}
			line, size = l.whole()
			return line, size, nil
		}
		var n int
		n, r.err = r.in.Read(r.read)
		r.buf = r.read[:n]
	}
}

// pipeLine is a line being collected.
type pipeLine struct {
	kept  []byte // what of it can be said, and a little more
	bytes int
	chars int // which begin in it
}

func (l *pipeLine) add(more []byte) {
	room := max(0, utf8.UTFMax*maxLine+1-len(l.kept))
	l.kept = append(l.kept, more[:min(room, len(more))]...)
	l.bytes += len(more)
	for _, b := range more {
		if utf8.RuneStart(b) {
			l.chars++
		}
	}
}

// whole returns the line without the CR at its end, and its size in characters. Bytes
// that are none count as a quarter.
func (l *pipeLine) whole() (string, int) {
	line := string(l.kept)
	size := max(l.chars, (l.bytes+utf8.UTFMax-1)/utf8.UTFMax)
	if l.bytes == len(line) && strings.HasSuffix(line, "\r") {
		return line[:len(line)-1], size - 1
	}
	return line, size
}
