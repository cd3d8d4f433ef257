package scp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxHeader bounds a line of the protocol.
const maxHeader = 16 << 10

// Sink reports whether a command is what scp -O runs here, scp -t PATH, and returns the path. Any
// other use of scp has an error, which is for the client.
func Sink(command string) (to string, is bool, err error) {
	rest, is := strings.CutPrefix(command, "scp ")
	sink := false
	for is {
		word, tail, _ := strings.Cut(rest, " ")
		if word == "--" {
			rest = tail
			break
		}
		if !strings.HasPrefix(word, "-") {
			break
		}
		sink = sink || strings.Contains(word, "t")
		rest = tail
	}
	if is && !sink {
		err = ErrOnlySend
	}
	return rest, is, err
}

// Receive serves a client of scp -O until its input ends. The client is told in the protocol what
// was refused.
func Receive(conn io.ReadWriter, to string, d Drop) error {
	r := receiver{conn, bufio.NewReaderSize(conn, maxHeader), d}
	people, name, err := split(to)
	if err == nil && people == "" {
		err = ErrNoPeople
	}
	if err != nil {
		err = d.Refuse(err)
	}
	for r.answer(err) {
		header, readErr := r.line()
		switch {
		case errors.Is(readErr, io.EOF) && header == "":
			return nil
		case readErr != nil:
			return fmt.Errorf("in the middle of a line: %w", readErr)
		case header == "":
			return errors.New("an empty line")
		case header[0] == 'T' || header[0] == 'E': // times; the end of a folder, which was refused
			err = nil
		case header[0] == 'D':
			err = d.Refuse(ErrFolder)
		case header[0] == 'C':
			if err, readErr = r.file(people, name, header); readErr != nil {
				return readErr
			}
		default:
			return fmt.Errorf("%.40q is no line of the protocol", header)
		}
	}
	return io.ErrClosedPipe
}

// receiver is the side of the protocol that gets files.
type receiver struct {
	out io.Writer
	in  *bufio.Reader
	to  Drop
}

// line returns the next line that is to be answered: what a client says of files that it can't read
// is not.
func (r receiver) line() (string, error) {
	for {
		line, err := r.in.ReadSlice('\n')
		if err != nil || line[0] != 1 {
			return strings.TrimSuffix(string(line), "\n"), err
		}
	}
}

// answer tells the client that it may go on or, with an error, why the last thing was refused.
func (r receiver) answer(err error) bool {
	word := []byte{0}
	if err != nil {
		word = fmt.Appendf(nil, "\x01whoelse: %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
	}
	_, err = r.out.Write(word)
	return err == nil
}

// file takes a file. refused is for the client; the other error ends the protocol.
func (r receiver) file(people, name, header string) (refused, err error) {
	parts := strings.SplitN(header[1:], " ", 3)
	size := int64(-1)
	if len(parts) == 3 {
		if n, err := strconv.ParseUint(parts[1], 10, 62); err == nil {
			size = int64(n)
		}
	}
	if size < 0 {
		return nil, fmt.Errorf("%.40q is no line of the protocol", header)
	}
	if name == "" {
		name = parts[2]
	}
	f, refused := r.to.Create(people, name, size)
	if refused != nil { // nothing of it is sent then
		return refused, nil
	}
	defer f.Discard()
	if !r.answer(nil) {
		return nil, io.ErrClosedPipe
	}
	// What can't be written has to be read all the same, or what follows would not be a line.
	written, refused := io.CopyN(io.NewOffsetWriter(f, 0), r.in, size)
	if errors.Is(refused, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	if refused != nil {
		if _, err := io.CopyN(io.Discard, r.in, size-written); err != nil {
			return nil, err
		}
	}
	ok, err := r.in.ReadByte()
	switch {
	case err != nil:
		return nil, io.ErrUnexpectedEOF
	case ok != 0: // the client could not read all of it, and has filled it up
		_, err := r.in.ReadSlice('\n')
		return errors.Join(refused, r.to.Refuse(errors.New("the file changed while it was sent"))), err
	case refused != nil:
		return refused, nil
	}
	return f.Finish(), nil
}
