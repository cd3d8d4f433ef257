package cluster

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// answerLimit is how long a sender waits for an answer at most. The promise is three seconds, and the rest is for
// the machine: much where other tests run beside this one, little where WHOELSE_JEPSEN is set.
var answerLimit = 15 * time.Second

func init() {
	if os.Getenv("WHOELSE_JEPSEN") != "" {
		answerLimit = 4500 * time.Millisecond
	}
}

// raging is how long everything fails: as long as WHOELSE_JEPSEN says, if it says anything.
func raging(t *testing.T) time.Duration {
	text := os.Getenv("WHOELSE_JEPSEN")
	if text == "" {
		return 12 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		t.Fatalf("WHOELSE_JEPSEN=%s: a duration such as 10m is needed", text)
	}
	return d
}

// seed is WHOELSE_SEED, or another one each time.
func seed(t *testing.T) uint64 {
	text := os.Getenv("WHOELSE_SEED")
	if text == "" {
		return uint64(time.Now().UnixNano())
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("WHOELSE_SEED=%s: a number is needed", text)
	}
	return n
}

// roundLimit is how long one cluster has to live at most: histories show ten thousand lines.
const roundLimit = 3 * time.Minute

// TestWhatever: people talk on three servers over three engine nodes, while these are killed, paused and cut off
// at random. A checker then compares what people were told and shown with what the servers have.
func TestWhatever(t *testing.T) {
	onlyFull(t)
	first := seed(t)
	for n, left := uint64(0), raging(t); left > 0; n, left = n+1, left-roundLimit {
		t.Run(fmt.Sprintf("WHOELSE_SEED=%d", first+n), func(t *testing.T) {
			c := newCluster(t, options{chats: 3})
			during(t, c, first+n, func(talking context.Context, random *rand.Rand) {
				talking, quiet := context.WithTimeout(talking, min(left, roundLimit))
				defer quiet()
				caused := (&nemesis{c: c, random: random, ctx: talking}).rage()
				for _, name := range slices.Sorted(maps.Keys(caused)) {
					t.Logf("%3d times: %s", caused[name], name)
				}
			})
		})
	}
}

// during has people talk on all servers, and claim nicks, until trouble returns. Then all has to heal, and the
// checker decides.
func during(t *testing.T, c *cluster, seed uint64, trouble func(talking context.Context, random *rand.Rand)) *crowd {
	t.Helper()
	t.Logf("WHOELSE_SEED=%d", seed)
	random := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }
	crowd := &crowd{c: c}
	var people []*person
	nicks := []string{"alice", "bob", "carol", "dave", "erin"}
	for i, nick := range nicks {
		others := slices.DeleteFunc(slices.Clone(nicks), func(n string) bool { return n == nick })
		people = append(people, crowd.newcomer(nick, others, random(uint64(i)), i < 2))
	}
	talking, quiet := context.WithCancel(t.Context())
	defer quiet()
	answering, give := context.WithCancel(t.Context())
	defer give()
	var all sync.WaitGroup
	for _, p := range people {
		all.Go(func() { p.talk(talking, answering) })
	}
	all.Go(func() { crowd.claim(talking, random(100)) })
	trouble(talking, random(101))
	quiet()
	c.must(c.heal())
	late := time.AfterFunc(patience, give)
	all.Wait()
	late.Stop()
	c.must(crowd.collect(people))
	crowd.holders(t)
	crowd.report(t)
	return crowd
}

// report has the checker decide.
func (c *crowd) report(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := map[fate]int{}
	var longest time.Duration
	for _, a := range c.story.attempts {
		counts[a.fate]++
		longest = max(longest, a.silence)
	}
	t.Logf("%d acknowledged, %d refused, %d unknown; the longest wait %v; %d nicks claimed; %d gaps",
		counts[accepted], counts[refused], counts[unknown], longest.Round(time.Millisecond), len(c.story.claims), c.gaps)
	wrong := c.story.check(answerLimit)
	for i, w := range wrong {
		if i == 40 {
			t.Errorf("and %d more", len(wrong)-i)
			break
		}
		t.Error(w)
	}
	if len(wrong) > 0 {
		t.Log(c.story.lines(wrong))
	}
	if counts[accepted] == 0 {
		t.Error("nothing was acknowledged")
	}
}

// lines is the ledger of what the complaints are about.
func (s *story) lines(wrong []string) string {
	var b strings.Builder
	all := strings.Join(wrong, "\n")
	for _, a := range s.attempts {
		if strings.Contains(all, strconv.Quote(a.text)) {
			fmt.Fprintf(&b, "%s to %v: %s %s, waited %v\n  %s\n", a.text, a.to, a.fate, a.id, a.silence.Round(time.Millisecond),
				strings.Join(a.tries, "\n  "))
		}
	}
	return b.String()
}

// rival is a nick that two keys wanted at once.
type rival struct {
	nick string
	ids  [2]identity
}

// claim has two keys claim one new nick after the other, on two servers at the same time.
func (c *crowd) claim(ctx context.Context, random *rand.Rand) {
	for n := 0; ctx.Err() == nil; n++ {
		r := rival{fmt.Sprintf("new%d", n), [2]identity{newIdentity(c.c.t), newIdentity(c.c.t)}}
		first := random.IntN(len(c.c.chats))
		var both sync.WaitGroup
		for i, id := range r.ids {
			chat := c.c.chats[(first+i)%len(c.c.chats)]
			both.Go(func() { c.tryClaim(r.nick, id, chat) })
		}
		both.Wait()
		c.mu.Lock()
		c.rivals = append(c.rivals, r)
		c.mu.Unlock()
		pause(ctx, 300*time.Millisecond)
	}
}

// tryClaim logs in: who is let in has the nick.
func (c *crowd) tryClaim(nick string, id identity, chat *chatServer) {
	a := chat.run(nick, id, "nick")
	if a.status == 0 {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.story.claims = append(c.story.claims, claim{nick, fingerprint(id), chat.name})
	}
}

// holders finds out who has the nicks in the end, by logging in again on each server.
func (c *crowd) holders(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	granted := map[string]bool{}
	for _, g := range c.story.claims {
		granted[g.nick] = true
	}
	c.story.keys = map[string]map[string][]string{}
	for _, chat := range c.c.chats {
		has := map[string][]string{}
		for _, r := range c.rivals {
			for _, id := range r.ids {
				if granted[r.nick] && chat.run(r.nick, id, "nick").status == 0 {
					has[r.nick] = append(has[r.nick], fingerprint(id))
				}
			}
		}
		c.story.keys[chat.name] = has
	}
}
