package sessions

import (
	"slices"
	"sync"
	"time"

	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/result"
)

// news is about one recipient of a message: a receipt or, later, a read mark.
type news struct {
	result.Receipt
	later bool // the recipient has read it
	never bool // with later: the recipient never will
}

// awaited follows one message until all recipients have it. As a sink, it gets the receipts of recipients
// for whom the message was kept.
type awaited struct {
	news chan news // never blocks: two for each recipient fit

	mu   sync.Mutex // owns the fields below
	id   string
	open map[string]bool // recipients for whom it is kept
}

// Put implements room.Sink.
func (a *awaited) Put(u *room.Update, _ func(bool)) {
	m := u.Message
	if m == nil || m.Kind != room.KindReceipt {
		return
	}
	a.mu.Lock()
	ours := m.Ref == a.id
	a.mu.Unlock()
	if ours {
		a.read(m.From, m.Text == room.ReceiptGone)
	}
}

// receipt records a receipt. Safe for concurrent use.
func (a *awaited) receipt(r result.Receipt) {
	a.mu.Lock()
	if r.ID != "" { // refused recipients have none
		a.id = r.ID
	}
	if r.Taken() && r.Outcome != room.Delivered {
		a.open[r.To] = true
	}
	a.mu.Unlock()
	a.news <- news{Receipt: r}
}

// read records, once, that nick has read the message, or never will. Safe for concurrent use.
func (a *awaited) read(nick string, never bool) {
	a.mu.Lock()
	open := a.open[nick]
	delete(a.open, nick)
	a.mu.Unlock()
	if open {
		a.news <- news{Receipt: result.Receipt{Receipt: room.Receipt{To: nick}}, later: true, never: never}
	}
}

// sendAndWait sends a message and waits until all recipients have it, or call.Wait has passed.
func (s *session) sendAndWait(call parse.Call) result.Result {
	if s.member.Guest() {
		return result.Failure{Code: result.NotAllowed, Reason: result.KeysOnly, About: "wait"}
	}
	s.stopWithInput()
	to := slices.Compact(slices.Sorted(slices.Values(call.To)))
	a := &awaited{news: make(chan news, 2*len(to)), open: map[string]bool{}}
	o, err := s.member.Observe(a)
	if err != nil {
		return s.notListening(err)
	}
	defer o.Close()
	over := time.NewTimer(call.Wait)
	defer over.Stop()
	failed := s.sendTo(call, func(r result.Receipt) {
		s.report(r)
		a.receipt(r)
	})
	if failed != nil {
		return failed
	}
	for len(to) > 0 {
		select {
		case n := <-a.news:
			if s.settled(a, n) {
				to = slices.DeleteFunc(to, func(nick string) bool { return nick == n.To })
			}
		case <-over.C:
			return result.Failure{Code: result.TimedOut, Reason: result.NotRead, Nicks: to}
		case <-s.ctx.Done():
			return nil
		}
	}
	return nil
}

// settled shows news, and reports whether there is nothing more to wait for. A kept message may have been read
// unnoticed: before its ID was known, or long before a retry. So settled looks it up.
func (s *session) settled(a *awaited, n news) bool {
	switch {
	case n.never:
		s.show(result.Failure{Code: result.Refused, Reason: result.NeverRead, Nick: n.To})
		return true
	case n.later:
		s.show(result.Done{What: result.HasRead, Nick: n.To})
		return true
	case !n.Taken() || n.Outcome == room.Delivered:
		return true
	}
	read, err := s.manager.cfg.Room.HasRead(n.To, n.ID)
	if err != nil {
		s.show(s.failed(result.Failure{Reason: result.ReadingInbox, Err: err}))
		return true
	}
	if read {
		a.read(n.To, false)
	}
	return false
}

var _ room.Sink = (*awaited)(nil)
