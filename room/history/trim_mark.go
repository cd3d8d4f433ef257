package history

import (
	"errors"
	"io"
	"strings"
	"time"
)

// readTrim returns the mark that a file's first line is, and the zero mark where
// that is any other line, or can't be true of a file of this size.
func readTrim(f io.ReaderAt, size int64) (trimMark, error) {
	mark, _, err := firstMark(f, size)
	if mark.at > size {
		mark = trimMark{}
	}
	return mark, err
}

// firstMark returns the mark that a file's first line is, and how long that is.
func firstMark(f io.ReaderAt, size int64) (mark trimMark, length int, err error) {
	first := forward{r: f, end: min(size, trimHead)}
	l, err := first.next()
	if errors.Is(err, io.EOF) {
		return trimMark{}, 0, nil
	}
	if err != nil {
		return trimMark{}, 0, err
	}
	if e, ok := decode(l.data); ok && e.trim != nil {
		return *e.trim, len(l.data) + 1, nil
	}
	return trimMark{}, 0, nil
}

// loadTrim is readTrim for a file that is going to be appended to. If the file has
// lost so much that its mark is not true any more, the mark goes: what is appended
// must never come to stand before at, where journals have nothing to say. A read
// mark of a message that does not exist takes its room.
func (s *Store) loadTrim(name string, f file, size int64) (trimMark, error) {
	mark, length, err := firstMark(f, size)
	if err != nil || mark.at <= size {
		return mark, err
	}
	s.log.Warn("history: a file lost its end, up to where it was once shortened", "owner", name, "size", size)
	if _, err := f.WriteAt(filler(length), 0); err != nil {
		return trimMark{}, err
	}
	return trimMark{}, f.sync()
}

// filler is a line of so many bytes that says nothing.
func filler(length int) []byte {
	now := time.Now()
	for pad := range length {
		lines, err := readLines(now, []string{strings.Repeat("-", pad)})
		if err == nil && len(lines[0]) == length {
			return lines[0]
		}
	}
	return []byte(strings.Repeat(" ", length-1) + "\n") // nobody else writes such short ones
}
