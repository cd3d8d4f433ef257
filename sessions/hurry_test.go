package sessions

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestAnswersAreNotKeptBack: what somebody waits for, because nothing else that they asked for is to come, is
// written at once; what comes by itself waits for the pause between two writes.
func TestAnswersAreNotKeptBack(t *testing.T) {
	p := newPeer(all, all)
	outboxTo(t, p, func(o *outbox) {
		written := func(want string) {
			t.Helper()
			synctest.Wait() // and no time passes
			p.mu.Lock()
			defer p.mu.Unlock()
			if string(p.got) != want {
				t.Errorf("%q is written, want %q", p.got, want)
			}
		}
		asked := pending{idle: o.hurry}
		o.tell("first\n")
		written("first\n")
		o.tell("by itself\n")
		written("first\n")
		asked.add(2)
		o.tell("one answer\n")
		asked.add(-1)
		written("first\n")
		o.tell("the other\n")
		asked.add(-1)
		written("first\nby itself\none answer\nthe other\n")
		time.Sleep(time.Second)
		o.hold()
		o.tell("held back\n")
		written("first\nby itself\none answer\nthe other\n")
		time.Sleep(flushEvery)
		written("first\nby itself\none answer\nthe other\nheld back\n")
	})
}
