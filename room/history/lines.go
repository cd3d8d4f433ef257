package history

import (
	"errors"
	"io"

	"whoelse/room/history/record"
	"whoelse/room/internal/jsonl"
)

// goodLine is a record with its bytes, which are good until the next line is read.
type goodLine struct {
	record.Record
	data []byte
}

// split returns what good records are in a line. whole reports that it is one and
// nothing else.
func split(l jsonl.Line) (found []goodLine, whole bool) {
	sealed, whole := jsonl.Records(l.Data)
	for _, s := range sealed {
		recs, ok := record.Parse(jsonl.Line{Off: l.Off + s.Off, Data: s.Data})
		if !ok {
			whole = false
			continue
		}
		found = append(found, goodLine{recs[0], s.Data})
	}
	return found, whole
}

// eachLine calls visit with the lines of r from one on, and where the next one begins, up to the
// first error.
func eachLine(r io.ReaderAt, from, end int64, visit func(l jsonl.Line, next int64) error) error {
	lines := jsonl.NewForward(r, from, end)
	for {
		l, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := visit(l, lines.Offset()); err != nil {
			return err
		}
	}
}
