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
	return s.sayIn(call.Key, s.here(call), kind, call.Text)
}

// sayIn says words in a room; charged as a line of it. key is a retry key or "".
func (s *session) sayIn(key, name string, kind room.Kind, words string) result.Result {
	bytes := quota.Record(key+words, nil)
	if err := s.charge(bytes); err != nil {
		return s.failed(result.Failure{Err: err})
	}
	return s.speak(key, name, kind, words, bytes)
}

// speak is sayIn where bytes were charged for it. With --json, the receipt is reported as a frame.
func (s *session) speak(key, name string, kind room.Kind, words string, bytes int64) result.Result {
	stored := s.stored(bytes)
	err := s.member.Once(key, name, kind, nil, words, func(got room.Receipt) {
		if got.Again {
			s.refund(bytes)
		}
		if got.Err == nil && s.asked.Load() != nil {
			s.report(result.Receipt{Receipt: got})
		}
		stored(got.Err)
	})
	if err != nil {
		s.pending.add(-1)
		s.refund(bytes)
		return s.notOnce(key, name, err)
	}
	return nil
}

// notOnce is the failure of a message with a retry key.
func (s *session) notOnce(key, name string, err error) result.Result {
	switch {
	case errors.Is(err, room.ErrKeyUsed):
		return result.Failure{Code: result.Refused, Reason: result.KeyUsed, About: key}
	case errors.Is(err, room.ErrKeys):
		return result.Failure{Code: result.Limit, Reason: result.TooManyTries, Most: room.MaxKeys}
	case errors.Is(err, room.ErrKeysGuest):
		return result.Failure{Code: result.NotAllowed, Reason: result.KeysOnly, About: "id"}
	}
	return s.failedIn(name, result.Sending, err)
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
	return s.sayIn(call.Key, room.Lobby, room.KindSay, call.Text)
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
	if call.Wait > 0 {
		return s.sendAndWait(call)
	}
	return s.sendTo(call, func(r result.Receipt) { s.report(r) })
}

// sendTo is send with the receipts for tell, which must not block.
func (s *session) sendTo(call parse.Call, tell func(result.Receipt)) result.Result {
	own := s.record(call)
	if err := s.charge(s.total(call, own)); err != nil {
		return s.failed(result.Failure{Err: err})
	}
	return s.deliver(call, own, func(receipt func(room.Receipt)) error {
		return s.member.Once(call.Key, "", room.KindDirect, call.To, call.Text, receipt)
	}, tell)
}

// record is what a direct message adds to the sender's history, in bytes.
func (s *session) record(call parse.Call) int64 {
	if s.member.Guest() {
		return 0
	}
	return quota.Record(call.Key+call.Text, call.To)
}

// cost is what a direct message costs for one recipient.
func cost(call parse.Call, recipient string) int64 {
	if nick.IsGuest(recipient) {
		return quota.Recipient()
	}
	return quota.Record(call.Key+call.Text, call.To) + quota.Recipient()
}

// total is what a message costs, with own for the sender.
func (s *session) total(call parse.Call, own int64) int64 {
	for _, to := range call.To {
		own += cost(call, to)
	}
	return own
}

// deliver sends a message for which total was charged, and refunds what is not sent. The receipts
// go to tell.
func (s *session) deliver(call parse.Call, own int64, send func(func(room.Receipt)) error, tell func(result.Receipt)) result.Result {
	s.pending.add(len(call.To))
	var refused atomic.Int32 // receipts come on any goroutine
	var suggested atomic.Bool
	err := send(func(r room.Receipt) {
		defer s.pending.add(-1)
		receipt := result.Receipt{Receipt: r, Only: len(call.To) == 1}
		if !receipt.Taken() || r.Again {
			s.refund(cost(call, r.To))
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
	if err != nil {
		s.pending.add(-len(call.To))
		s.refund(s.total(call, own))
		return s.notOnce(call.Key, "", err)
	}
	return nil
}
