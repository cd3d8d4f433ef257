package log

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strconv"
	"strings"

	"whoelse/internal/disk"
	"whoelse/room"
	"whoelse/room/internal/jsonl"
)

const (
	suffix  = ".jsonl"
	newName = "new.tmp" // a segment before it gets its name
)

// SegmentName is the name of the segment whose events have numbers from first on.
func SegmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, suffix) }

// Segments returns where the segments in a folder begin, in order.
func Segments(in disk.Folder) ([]uint64, error) {
	names, err := in.Names()
	var firsts []uint64
	for _, name := range names {
		first, err := strconv.ParseUint(strings.TrimSuffix(name, suffix), 10, 64)
		if err == nil && first > 0 && first < maxSeq && SegmentName(first) == name {
			firsts = append(firsts, first)
		}
	}
	slices.Sort(firsts)
	return firsts, err
}

// Damage is a place in a segment that can't be read: one line, or several in a row.
type Damage struct {
	Segment   string
	Off, Size int64 // in bytes
	// Torn places are at the end of their segment. As a rule they are what a crash left of a
	// write that was never acknowledged, or a write that is going on.
	Torn bool
}

// ReadSegments visits the events with numbers above after that are in a folder, in order, up
// to the first error of visit, which it returns. It changes nothing, and may run beside a
// server, whose newest events may then be there before they are durable, and those that it
// releases meanwhile may be missing. What can't be read is reported to damaged and costs
// nothing else.
func ReadSegments(in disk.Folder, after uint64, visit func(room.Entry) error, damaged func(Damage)) error {
	firsts, err := Segments(in)
	if err != nil {
		return err
	}
	return read(in, firsts, maxSeq, after, visit, damaged)
}

// read visits the events with numbers above after and up to upTo in the segments that begin at firsts.
func read(in disk.Folder, firsts []uint64, upTo, after uint64,
	visit func(room.Entry) error, damaged func(Damage),
) error {
	for i, first := range firsts {
		next := upTo + 1
		if i+1 < len(firsts) {
			next = min(next, firsts[i+1])
		}
		if next <= after+1 {
			continue
		}
		name := SegmentName(first)
		f, err := in.Open(name, false)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was released meanwhile
		}
		if err != nil {
			return err
		}
		st, err := f.Stat()
		if err == nil {
			err = readSegment(jsonl.Lines(f, 0, st.Size), name, first, next, damaged, func(e room.Entry) error {
				if e.Seq <= after {
					return nil
				}
				return visit(e)
			})
		}
		_ = f.Close() // it was only read
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// readSegment reads the events of one segment with numbers from first on and below next.
func readSegment(lines iter.Seq2[jsonl.Line, error], name string, first, next uint64,
	damaged func(Damage), visit func(room.Entry) error,
) error {
	seen, bad := first-1, Damage{Segment: name}
	for line, err := range lines {
		if err != nil {
			return err
		}
		records, whole := jsonl.Records(line.Data)
		var good []room.Entry
		disowned := false
		for _, rec := range records {
			e, ok := ParseLine(rec.Data)
			if ok = ok && e.Seq > seen; ok && e.Seq >= next {
				disowned = true
				break
			}
			if ok {
				good = append(good, e)
				seen = e.Seq
			}
		}
		if !disowned && (!whole || len(good) == 0) {
			if bad.Size == 0 {
				bad.Off = line.Off
			}
			bad.Size = line.End - bad.Off
		}
		if len(good) > 0 && bad.Size > 0 {
			damaged(bad)
			bad.Size = 0
		}
		for _, e := range good {
			if err := visit(e); err != nil {
				return err
			}
		}
		if disowned {
			break
		}
	}
	if bad.Size > 0 && seen+1 != next { // else nothing is missing
		bad.Torn = true
		damaged(bad)
	}
	return nil
}
