package sessions_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestBurst: people who say all that they may say at once cost nobody the session,
// though it is more than may wait behind a write that stands.
func TestBurst(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stop()
	r.rate = 5 // a burst is 20 lines
	r.start()
	bob := r.pipe("bob")
	burst := strings.Repeat(strings.Repeat("x", 3990)+"\n", 20)
	var others []*client
	for i := range 8 {
		others = append(others, r.pipe(fmt.Sprint("talker", i)))
	}
	for _, o := range others {
		o.typed(burst)
	}
	bob.typed("still here\n")
	bob.sees("bob: still here")
	for _, o := range others {
		o.sees("bob: still here")
	}
}
