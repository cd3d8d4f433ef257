package sessions

import (
	"cmp"
	"errors"
	"sync/atomic"

	"whoelse/keys/nick"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/quota"
	"whoelse/sessions/result"
	"whoelse/sessions/text"
)

// say is /say, /me and /in. The room's line is the answer, unless it fails.
func (s *session) say(call parse.Call) result.Result {
	call.Room = s.here(call)
	return s.send(call)
}

func (s *session) broadcast(call parse.Call) result.Result {
	call.Room = room.Lobby
	return s.send(call)
}

func (s *session) reply(call parse.Call) result.Result {
	to, err := s.lastFrom()
	now := s.member.ReplyTo()
	switch {
	case err != nil:
		return s.failed(result.Failure{Reason: result.FindingWriter, Err: err})
	case to == "":
		return result.Failure{Code: result.Refused, Reason: result.NothingToReply}
	case s.term != nil && now != s.replyTo:
		return result.Failure{Code: result.Refused, Reason: result.WroteMeanwhile, Nick: now, About: cmp.Or(s.replyTo, "NICK")}
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
	err := s.eachPage(s.member.Past(s.ctx, "", defaultLines), func(messages []*room.Message) int {
		for _, m := range messages {
			if m.For(s.member.Nick()) {
				last = m.From
			}
		}
		return 0
	})
	if errors.Is(err, room.ErrSearchLimit) {
		err = nil
	}
	return last, err
}

// send sends a message to call.To or, if that is empty, says it in call.Room. For each recipient a
// receipt is reported.
func (s *session) send(call parse.Call) result.Result {
	if call.Wait > 0 {
		return s.sendAndWait(call)
	}
	row := s.erasedRow()
	return s.sendTo(call, func(r result.Receipt) {
		if row != "" && r.Only && !r.Taken() {
			s.out.tell(row)
		}
		s.sent(r)
	})
}

// sent reports a receipt. A line in a room needs no words that it was said: it is seen there.
func (s *session) sent(r result.Receipt) {
	if r.To != "" || !r.Taken() || s.asked != nil {
		s.report(r)
	}
}

// erasedRow is the row that was typed, for above the reason why the line that replaces it does not come, or "".
func (s *session) erasedRow() string {
	if s.erased == "" {
		return ""
	}
	return text.Cut(s.prompt()+text.CleanLine(s.erased), s.style().Width-1) + "\n"
}

// sendTo is send with the receipts for tell, which must not block.
func (s *session) sendTo(call parse.Call, tell func(result.Receipt)) result.Result {
	if call.Key != "" && s.member.Guest() {
		return result.Failure{Code: result.NotAllowed, Reason: result.KeysOnly, About: "id"}
	}
	kind := room.KindSay
	if call.Name == "me" {
		kind = room.KindMe
	}
	return s.deliver(call, 0, func(receipt func(room.Receipt)) error {
		return s.member.Once(call.Key, call.Room, kind, call.To, call.Text, receipt)
	}, tell)
}

// deliver charges a message, and some bytes beside its records, sends it, and refunds what is not sent. The
// receipts go to tell: one for each recipient, or one for a room.
func (s *session) deliver(
	call parse.Call, beside int64, send func(func(room.Receipt)) error, tell func(result.Receipt),
) result.Result {
	own := record(call) + beside // the sender's or, if it is said in a room, the room's
	if len(call.To) > 0 && s.member.Guest() {
		own = 0
	}
	total := own
	for _, to := range call.To {
		total += cost(call, to)
	}
	if err := s.charge(total); err != nil {
		return s.failed(result.Failure{Err: err})
	}
	receipts := max(1, len(call.To))
	s.pending.add(receipts)
	var refused atomic.Int32 // receipts come on any goroutine
	var suggested atomic.Bool
	err := send(func(r room.Receipt) {
		defer s.pending.add(-1)
		receipt := result.Receipt{Receipt: r, Only: receipts == 1}
		if !receipt.Taken() || r.Again {
			if len(call.To) > 0 {
				s.refund(cost(call, r.To))
			}
			if int(refused.Add(1)) == receipts {
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
		s.pending.add(-receipts)
		s.refund(total)
		return s.failed(result.Failure{Reason: result.Sending, Room: call.Room, About: call.Key, Err: err})
	}
	return nil
}

// record is how many bytes a message adds to a history.
func record(call parse.Call) int64 { return quota.Record(call.Key+call.Text, call.To) }

// cost is what a direct message costs for one recipient: a copy, but not for guests, who have no history, and
// what follows when it was read.
func cost(call parse.Call, recipient string) int64 {
	if nick.IsGuest(recipient) {
		return quota.Recipient()
	}
	return record(call) + quota.Recipient()
}
