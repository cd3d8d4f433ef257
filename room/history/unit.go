package history

import (
	"errors"
	"fmt"
	"time"

	"whoelse/room"
)

// unit is what one Append brought: lines of which all or nothing is kept.
type unit struct {
	done  func(error)
	lines []placed
	state string // whose file gets a state line, if one is due
	err   error  // why it is refused
}

// placed is a line and whose it is.
type placed struct {
	owner string
	data  []byte // with the newline
	e     entry  // what it says; its offset is not known yet
}

// encode does all the work that can be done before the writer's turn.
func encode(now time.Time, done func(error), recs []room.Record) *unit {
	u := &unit{done: done, lines: make([]placed, 0, len(recs))}
	for _, r := range recs {
		if u.err = u.add(now, r); u.err != nil {
			break
		}
	}
	return u
}

func (u *unit) add(now time.Time, r room.Record) error {
	switch {
	case !validOwner(r.Owner):
		return fmt.Errorf("%w: %q", errOwner, r.Owner)
	case (r.Message != nil) == (len(r.Read) > 0):
		return errors.New("a record must be either a message or ids that were read")
	case r.Message == nil:
		lines, err := readLines(now, r.Read)
		for _, data := range lines {
			u.lines = append(u.lines, placed{r.Owner, data, entry{ids: r.Read}})
		}
		return err
	}
	data, err := u.line(r.Message)
	u.lines = append(u.lines, placed{r.Owner, data, entry{msg: r.Message}})
	return err
}

// line encodes m, once for all who get it.
func (u *unit) line(m *room.Message) ([]byte, error) {
	if n := len(u.lines); n > 0 && u.lines[n-1].e.msg == m {
		return u.lines[n-1].data, nil
	}
	return messageLine(m)
}

// finish tells the sender.
func (u *unit) finish() {
	if u.done == nil {
		return
	}
	if u.err != nil {
		u.done(fmt.Errorf("%w: %w", room.ErrStorage, u.err))
		return
	}
	u.done(nil)
}
