package sessions

import (
	"context"
	"maps"
	"slices"
	"sync"

	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/result"
)

// readMarks collects the receipts of messages that were kept and then read, or never will be.
type readMarks struct {
	came chan struct{} // has one when there are some

	mu  sync.Mutex
	all []*room.Message // owned by mu
}

// Put implements room.Sink.
func (r *readMarks) Put(u *room.Update, _ func(bool)) {
	if u.Message == nil || u.Message.Kind != room.KindReceipt {
		return
	}
	r.mu.Lock()
	r.all = append(r.all, u.Message)
	r.mu.Unlock()
	select {
	case r.came <- struct{}{}:
	default:
	}
}

func (r *readMarks) take() (all []*room.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, r.all = r.all, nil
	return all
}

// sendAndWait sends a message and waits until all recipients have it, or call.Wait has passed.
func (s *session) sendAndWait(call parse.Call) result.Result {
	if s.member.Guest() {
		return result.Failure{Code: result.NotAllowed, Reason: result.KeysOnly, About: "wait"}
	}
	ctx, stop := context.WithTimeout(s.ctx, call.Wait) // not s.ctx: receipts are told after that, too
	defer stop()
	s.stopWithInput(stop)
	marks := &readMarks{came: make(chan struct{}, 1)}
	o, err := s.member.Observe(marks)
	if err != nil {
		return s.notListening("", err)
	}
	defer o.Close()
	receipts := make(chan result.Receipt, len(call.To))
	failed := s.sendTo(call, func(r result.Receipt) {
		s.report(r)
		receipts <- r
	})
	if failed != nil {
		return failed
	}
	missing := map[string]string{} // recipients who do not have the message, with its ID once it is kept for them
	for _, n := range call.To {
		missing[n] = ""
	}
	settled := func(nick string, news result.Result) {
		s.show(news)
		delete(missing, nick)
	}
	for len(missing) > 0 {
		select {
		case r := <-receipts:
			if !r.Taken() || r.Outcome == room.Delivered {
				delete(missing, r.To)
				continue
			}
			missing[r.To] = r.ID
			// It may have been read unnoticed: before its ID was known, or long before a retry.
			switch read, err := s.manager.cfg.Room.HasRead(r.To, r.ID); {
			case err != nil:
				settled(r.To, s.failed(result.Failure{Reason: result.ReadingInbox, Err: err}))
			case read:
				settled(r.To, result.Done{What: result.HasRead, Nick: r.To})
			}
		case <-marks.came:
			for _, m := range marks.take() {
				switch {
				case missing[m.From] != m.Ref: // another message
				case m.Text == room.ReceiptGone:
					settled(m.From, result.Failure{Code: result.Refused, Reason: result.NeverRead, Nick: m.From})
				default:
					settled(m.From, result.Done{What: result.HasRead, Nick: m.From})
				}
			}
		case <-ctx.Done():
			if ctx.Err() == context.Canceled { // by the client
				return nil
			}
			return result.Failure{Code: result.TimedOut, Reason: result.NotRead, Nicks: slices.Sorted(maps.Keys(missing))}
		}
	}
	return nil
}
