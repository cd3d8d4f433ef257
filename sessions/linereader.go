package sessions

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// lineReader cuts input into lines, ended by "\n", "\r\n" or the input's end, without
// keeping more of a line than most bytes and one.
type lineReader struct {
	in   *bufio.Reader
	most int
}

func newLineReader(in io.Reader, most int) lineReader {
	return lineReader{bufio.NewReaderSize(in, 1<<10), most}
}

// next returns the next line and its size in characters; of a line that is too long
// only the beginning. Bytes that are no characters count as a quarter. A last line
// without newline comes before the error.
func (r lineReader) next() (line string, size int, err error) {
	var kept []byte
	chars, all := 0, 0
	for {
		part, err := r.in.ReadSlice('\n')
		whole := err == nil
		if whole {
			part = part[:len(part)-1]
		}
		kept = append(kept, part[:min(len(part), max(0, r.most+1-len(kept)))]...)
		all += len(part)
		for _, b := range part {
			if utf8.RuneStart(b) {
				chars++
			}
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case !whole && all == 0:
			return "", 0, err
		}
		line, size = string(kept), max(chars, (all+utf8.UTFMax-1)/utf8.UTFMax)
		if all == len(line) && strings.HasSuffix(line, "\r") {
			return line[:len(line)-1], size - 1, nil
		}
		return line, size, nil
	}
}
