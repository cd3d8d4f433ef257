package history

import (
	"fmt"
	"strings"
	"time"

	"whoelse/room"
	"whoelse/room/history/record"
)

// line is one line that an event makes in a history.
type line struct {
	owner string
	index int // from 0, of those that the event makes there
	rec   record.Record
	text  []byte
	inbox int // with so many unread messages the owner does not get it; 0 is no limit

	retired time.Time // no line, but the history is set aside at this point; zero: a line
}

// project returns the lines that an event makes, in an order that is always the same. The
// error wraps [room.ErrInvalid].
func project(e room.Entry) ([]line, error) {
	p := projection{seq: e.Seq, lines: make([]line, 0, 2)}
	switch e.Kind {
	case room.KindSay, room.KindMe, room.KindNotice:
		p.message(room.RoomHistory, 0, &e.Message)
	case room.KindJoin, room.KindLeave, room.KindAlive:
		p.message(room.PresenceHistory, 0, &e.Message)
	case room.KindRetired:
		p.add(line{owner: e.From, rec: record.Record{Seq: e.Seq}, retired: e.Time}, nil)
	case room.KindRead:
		if len(e.Read) > 0 {
			text, err := record.AppendRead(nil, e.Seq, e.Time, e.Read)
			p.add(line{owner: e.From, rec: record.Record{Seq: e.Seq, Read: e.Read}, text: text}, err)
		}
		for _, receipt := range e.Receipts {
			for _, nick := range receipt.To {
				p.message(nick, 0, receipt)
			}
		}
	default: // direct, group, and what a newer program sends to somebody
		p.message(e.From, 0, &e.Message)
		for _, nick := range e.To {
			if nick != e.From {
				p.message(nick, e.Max, &e.Message)
			}
		}
	}
	return p.lines, p.err
}

// projection gathers the lines of one event.
type projection struct {
	seq   uint64
	lines []line
	err   error

	encoded *room.Message // what text is the line of: it is the same in every history
	text    []byte
}

func (p *projection) message(owner string, inbox int, m *room.Message) {
	if p.encoded != m {
		text, err := record.AppendMessage(nil, p.seq, m)
		if err != nil {
			p.err = err
			return
		}
		p.encoded, p.text = m, text
	}
	p.add(line{owner: owner, rec: record.Record{Seq: p.seq, Message: m}, text: p.text, inbox: inbox}, nil)
}

// add adds a line. Guests have no history.
func (p *projection) add(add line, err error) {
	if strings.HasPrefix(add.owner, "~") {
		return
	}
	if err == nil && !shared(add.owner) && !ValidNick(add.owner) {
		err = fmt.Errorf("%w: %w: %q", room.ErrInvalid, errOwner, add.owner)
	}
	if err != nil {
		p.err = err
		return
	}
	for _, l := range p.lines {
		if l.owner == add.owner {
			add.index++
		}
	}
	p.lines = append(p.lines, add)
}
