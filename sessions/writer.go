package sessions

import (
	"io"
	"time"
)

// writer writes to the client with a bound on how long that may stand. It is for
// one goroutine.
type writer struct {
	stall *time.Timer
	buf   []byte // to compose in
}

// newWriter returns a writer that calls stalled when a write has stood too long,
// which has to make it return.
func newWriter(stalled func()) *writer {
	w := &writer{stall: time.AfterFunc(time.Hour, stalled)}
	w.stall.Stop()
	return w
}

func (w *writer) write(to io.Writer, p []byte, limit time.Duration) error {
	if len(p) == 0 {
		return nil
	}
	w.stall.Reset(limit)
	defer w.stall.Stop()
	_, err := to.Write(p)
	return err
}

// keep keeps the memory of what was written for the next time, unless it is too
// big for an idle session.
func (w *writer) keep(p []byte) {
	w.buf = p
	if cap(p) > 4<<10 {
		w.buf = nil
	}
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
