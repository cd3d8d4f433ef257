package sessions

import (
	"net/netip"
	"sync/atomic"

	"whoelse/keys/nick"
	"whoelse/room"
	"whoelse/sessions/quota"
)

// charge asks whether so much more may be stored for this person, and counts it. The
// error is in words for them; nothing is counted then.
func (a *actor) charge(bytes int64) error {
	cfg := &a.host.cfg
	if err := cfg.Space.Messages(a.seat.Guest()); err != nil {
		return err
	}
	if err := cfg.Quota.Charge(a.payer(), bytes); err != nil {
		return err
	}
	cfg.Space.Add(bytes)
	return nil
}

// refund takes back what was charged and is not stored. It may be called on any goroutine.
func (a *actor) refund(bytes int64) {
	a.host.cfg.Quota.Refund(a.payer(), bytes)
	a.host.cfg.Space.Add(-bytes)
}

func (a *actor) payer() quota.Who {
	who := quota.Who{Nick: a.seat.Nick()}
	if ap, err := netip.ParseAddrPort(a.from); err == nil {
		who.Addr = ap.Addr()
	}
	return who
}

// postage is what a message to some people takes: one copy for its sender and one for
// each recipient, but for guests, who have no history.
type postage struct {
	record int64
	sender int64 // 0 for a guest
}

func postageOf(from string, to []string, words string) postage {
	p := postage{record: quota.Record(words, to)}
	if !nick.IsGuest(from) {
		p.sender = p.record
	}
	return p
}

// to is what one recipient's part takes, with what follows when they have read it.
func (p postage) to(recipient string) int64 {
	if nick.IsGuest(recipient) {
		return quota.Recipient()
	}
	return p.record + quota.Recipient()
}

// total is what the message takes with all of its recipients.
func (p postage) total(to []string) int64 {
	n := p.sender
	for _, recipient := range to {
		n += p.to(recipient)
	}
	return n
}

// refusing gives back what a message was charged for those it was not sent to, and with
// the last of them the sender's own copy. It is asked once for each recipient, from any
// goroutine.
func (a *actor) refusing(p postage, recipients int) func(room.Receipt) {
	var refused atomic.Int32
	return func(r room.Receipt) {
		if _, ok := wordsReceipt(r); ok {
			return
		}
		a.refund(p.to(r.To))
		if int(refused.Add(1)) == recipients {
			a.refund(p.sender)
		}
	}
}
