package log

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"whoelse/room"
	"whoelse/room/internal/disk"
	"whoelse/room/internal/jsonl"
)

const (
	suffix  = ".jsonl"
	newName = "new.tmp" // a segment before it gets its name
)

// segmentName is the name of the segment whose events have numbers from first on.
func segmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, suffix) }

// listSegments returns where the segments in a folder begin, in order.
func listSegments(in disk.Folder) ([]uint64, error) {
	names, err := in.Names()
	var firsts []uint64
	for _, name := range names {
		first, err := strconv.ParseUint(strings.TrimSuffix(name, suffix), 10, 64)
		if err == nil && first > 0 && first < maxSeq && segmentName(first) == name {
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
	firsts, err := listSegments(in)
	if err != nil {
		return err
	}
	r := reader{in, firsts, maxSeq, visit, damaged}
	return r.read(after)
}

// reader reads segments.
type reader struct {
	in      disk.Folder
	firsts  []uint64 // where the segments begin
	upTo    uint64   // the last number that counts
	visit   func(room.Entry) error
	damaged func(Damage)
}

func (r *reader) read(after uint64) error {
	for i, first := range r.firsts {
		next := r.upTo + 1
		if i+1 < len(r.firsts) {
			next = min(next, r.firsts[i+1])
		}
		if next <= after+1 {
			continue
		}
		name := segmentName(first)
		f, err := r.in.Open(name, false)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was released meanwhile
		}
		if err != nil {
			return err
		}
		st, err := f.Stat()
		if err == nil {
			err = r.segment(jsonl.NewForward(f, 0, st.Size), Damage{Segment: name}, first-1, next, after)
		}
		_ = f.Close() // it was only read
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// segment reads the events of one segment with numbers between seen and next, and above after.
func (r *reader) segment(lines *jsonl.Forward, bad Damage, seen, next, after uint64) error {
	for disowned := false; !disowned; {
		line, err := lines.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		records, whole := jsonl.Records(line.Data)
		var good []room.Entry
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
			bad.Size = lines.Offset() - bad.Off
		}
		if len(good) > 0 && bad.Size > 0 {
			r.damaged(bad)
			bad.Size = 0
		}
		for _, e := range good {
			if e.Seq <= after {
				continue
			}
			if err := r.visit(e); err != nil {
				return err
			}
		}
	}
	if bad.Size > 0 && seen+1 != next { // else nothing is missing
		bad.Torn = true
		r.damaged(bad)
	}
	return nil
}
