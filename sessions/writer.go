package sessions

import (
	"time"

	"whoelse/sessions/sshd"
)

// writer writes to the client with a bound on how long that may stand.
type writer struct {
	ch    *sshd.Channel
	stall *time.Timer
	buf   []byte
}

func (w *writer) write(p []byte, last bool) error {
	w.buf = p
	if cap(w.buf) > 4<<10 {
		w.buf = nil
	}
	if len(p) == 0 {
		return nil
	}
	limit := stallLimit
	if last {
		limit = goodbyeLimit
	}
	w.stall.Reset(limit)
	defer w.stall.Stop()
	_, err := w.ch.Write(p)
	return err
}

// pause keeps two writes apart, unless much is queued.
type pause struct {
	timer *time.Timer
	last  time.Time
}

func newPause() *pause {
	p := &pause{timer: time.NewTimer(0)}
	<-p.timer.C
	return p
}

func (p *pause) wait(apart time.Duration, full <-chan struct{}) {
	if d := apart - time.Since(p.last); d > 0 {
		p.timer.Reset(d)
		select {
		case <-p.timer.C:
		case <-full:
			p.timer.Stop()
		}
	}
	p.last = time.Now()
}
