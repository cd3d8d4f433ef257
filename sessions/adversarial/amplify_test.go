package adversarial

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"whoelse/sessions/quota"
)

// stored is how many bytes are in the histories, without the journals: they hold the
// same once more, and are removed.
func (r *rig) stored() (n int64) {
	filepath.WalkDir(filepath.Join(r.dir, "history"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".jsonl") {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}

// A message to many is stored for each of them. Twenty connections that send nothing
// else, as fast as they can and not waiting for any answer, get what their nicks may
// have stored, and all together what all may; what is refused leaves nothing behind, and
// the canary, who is none of them, chats on.
func TestGroupsFlood(t *testing.T) {
	const (
		crowd   = 20
		nickDay = 8 << 20 // 512 KiB a minute
		all     = 4 << 20 // a minute
	)
	o := options{quota: quota.Limits{Nick: nickDay, All: all}}
	var to []string
	for i := range 100 {
		to = append(to, fmt.Sprint("victim", i))
		o.lines = append(o.lines, keyLine(to[i]))
	}
	while(t, o, func(r *rig) {
		message := "send " + strings.Join(to, ",") + " " + strings.Repeat("x", 2500) + "\n"
		before, began := r.stored(), time.Now()
		var sending sync.WaitGroup
		for i := range crowd {
			c := r.connect(visit{user: fmt.Sprint("mallory", i), key: fmt.Sprint("mallory", i)})
			sending.Go(func() {
				for range many(200) {
					if _, err := fmt.Fprint(c.ch, message); err != nil {
						return
					}
				}
				c.types("nick\n")
				c.sees("you are mallory", "not sent: ")
			})
		}
		sending.Wait()
		minutes := time.Since(began).Minutes()
		grown, sent := r.stored()-before, int64(crowd*many(200)*len(message))
		may := int64(all * (1 + minutes))
		t.Logf("%d KiB were sent, %d KiB are stored, of %d KiB", sent>>10, grown>>10, may>>10)
		if grown > may {
			t.Errorf("%d bytes are stored, more than %d", grown, may)
		}
		if grown < all/4 {
			t.Errorf("no more than %d bytes are stored", grown)
		}
	})
}

// What messages are charged covers all that comes of them: every copy, however its text
// is written down, the marks of who reads it, and the receipts and theirs. (Not the
// lines about what is unread, which are at most an eighth of a file.)
func TestChargedIsStored(t *testing.T) {
	t.Parallel()
	together.enter(t)
	texts := map[string]string{
		"short": "x", "long": strings.Repeat("x", 3900), "quotes": strings.Repeat(`"`, 3900), "wide": strings.Repeat("\u65e5", 1200),
		"unprintable": strings.Repeat("\u0378", 1900), "beyond": strings.Repeat("\U0001fffd", 900), "joined": strings.Repeat("\U0001f469\u200d\U0001f4bb", 300),
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, options{lines: []string{keyLine("dave"), keyLine("a-nick-that-is-as-long-as-can-be")}})
			run := func(nick, command string) {
				t.Helper()
				c := r.connect(visit{user: nick, key: nick, command: command})
				c.leaves()
				c.Close()
			}
			judy := r.connect(visit{user: "judy"})
			before, charged := r.stored(), r.quota.Stats().Charged
			times := max(2, many(8))
			for range times {
				run("bob", "send carol,dave,a-nick-that-is-as-long-as-can-be "+text)
				run("a-nick-that-is-as-long-as-can-be", "send bob "+text)
				run("carol", "say "+text)
				judy.types("send dave " + text + "\nsend zoe " + text + "\n")
				judy.sees("kept for dave", "nobody is called zoe")
				for _, nick := range []string{"carol", "dave", "a-nick-that-is-as-long-as-can-be", "bob"} {
					run(nick, "inbox")
				}
			}
			for _, nick := range []string{"bob", "a-nick-that-is-as-long-as-can-be"} { // and the receipts are read
				c := r.connect(visit{user: nick, key: nick})
				c.sees(fmt.Sprintf("has read your %d messages since", times))
				c.Close()
			}
			judy.Close()
			r.stop()
			grown, paid := r.stored()-before-size(filepath.Join(r.dir, "history", "presence.jsonl")), int64(r.quota.Stats().Charged-charged)
			t.Logf("%d bytes charged, %d stored", paid, grown)
			if grown > paid*9/8 {
				t.Errorf("%d bytes are stored, and %d were charged", grown, paid)
			}
			if grown < paid/3 {
				t.Errorf("%d bytes were charged, and no more than %d stored", paid, grown)
			}
		})
	}
}

// At a terminal, too, who is over the limit is told, and nobody is shown what is refused.
func TestOverTheLimitAtATerminal(t *testing.T) {
	t.Parallel()
	together.enter(t)
	r := newRig(t, options{quota: quota.Limits{Nick: 64 << 10}})
	carol := r.connect(visit{user: "carol", key: "carol", term: "xterm"})
	bob := r.connect(visit{user: "bob", key: "bob", term: "xterm"})
	bob.types("first " + strings.Repeat("x", 3500) + "\r")
	carol.sees("xxxx")
	bob.types("second " + strings.Repeat("y", 3500) + "\r")
	bob.sees("not sent: you have reached your limit for one minute; try again in")
	bob.types("@carol third " + strings.Repeat("z", 3500) + "\r/me waves " + strings.Repeat("w", 3500) + "\rshort\r")
	carol.sees("bob: short")
	if got := carol.received(); strings.Contains(got, "yyyy") || strings.Contains(got, "zzzz") || strings.Contains(got, "wwww") {
		t.Errorf("carol is shown %.300q", got)
	}
	bob.clean("bob")
	carol.clean("carol")
}
