package room

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// moody is a Sink whose person confirms, does not, or takes long, at random.
type moody struct{}

func (moody) Put(_ *Update, shown func(bool)) {
	if shown != nil {
		mood := rand.IntN(4)
		go func() {
			if mood == 0 {
				time.Sleep(2 * confirmWithin)
			}
			shown(mood != 1)
		}()
	}
}

// Many people do everything at once: nothing deadlocks or races, and every
// message gets its one receipt.
func TestCrowd(t *testing.T) {
	inHouse(t, func(h *house) {
		var mu sync.Mutex
		told := map[string]int{}
		var crowd sync.WaitGroup
		for i := range 16 {
			crowd.Go(func() {
				for n := range 40 {
					member, _, err := h.Join(Identity{Nick: cast[i%len(cast)]}, moody{})
					if err != nil {
						t.Error(err)
						return
					}
					member.Say(KindSay, "hi", nil)
					mu.Lock()
					for _, nick := range append(cast, "erin", "nobody") {
						told[fmt.Sprint(i, n, nick)] = 0
					}
					mu.Unlock()
					member.Send(append(cast, "erin", "nobody"), "hi", func(r Receipt) {
						mu.Lock()
						defer mu.Unlock()
						told[fmt.Sprint(i, n, r.To)]++
					})
					doAnything(t, h, member)
					time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
					member.Leave(Cause(rand.IntN(2)))
				}
			})
		}
		crowd.Wait()
		pass(time.Minute)
		for what, n := range told {
			if n != 1 {
				t.Errorf("%s: %d receipts", what, n)
			}
		}
		synctest.Wait()
		h.quiet()
	})
}

func doAnything(t *testing.T, h *house, member *Member) {
	if unread, err := whole(member.Inbox()); err == nil && rand.IntN(2) == 0 {
		if err := member.MarkRead(unread); err != nil {
			t.Error(err)
		}
	}
	switch rand.IntN(6) {
	case 0:
		member.Away("")
	case 1:
		member.Back()
	case 2:
		_, _ = member.Block("erin")
	case 3:
		_, _ = member.Unblock("erin")
	case 4:
		member.OnlineSince(time.Now().Add(-time.Hour))
	default:
		h.NicksAround("bob", 2, 2)
	}
}
