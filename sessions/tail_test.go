package sessions_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"whoelse/keys"
	"whoelse/room"
)

// registers has nick registered to its key.
func (r *rig) registers(nick string) { runs(r.t, r, dial{user: nick, key: nick, command: "nick"}) }

// follows starts a command that goes on, such as tail.
func (r *rig) follows(nick, command string) *client {
	r.t.Helper()
	return connect(r.t, r.addr, dial{user: nick, key: nick, command: command})
}

var factLine = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t[0-9a-z]{11}\t(room|me|notice|direct|group)\t[^\t]+\t[^\t]+\t[^\t]*$`)

// facts returns the whole lines that a tail has printed, split into columns.
func facts(t testing.TB, received string) (lines [][]string) {
	t.Helper()
	for line := range strings.Lines(received) {
		whole := strings.HasSuffix(line, "\n")
		if line = strings.TrimSuffix(line, "\n"); whole && !factLine.MatchString(line) {
			t.Errorf("not as the README says: %q", line)
		} else if whole {
			lines = append(lines, strings.Split(line, "\t"))
		}
	}
	return lines
}

// prints waits until a tail has printed exactly these lines, without time and ID.
func (c *client) prints(want ...string) {
	c.t.Helper()
	var got []string
	if !c.Await(patience, func() bool {
		got = nil
		for _, columns := range facts(c.t, c.received()) {
			got = append(got, strings.Join(columns[2:], " "))
		}
		return slices.Equal(got, want)
	}) {
		c.t.Errorf("printed:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func (r *rig) say(nick, text string) {
	r.t.Helper()
	said := make(chan error)
	sayInLobby(r.room.Visit(room.Identity{Nick: nick}), text, func(err error) { said <- err })
	r.must(<-said)
}

func TestTail(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob := connect(t, r.addr, dial{user: "bob", key: "bob"})
	r.registers("carol")
	r.say("bob", "earlier")
	tail := r.follows("carol", "tail")
	newest := r.follows("carol", "tail -n 0")
	tail.prints("room bob #lobby earlier")
	r.awaitVisits("carol", 2)
	bob.typed("/say two words\n/me waves\n/say C:\\new\n@carol psst\n")
	bob.expects("kept for carol (offline)")
	tail.prints("room bob #lobby earlier", "room bob #lobby two words", "me bob #lobby waves", `room bob #lobby C:\\new`)
	if slices.ContainsFunc(facts(t, newest.received()), func(f []string) bool { return f[5] == "earlier" }) {
		t.Error("tail -n 0 begins with what was said before")
	}
	r.say("dave", "two\nlines")
	tail.expects(`dave	#lobby	two\nlines`)
	bob.typed("whoelse\nwholast\n")
	bob.expects("nobody else was here")
	if strings.Contains(bob.received(), "carol joined") || strings.Contains(bob.received(), "carol left") {
		t.Errorf("bob sees a tail come or go:\n%s", bob.received())
	}
	for _, command := range []string{"block bob", "say I am here"} {
		if said := runs(t, r, dial{user: "carol", key: "carol", command: command}); !strings.HasSuffix(said, "(exit status 0)") {
			t.Errorf("%s: %s", command, said)
		}
	}
	r.say("bob", "hidden")
	r.say("dave", "shown")
	tail.expects("shown")
	if strings.Contains(tail.received(), "hidden") {
		t.Error("tail shows somebody who is blocked")
	}
	guest := connect(t, r.addr, dial{user: "sam", command: "tail -n 2"})
	guest.prints("room bob #lobby hidden", "room dave #lobby shown")
	if said := runs(t, r, dial{user: "carol", key: "carol", command: "inbox"}); !strings.Contains(said, "psst") {
		t.Errorf("tail has read the inbox: %s", said)
	}
}

func TestTailOfDirectMessages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob := connect(t, r.addr, dial{user: "bob", key: "bob"})
	r.registers("carol")
	direct := r.follows("carol", "tail --direct")
	mentions := r.follows("carol", "tail --mentions -n 3")
	r.awaitVisits("carol", 2)
	bob.typed("@carol one\n")
	bob.expects("kept for carol (offline)")
	bob.typed("/say ask Carol, or carol2\n/say ask carolina\n")
	if said := runs(t, r, dial{user: "carol", key: "carol", command: "send bob two"}); !strings.Contains(said, "delivered to bob") {
		t.Error(said)
	}
	r.say("carol", "I am carol")
	direct.prints("direct bob carol one", "direct carol bob two")
	mentions.prints("direct bob carol one", "room bob #lobby ask Carol, or carol2")
	r.follows("carol", "tail --direct -n 1").prints("direct carol bob two")
	r.follows("carol", "tail --mentions --since 10m").prints("direct bob carol one", "room bob #lobby ask Carol, or carol2")
	r.follows("carol", "tail --mentions -n 1").prints("room bob #lobby ask Carol, or carol2")
	r.follows("carol", "tail --direct --since="+strings.ToUpper(facts(t, direct.received())[0][1])).prints("direct carol bob two")

	carol := connect(t, r.addr, dial{user: "carol", key: "carol"})
	carol.expects("1 unread: bob (1)")
	bob.typed("@carol three\n")
	carol.expects("[bob -> you] three")
	direct.prints("direct bob carol one", "direct carol bob two", "direct bob carol three")
}

// What tail does not understand, or can't do, it says at once.
func TestTailRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for command, want := range map[string]string{
		"tail -n":                  "(exit status 2)",
		"tail -n ten":              "(exit status 2)",
		"tail -n 10001":            "(exit status 2)",
		"tail -f":                  "(exit status 2)",
		"tail --since":             "(exit status 2)",
		"tail --since yesterday":   "(exit status 2)",
		"tail --since 10m -n 3":    "(exit status 2)",
		"tail --direct --mentions": "(exit status 2)",
		"watch":                    "(exit status 2)",
		"watch zebra":              "! whoelse: nobody is called zebra\n(exit status 67)",
		"watch ~sam":               "(exit status 67)",
		"watch bob carol":          "(exit status 2)",
		"help tail":                "(exit status 0)",
	} {
		if said := runs(t, r, dial{user: "bob", key: "bob", command: command}); !strings.HasSuffix(said, want) {
			t.Errorf("%s: %s", command, said)
		}
	}
	said := runs(t, r, dial{user: "sam", command: "tail --direct"})
	if !strings.Contains(said, "guests have no direct messages") || !strings.HasSuffix(said, "(exit status 4)") {
		t.Errorf("a guest: %s", said)
	}
	bob := connect(t, r.addr, dial{user: "bob", key: "bob"})
	bob.typed("/tail\n")
	bob.expects("tail works only from a shell: ssh HOST tail")
	bob.typed("/watch bob\n")
	bob.expects("watch works only from a shell: ssh HOST watch")

	var all []*client
	for range room.MaxObservers {
		c := r.follows("bob", "tail -n 1")
		all = append(all, c)
	}
	r.awaitVisits("bob", room.MaxObservers+1)
	r.say("carol", "everybody?")
	for _, c := range all {
		c.expects("everybody?")
	}
	r.registers("carol")
	for _, command := range []string{"tail", "watch carol"} {
		said := runs(t, r, dial{user: "bob", key: "bob", command: command})
		if !strings.Contains(said, "10 running already") || !strings.HasSuffix(said, "(exit status 1)") {
			t.Errorf("%s as one more: %s", command, said)
		}
	}
	all[0].end()
	r.awaitVisits("bob", room.MaxObservers)
	r.follows("bob", "tail -n 1").expects("everybody?")
}

// Killed again and again while people talk, and begun again after the last line that arrived, a
// tail has printed everything once, in order.
func TestTailGoesOn(t *testing.T) {
	t.Parallel()
	for _, options := range []string{"", " --direct", " --mentions"} {
		t.Run("tail"+options, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.registers("bob")
			// So much may be said: who talks without end gets further ahead of a slow tail than it may look back.
			words, stop := make(chan struct{}, 1000), make(chan struct{})
			var talking sync.WaitGroup
			quiet := sync.OnceFunc(func() { close(stop); talking.Wait() })
			defer quiet()
			for i := range 3 {
				member := r.room.Visit(room.Identity{Nick: fmt.Sprint("talker", i)})
				talking.Go(func() {
					for n := 0; ; n++ {
						select {
						case <-words:
						case <-stop:
							return
						}
						stored := make(chan error, 2)
						sayInLobby(member, fmt.Sprintf("bob, %d %d", i, n), func(err error) { stored <- err })
						_ = member.Once("", "", room.KindDirect, []string{"bob"}, fmt.Sprintf("%d %d", i, n), func(got room.Receipt) { stored <- got.Err })
						for range 2 {
							if err := <-stored; err != nil {
								t.Error(err)
							}
						}
					}
				})
			}
			var ledger [][]string
			after := "10m"
			turn := func(enough func(lines int) bool) {
				c := r.follows("bob", "tail"+options+" --since "+after)
				if !c.Await(patience, func() bool { return enough(strings.Count(c.received(), "\n")) }) {
					t.Errorf("after %s it prints no more than %d lines", after, strings.Count(c.received(), "\n"))
				}
				c.conn.Close()
				c.end()
				ledger = append(ledger, facts(t, c.received())...)
				after = ledger[len(ledger)-1][1]
			}
			step := 5
			if full {
				step = 1
			}
			for n := 0; n < 50; n += step {
				for range n*3 + 20 {
					words <- struct{}{}
				}
				if turn(func(lines int) bool { return lines > n*3 }); t.Failed() {
					return
				}
			}
			quiet()
			r.say("dave", "bob, the end")
			bob := r.room.Visit(room.Identity{Nick: "bob"})
			told := make(chan room.Receipt)
			_ = r.room.Visit(room.Identity{Nick: "dave"}).Once("", "", room.KindDirect, []string{"bob"}, "the end", func(got room.Receipt) { told <- got })
			<-told
			var want []*room.Message
			gather := func(page room.Page) { want = append(want, page.Messages...) }
			if options != " --direct" {
				for page, err := range bob.HistoryOf(t.Context(), room.Lobby, 1<<20) {
					r.must(err)
					gather(page)
				}
			}
			if options != "" {
				for page, err := range bob.Past(t.Context(), "", 1<<20) {
					r.must(err)
					gather(page)
				}
			}
			slices.SortFunc(want, func(a, b *room.Message) int { return strings.Compare(a.ID, b.ID) })
			turn(func(lines int) bool { return len(ledger)+lines >= len(want) })
			for i, m := range want {
				if i >= len(ledger) || ledger[i][1] != m.ID || ledger[i][5] != m.Text {
					t.Fatalf("of %d lines number %d is not %s %q: %q", len(ledger), i, m.ID, m.Text, ledger[i:min(i+3, len(ledger))])
				}
			}
			if len(ledger) != len(want) {
				t.Errorf("%d lines, want %d", len(ledger), len(want))
			}
			t.Logf("%d lines", len(want))
		})
	}
}

// How tails and watches end, beside the connection's end.
func TestTailEnds(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, dir: t.TempDir()}
	r.start()
	stop := sync.OnceFunc(r.stop)
	defer stop()
	r.trust("olivia")
	olivia := connect(t, r.addr, dial{user: "olivia", key: "olivia"})
	r.registers("carol")
	for _, command := range []string{"tail", "watch carol"} {
		c := r.follows("bob", command)
		r.awaitVisits("bob", 1)
		olivia.typed("/kick bob enough\n")
		c.expects("(exit status 4)")
		r.awaitVisits("bob", 0)

		c = r.follows("bob", command) // closes the channel, and keeps the connection
		r.awaitVisits("bob", 1)
		c.ch.CloseWrite()
		olivia.typed("whoelse\n")
		r.awaitVisits("bob", 1)
		c.ch.Close()
		r.awaitVisits("bob", 0)

		status := map[string]string{"tail": "0", "watch carol": "1"}[command]
		for _, key := range []string{"\x03", "\x04"} {
			c = connect(t, r.addr, dial{user: "bob", key: "bob", command: command, width: 80, height: 24})
			r.awaitVisits("bob", 1)
			c.typed("x" + key)
			c.expects("(exit status " + status + ")")
			r.awaitVisits("bob", 0)
		}
	}
	removed := r.follows("dave", "tail")
	r.awaitVisits("dave", 1)
	_, err := r.registry.Remove(keys.Selector{Nick: "dave"})
	r.must(err)
	removed.expects("your key was removed")
	removed.expects("(exit status 4)")

	banned := r.follows("erin", "watch carol")
	r.awaitVisits("erin", 1)
	olivia.typed("/ban erin 1h\n")
	banned.expects("you are banned by olivia")
	banned.expects("(exit status 4)")

	tail, watch := r.follows("bob", "tail"), r.follows("bob", "watch carol")
	r.awaitVisits("bob", 2)
	stop()
	tail.expects("(exit status 75)")
	watch.expects("(exit status 75)")
}

func TestWatch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	carol := connect(t, r.addr, dial{user: "carol", key: "carol"})
	if said := runs(t, r, dial{user: "bob", key: "bob", command: "watch carol"}); !strings.HasSuffix(said, "(exit status 0)") {
		t.Errorf("carol is here: %s", said)
	}
	carol.typed("quit\n")
	carol.expects("(exit status 0)")
	r.awaitVisits("carol", 0) // the status comes a moment before she is gone
	watch := r.follows("bob", "watch Carol")
	guest := connect(t, r.addr, dial{user: "sam", command: "watch carol"})
	r.awaitVisits("bob", 1)
	connect(t, r.addr, dial{user: "carol", key: "carol", env: map[string]string{"WHOELSE_QUIET": "1"}})
	watch.expects("(exit status 0)")
	guest.expects("(exit status 0)")
	if out := watch.received(); out != "" {
		t.Errorf("it prints %q", out)
	}
}
