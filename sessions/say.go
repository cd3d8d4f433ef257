package sessions

import (
	"errors"
	"sync/atomic"

	"whoelse/keys/nick"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/quota"
	"whoelse/sessions/result"
)

// say is /say and /me. The room's line is the answer, unless it fails.
func (s *session) say(call parse.Call) result.Result {
	kind := room.KindSay
	if call.Name == "me" {
		kind = room.KindMe
	}
	return s.sayIn(s.here(call), kind, call.Text)
}

// stored returns what is to be told whether a line of the room, for which bytes were
// charged, is on record. It is waited for.
func (s *session) stored(bytes int64) func(error) {
	s.pending.add(1)
	return func(err error) {
		defer s.pending.add(-1)
		if err != nil {
			s.refund(bytes)
			s.report(s.failed(result.Failure{Reason: result.Sending, Err: err}))
		}
	}
}

func (s *session) broadcast(call parse.Call) result.Result {
	if len(call.To) > 0 {
		return s.send(call)
	}
	return s.sayIn(room.Lobby, room.KindSay, call.Text)
}

func (s *session) reply(call parse.Call) result.Result {
	to, err := s.lastFrom()
	switch {
	case err != nil:
		return s.failed(result.Failure{Reason: result.FindingWriter, Err: err})
	case to == "":
		return result.Failure{Code: result.Refused, Reason: result.NothingToReply}
	}
	call.To = []string{to}
	return s.send(call)
}

// lastFrom is who last wrote to the person, "" when nobody did. Who only runs a
// command was told nothing: for them it is in the history.
func (s *session) lastFrom() (string, error) {
	if to := s.member.ReplyTo(); to != "" {
		return to, nil
	}
	var last string
	for page, err := range s.member.Past(s.ctx, "", defaultLines) {
		if err != nil && !errors.Is(err, room.ErrSearchLimit) {
			return "", err
		}
		for _, m := range page.Messages {
			if m.For(s.member.Nick()) {
				last = m.From
			}
		}
	}
	return last, nil
}

// send sends a message to some people. One copy is charged for the sender and one for
// each recipient, but for guests, who have no history; each recipient counts with what
// follows when they have read it, too. What is not sent is refunded. For each recipient
// a receipt is reported.
func (s *session) send(call parse.Call) result.Result {
	return s.sendTo(call, func(r result.Receipt) { s.report(r) })
}

// sendTo is send with the receipts for tell, which must not block.
func (s *session) sendTo(call parse.Call, tell func(result.Receipt)) result.Result {
	record := quota.Record(call.Text, call.To)
	cost := func(recipient string) int64 {
		if nick.IsGuest(recipient) {
			return quota.Recipient()
		}
		return record + quota.Recipient()
	}
	own := record
	if s.member.Guest() {
		own = 0
	}
	total := own
	for _, to := range call.To {
		total += cost(to)
	}
	if err := s.charge(total); err != nil {
		return s.failed(result.Failure{Err: err})
	}
	s.pending.add(len(call.To))
	var refused atomic.Int32 // receipts come on any goroutine
	var suggested atomic.Bool
	s.member.Send(call.To, call.Text, func(r room.Receipt) {
		defer s.pending.add(-1)
		receipt := result.Receipt{Receipt: r, Only: len(call.To) == 1}
		if !receipt.Taken() {
			s.refund(cost(r.To))
			if int(refused.Add(1)) == len(call.To) {
				s.refund(own)
			}
		}
		if r.Outcome == room.RefusedUnknown && !suggested.Swap(true) { // one suggestion for each line is enough
			receipt.Near = s.nearest(r.To)
		}
		if r.Err != nil {
			s.manager.complain("a message was not sent", s.member.Nick(), r.Err)
		}
		tell(receipt)
	})
	return nil
}
