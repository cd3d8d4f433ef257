package history

import (
	"errors"
	"fmt"
	"io/fs"
	"math"

	"whoelse/room"
	"whoelse/room/internal/disk"
	"whoelse/room/log"
)

// checkLog looks at the log and at the checkpoint.
func (c *checker) checkLog() error {
	before := c.checkpoint()
	if c.last = before.Seq; before.Seq == 0 {
		c.last = math.MaxUint64 // without a log a start goes on after the greatest in the histories
	}
	var segments []string
	err := c.below(logFolder, func(in disk.Folder, path, name string) error {
		if firstSegment([]string{name}) == 0 {
			return c.other(in, path, name)
		}
		f, size := c.open(in, path, name)
		if f == nil {
			return nil
		}
		segments = append(segments, name)
		c.how.Step(size)
		return f.Close()
	})
	in, subErr := c.root.Sub(logFolder)
	if err != nil || subErr != nil {
		return err // what is in the folder's place was reported
	}
	defer func() { _ = in.Close() }() // it was only read
	prev, known, hurt := uint64(0), uint64(0), false
	var gaps [][2]uint64
	err = log.ReadSegments(in, 0, func(e room.Entry) error {
		if prev > 0 && e.Seq > prev+1 && !hurt {
			gaps = append(gaps, [2]uint64{prev + 1, e.Seq - 1})
		}
		prev, hurt = e.Seq, false
		if e.Seq > before.Seq {
			c.sum.Waiting++
		}
		return c.ctx.Err()
	}, func(d log.Damage) {
		hurt = true
		known = prev + uint64(d.Size)
		c.damagedSegment(d)
	})
	if err != nil {
		if c.ctx.Err() == nil {
			c.note(Trouble, logFolder, fmt.Sprintf("can't be read: %v", err))
			err = nil
		}
		return err
	}
	after, err := ReadCheckpoint(c.root)
	if err != nil {
		after = before // it was reported
	}
	if first := firstSegment(segments); first > after.Seq+1 && err == nil {
		gaps = append([][2]uint64{{after.Seq + 1, first - 1}}, gaps...)
	}
	for _, g := range gaps {
		if g[1] > after.Seq {
			c.note(Damage, logFolder, fmt.Sprintf("the events %d to %d are missing", max(g[0], after.Seq+1), g[1]))
		}
	}
	if prev > 0 && prev < before.Seq && !hurt {
		c.note(Damage, checkpointFile, fmt.Sprintf("comes to %d, and the log only to %d", before.Seq, prev))
	}
	if last := max(after.Seq, prev, known); last > 0 {
		c.last = last
	}
	return nil
}

// checkpoint reads it, and reports what is wrong with it.
func (c *checker) checkpoint() Checkpoint {
	f, size := c.open(c.root, checkpointFile, checkpointFile)
	if f == nil {
		return Checkpoint{}
	}
	_ = f.Close() // it was only looked at
	point, err := ReadCheckpoint(c.root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.tell(Finding{File: checkpointFile, Size: size, What: "can't be understood", Grade: Damage})
	}
	return point
}

func (c *checker) damagedSegment(d log.Damage) {
	f := Finding{File: logFolder + "/" + d.Segment, Offset: d.Off, Size: d.Size, What: "damaged; the events there are lost", Grade: Damage}
	if d.Torn {
		f.Grade, f.What = Remark, "torn end, as a crash leaves of what was not acknowledged"
	}
	if !d.Torn || !c.inUse() {
		c.tell(f)
	}
}
