package sessions_test

import (
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"whoelse/room"
)

// TestDelivered: whatever a recipient's terminal does in a busy room, each message
// to them was received there or is unread in their inbox. So is, above all, each
// that its sender was told of as delivered.
func TestDelivered(t *testing.T) {
	t.Parallel()
	seeds := uint64(1)
	if full {
		seeds = 3
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			d := &deliveries{rig: newRig(t), rand: rand.New(rand.NewPCG(seed, 0)), outcome: map[string]room.Outcome{}}
			d.play()
		})
	}
}

// deliveries is a room in which people talk in bursts, and recipients at terminals
// who take it in their own ways.
type deliveries struct {
	*rig
	rand *rand.Rand
	said int
	sent []string // recipient and text

	told    sync.WaitGroup
	mu      sync.Mutex              // owns outcome
	outcome map[string]room.Outcome // of each that was sent
}

// recipients are named for what they do.
var recipients = []string{"reads", "slow", "stops", "hangs", "breaks"}

func (d *deliveries) play() {
	w := newWire(d.t, d.addr)
	way := map[string]string{"slow": slowWire(d.t, d.addr), "hangs": w.addr}
	all, seats := map[string]*client{}, map[string]*room.Member{}
	for _, nick := range recipients {
		all[nick] = d.terminal(nick, cmp.Or(way[nick], d.addr))
		seats[nick] = d.room.Visit(room.Identity{Nick: nick})
	}

	const rounds = 6
	for n := range rounds {
		switch n {
		case 2:
			all["stops"].Mu.Lock() // nothing is taken out of its window any more
		case 3:
			close(w.cut)
		case 4:
			go all["breaks"].conn.Close()
		}
		d.burst()
		all["reads"].sees(fmt.Sprintf("burst %d is over", n))
	}
	d.told.Wait()

	all["stops"].Mu.Unlock()
	for _, c := range all {
		c.end() // what came before is still received
	}
	lost := d.lost(all, seats)
	late := time.NewTimer(patience)
	defer late.Stop()
	tick := time.NewTicker(50 * time.Millisecond) // until the server has noticed, too
	defer tick.Stop()
	for waiting := true; waiting && len(lost) > 0; lost = d.lost(all, seats) {
		select {
		case <-tick.C:
		case <-late.C:
			waiting = false
		}
	}
	for _, m := range lost {
		d.t.Errorf("%q is neither received nor unread; its sender was told %v", m, d.outcome[m])
	}
	d.t.Logf("%d messages, %d delivered", len(d.sent), d.count(room.Delivered))
	if d.count(room.Delivered) == 0 {
		d.t.Error("nothing was delivered")
	}
}

// burst has some 600 KiB said, and a few messages sent in the middle of it.
func (d *deliveries) burst() {
	bob := d.room.Visit(room.Identity{Nick: "bob"})
	var said sync.WaitGroup
	for range 150 + d.rand.IntN(50) {
		said.Add(1)
		sayInLobby(bob, d.text(), func(err error) {
			defer said.Done()
			if err != nil {
				d.t.Error(err)
			}
		})
		for _, nick := range recipients {
			if d.rand.IntN(20) == 0 {
				d.send(bob, nick)
			}
		}
	}
	sayInLobby(bob, fmt.Sprintf("burst %d is over", d.said), func(error) {})
	d.said++
	said.Wait()
}

// text is mostly long, and takes more rows than a terminal has.
func (d *deliveries) text() string {
	return strings.Repeat("x", 1+d.rand.IntN(4)*1300)
}

func (d *deliveries) send(from *room.Member, to string) {
	text := fmt.Sprintf("<%d>", len(d.sent))
	m := to + " " + text
	d.sent = append(d.sent, m)
	d.told.Add(1)
	_ = from.Once("", "", room.KindDirect, []string{to}, text, func(r room.Receipt) {
		defer d.told.Done()
		d.mu.Lock()
		defer d.mu.Unlock()
		d.outcome[m] = r.Outcome
	})
}

// lost lists what was sent and is neither received nor unread.
func (d *deliveries) lost(all map[string]*client, seats map[string]*room.Member) (lost []string) {
	unread := map[string]bool{}
	for nick, member := range seats {
		for page, err := range member.Inbox() {
			d.must(err)
			for _, m := range page.Messages {
				unread[nick+" "+m.Text] = true
			}
		}
	}
	for _, m := range d.sent {
		nick, text, _ := strings.Cut(m, " ")
		if !unread[m] && !strings.Contains(all[nick].received(), text) {
			lost = append(lost, m)
		}
	}
	return lost
}

func (d *deliveries) count(o room.Outcome) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, got := range d.outcome {
		if got == o {
			n++
		}
	}
	return n
}

// slowWire is a way to a server that lets through 1 MiB a second of what it says.
func slowWire(t testing.TB, to string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	end := make(chan struct{})
	all.Go(func() {
		near, err := l.Accept()
		if err != nil {
			return
		}
		defer near.Close()
		far, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer far.Close()
		all.Go(func() {
			io.Copy(far, near)
			far.(*net.TCPConn).CloseWrite()
		})
		all.Go(func() {
			tick := time.NewTicker(2 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
				case <-end:
					return
				}
				if _, err := io.CopyN(near, far, 2<<10); err != nil {
					return
				}
			}
		})
		<-end
	})
	t.Cleanup(func() {
		close(end)
		l.Close()
		all.Wait()
	})
	return l.Addr().String()
}
