package sessions

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// eachLine hands each line of input to handle, with its size in characters, until the input ends or
// handle fails, and returns why. Lines end with "\n", "\r\n" or the input. Of one that is too long, handle
// gets most bytes and one.
func eachLine(input io.Reader, most int, handle func(line string, size int) error) error {
	in := bufio.NewReaderSize(input, 1<<10)
	var kept []byte
	over := 0 // characters
	for {
		part, err := in.ReadSlice('\n')
		if err == nil {
			part = part[:len(part)-1]
		}
		fits := min(len(part), most+1-len(kept))
		kept = append(kept, part[:fits]...)
		for _, b := range part[fits:] { // a character can be in two parts
			if utf8.RuneStart(b) {
				over++
			}
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && len(kept) == 0:
			return err
		}
		line := string(kept)
		if over == 0 { // else it is not the line's end
			line = strings.TrimSuffix(line, "\r")
		}
		if failed := handle(line, utf8.RuneCountInString(line)+over); failed != nil {
			return failed
		}
		if err != nil {
			return err
		}
		kept, over = nil, 0
	}
}
