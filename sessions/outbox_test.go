package sessions

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/room"
)

// peer is a client as a test wants it. It confirms what was written up to allowed
// bytes, and writes stand from the byte stands on until the connection ends.
type peer struct {
	mu      sync.Mutex // owns the fields below
	got     []byte
	allowed int
	stands  int
	asked   []question
	ended   chan struct{}
}

type question struct {
	at     int // bytes that were written before
	answer func(bool)
}

const all = 1 << 40

func newPeer(allowed, stands int) *peer {
	return &peer{allowed: allowed, stands: stands, ended: make(chan struct{})}
}

func (p *peer) Write(b []byte) (int, error) {
	p.mu.Lock()
	n := min(len(b), p.stands-len(p.got))
	p.got = append(p.got, b[:n]...)
	p.mu.Unlock()
	if n < len(b) {
		<-p.ended
		return n, io.EOF
	}
	return n, nil
}

func (p *peer) Stderr() io.Writer { return p }

func (p *peer) Confirm(f func(bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := question{len(p.got), f}
	if q.at <= p.allowed {
		go f(true)
	} else {
		p.asked = append(p.asked, q)
	}
}

// allow confirms more.
func (p *peer) allow(bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed = bytes
	var later []question
	for _, q := range p.asked {
		if q.at <= bytes {
			go q.answer(true)
		} else {
			later = append(later, q)
		}
	}
	p.asked = later
}

func (p *peer) Abort() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.ended:
		return
	default:
	}
	close(p.ended)
	for _, q := range p.asked {
		go q.answer(false)
	}
	p.asked = nil
}

func (p *peer) received() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Clone(p.got)
}

// plain shows texts, and of events what was said, twice as long as it was.
func plain(items []item, buf []byte, _ bool) ([]byte, int) {
	return piece(items, buf, func(dst []byte, events []item) []byte {
		for _, it := range events {
			dst = append(dst, strings.Repeat(it.event.Message.Text, 2)...)
		}
		return dst
	})
}

// outboxTo runs an outbox for p in a bubble, and ends it after f.
func outboxTo(t *testing.T, p *peer, f func(o *outbox)) {
	synctest.Test(t, func(t *testing.T) {
		p.ended = make(chan struct{}) // the bubble's
		o := newOutbox(p, plain, func() time.Duration { return flushEvery })
		o.start(func() { o.flush(func(cause error) (string, string) { return endingOf(cause).words, "" }) })
		f(o)
		o.close(errQuit)
		p.Abort()
		<-o.done
		time.Sleep(time.Minute) // the bubble's: all timers have run
	})
}

func said(bytes int) *room.Update {
	return &room.Update{Message: &room.Message{Text: strings.Repeat("x", bytes)}}
}

// ended tells, in so much of a bubble's time, why the outbox has ended.
func (o *outbox) ended(within time.Duration) error {
	select {
	case <-o.done:
	case <-time.After(within):
	}
	return o.why()
}

// TestUnconfirmedEnds: whoever leaves more than queueLimit unconfirmed for
// stallLimit is too slow, though no write ever stands.
func TestUnconfirmedEnds(t *testing.T) {
	outboxTo(t, newPeer(0, all), func(o *outbox) {
		for range 100 {
			o.Put(said(1500), nil)
		}
		if cause := o.ended(stallLimit - time.Second); cause != nil {
			t.Errorf("too early: %v", cause)
		}
		if cause := o.ended(2 * time.Second); !errors.Is(cause, errSlow) {
			t.Errorf("afterwards: %v", cause)
		}
	})
}

// TestHiccup: as long as little was written nobody is too slow.
func TestHiccup(t *testing.T) {
	outboxTo(t, newPeer(0, all), func(o *outbox) {
		for range 8 {
			o.Put(said(15<<10), nil)
		}
		if cause := o.ended(time.Hour); cause != nil {
			t.Error(cause)
		}
	})
}

// TestSlowButSteady: who confirms some of it in time stays, however far behind.
func TestSlowButSteady(t *testing.T) {
	p := newPeer(0, all)
	outboxTo(t, p, func(o *outbox) {
		for i := range 50 {
			o.Put(said(100<<10), nil)
			if cause := o.ended(stallLimit - time.Second); cause != nil {
				t.Fatalf("after %d: %v", i, cause)
			}
			p.allow(len(p.received()))
		}
		p.allow(all)
	})
}

// TestPrintWaitsForTheClient: nobody is ended for being slow at taking what they
// have asked for themselves.
func TestPrintWaitsForTheClient(t *testing.T) {
	p := newPeer(0, all)
	outboxTo(t, p, func(o *outbox) {
		var printing sync.WaitGroup
		text := strings.Repeat(strings.Repeat("y", 99)+"\n", 160)
		printing.Go(func() {
			for range 200 {
				o.print(text, nil)
			}
		})
		most := 0
		for len(p.received()) < 200*len(text) {
			time.Sleep(stallLimit - time.Second) // the bubble's
			most = max(most, len(p.received())-p.allowed)
			if cause := o.why(); cause != nil {
				t.Fatalf("after %d bytes: %v", len(p.received()), cause)
			}
			p.allow(len(p.received()))
		}
		printing.Wait()
		if most > 2*queueLimit {
			t.Errorf("%d bytes are on their way at a time", most)
		}
		p.allow(all)
	})
}

// TestLongLineStaysWhole: what happens while a long line waits comes after it, and nobody is too slow
// for having asked for it.
func TestLongLineStaysWhole(t *testing.T) {
	const live = "live\n"
	long := "first\n" + strings.Repeat("y", burstLimit) + "\n" + strings.Repeat("z", 3*partLimit) + "\nlast\n"
	p := newPeer(0, all)
	outboxTo(t, p, func(o *outbox) {
		var printing sync.WaitGroup
		printing.Go(func() {
			o.print(strings.Repeat("x\n", queueLimit), nil) // it waits behind this
			o.print(long, nil)
		})
		for ended := false; !ended; {
			o.tell(live)
			time.Sleep(stallLimit - time.Second) // the bubble's
			if cause := o.why(); cause != nil {
				t.Fatalf("after %d bytes: %v", len(p.received()), cause)
			}
			ended = bytes.HasSuffix(p.received(), []byte("last\n"+live))
			p.allow(len(p.received()))
		}
		printing.Wait()
		got := strings.ReplaceAll(string(p.received()), live, "")
		if want := strings.Repeat("x\n", queueLimit) + long; got != want {
			t.Errorf("got %d bytes, not the %d that were printed", len(got), len(want))
		}
		for line := range strings.Lines(string(p.received())) {
			if strings.Contains(line, "live") && line != live {
				t.Errorf("a line has another in it")
			}
		}
	})
}

// slow takes a minute for each MiB.
type slow struct{ *peer }

func (p slow) Write(b []byte) (int, error) {
	time.Sleep(time.Duration(len(b)) * time.Minute >> 20) // the bubble's
	return p.peer.Write(b)
}

// TestLongLineTakesLong: a line may take longer than a write may.
func TestLongLineTakesLong(t *testing.T) {
	p := newPeer(all, all)
	outboxTo(t, p, func(o *outbox) {
		o.ch = slow{p}
		o.print(strings.Repeat("y", 1<<20)+"\n", nil)
		if cause := o.ended(2 * time.Minute); cause != nil {
			t.Errorf("after %d bytes: %v", len(p.received()), cause)
		}
	})
}

// TestShownIsWritten: an item counts as shown only once all of its bytes are out,
// whatever piece they are in.
func TestShownIsWritten(t *testing.T) {
	const size = 10 << 10
	for _, stands := range []int{0, 1, pieceLimit - 1, pieceLimit, 5 * size, 300_000} {
		p := newPeer(all, stands)
		var mu sync.Mutex
		shown := map[int]bool{}
		tell := func(i int) func(bool) {
			return func(ok bool) {
				mu.Lock()
				defer mu.Unlock()
				if _, again := shown[i]; again {
					t.Errorf("%d is reported twice", i)
				}
				shown[i] = ok
			}
		}
		outboxTo(t, p, func(o *outbox) {
			for i := range 10 {
				o.Put(said(size/2), tell(i))
			}
			o.tell(strings.Repeat("z", 100_000))
			o.put(item{text: strings.Repeat("z", 200_000), shown: tell(10)}, false)
			o.Put(said(size/2), tell(11))
			o.ended(time.Second)
		})
		got := len(p.received())
		for i, end := range []int{10: 10*size + 300_000, 11: 11*size + 300_000} {
			if i < 10 {
				end = (i + 1) * size
			}
			if ok, told := shown[i]; !told || ok && end > got {
				t.Errorf("of %d bytes, all that were taken, item %d is reported as %t (%t), which ends at %d", got, i, ok, told, end)
			}
		}
		if stands > 10*size && !shown[9] {
			t.Errorf("with %d bytes nothing counts as shown", stands)
		}
	}
}

// TestGoodbyeEnds: whoever takes nothing is gone soon after being sent away, also
// when they were leaving anyhow.
func TestGoodbyeEnds(t *testing.T) {
	for _, before := range []error{nil, errQuit} {
		outboxTo(t, newPeer(all, 1000), func(o *outbox) {
			o.tell(strings.Repeat("z", 2000))
			if before != nil {
				o.close(before)
			}
			o.close(expelled("out"))
			o.ended(goodbyeLimit + time.Millisecond)
			select {
			case <-o.done:
			default:
				t.Errorf("it goes on, closed with %v before", before)
			}
		})
	}
}

// TestWriteThatStands: it ends the connection after stallLimit, or as long after the last
// sign that what was written before is coming in.
func TestWriteThatStands(t *testing.T) {
	for _, confirms := range []bool{false, true} {
		p := newPeer(0, 3*pieceLimit)
		outboxTo(t, p, func(o *outbox) {
			for range 4 {
				o.Put(said(pieceLimit/2), nil)
			}
			if confirms {
				time.Sleep(stallLimit - time.Second) // the bubble's
				p.allow(all)
			}
			if cause := o.ended(stallLimit - time.Second/2); cause != nil {
				t.Errorf("too early: %v, confirms %t", cause, confirms)
			}
			time.Sleep(time.Second)
			select {
			case <-o.done:
			default:
				t.Errorf("it goes on, confirms %t", confirms)
			}
			if cause := o.why(); !errors.Is(cause, errSlow) {
				t.Errorf("%v, confirms %t", cause, confirms)
			}
		})
	}
}
