package load

import (
	"bytes"
	"time"
)

// Receipt is what a sender is told about one direct message.
type Receipt int

// What can be told.
const (
	Delivered Receipt = iota
	Kept
	Refused
)

// Receipts is the Sink of a session without a terminal that sends direct
// messages to one nick: it looks at whole lines and passes on the receipts.
type Receipts struct {
	delivered, kept, refused []byte
	got                      chan receipt
}

// receipt is a receipt with the time at which it was shown.
type receipt struct {
	kind Receipt
	at   time.Duration
}

// NewReceipts watches for the receipts of messages to nick. One message at a
// time may be on its way.
func NewReceipts(nick string) *Receipts {
	return &Receipts{
		delivered: []byte("delivered to " + nick),
		kept:      []byte("kept for " + nick),
		refused:   []byte("not delivered"),
		got:       make(chan receipt, 1),
	}
}

// Take implements Sink.
func (r *Receipts) Take(stream []byte, at time.Duration) []byte {
	for {
		line, rest, whole := bytes.Cut(stream, []byte{'\n'})
		if !whole {
			return stream
		}
		if kind, ok := r.read(line); ok {
			// The reading must never wait: a receipt nobody waits for is dropped,
			// and missed by its count.
			select {
			case r.got <- receipt{kind, at}:
			default:
			}
		}
		stream = rest
	}
}

func (r *Receipts) read(line []byte) (Receipt, bool) {
	if bytes.Contains(line, magic) {
		return 0, false // a message, whatever it says
	}
	switch {
	case bytes.Contains(line, r.refused):
		return Refused, true
	case bytes.Contains(line, r.delivered):
		return Delivered, true
	case bytes.Contains(line, r.kept):
		return Kept, true
	}
	return 0, false
}
