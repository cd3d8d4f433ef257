package adversarial

import (
	"fmt"
	"strings"
	"testing"
)

// crowd are lines that give n made-up people keys, called with and a number each.
// They all have one key, since nobody comes as them.
func crowd(n int, with string) []string {
	key := publicKey("crowd")
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("%s %s%d", key, with, i)
	}
	return lines
}

// A number that makes a guest's name another one never makes it somebody's.
func TestGuestNumbers(t *testing.T) {
	t.Parallel()
	along(t, options{lines: []string{keyLine("sam2"), keyLine("sam4"), keyLine("sam_6")}}, func(r *rig) {
		for _, want := range []string{"~sam", "~sam3", "~sam5", "~sam7", "~sam8"} {
			r.connect(visit{user: "sam"}).sees("you are " + want)
		}
	})
}

// A guest whose name somebody's key gets goes, at once, and so does one whose name
// reads like it. Others stay.
func TestGuestOfAClaimedName(t *testing.T) {
	t.Parallel()
	along(t, options{}, func(r *rig) {
		dave, alike, dave2 := r.connect(visit{user: "dave"}), r.connect(visit{user: "d.ave", term: "xterm"}), r.connect(visit{user: "dave"})
		r.connect(visit{user: "dave", key: "dave"}).sees("you are dave")
		for _, guest := range []*client{dave, alike} {
			guest.sees("is now registered to a key")
			guest.leaves()
		}
		dave2.types("nick\n")
		dave2.sees("you are ~dave2")
	})
}

// A name that only differs by what is easily overlooked is nobody's to claim, nor a
// guest's, but more than that is another name.
func TestOverlooked(t *testing.T) {
	t.Parallel()
	along(t, options{lines: []string{keyLine("alice")}}, func(r *rig) {
		for _, name := range []string{"alice-", "alice_", "al.ice", "a-l-i-c-e", "al1ce..", "bob_", "b.ob", "b0-b", "sy5tem", "s.ystem", "4dm1n", "gue5t", "r-oom"} {
			for _, key := range []string{"", "stranger"} {
				if _, _, err := r.login(visit{user: name, key: key}); err == nil {
					t.Errorf("%s is let in", name)
				}
			}
		}
		for i, name := range []string{"alice2", "alice-work", "bobby", "systems"} {
			r.connect(visit{user: name, key: fmt.Sprint("new ", i), command: "nick"}).sees("you are " + name)
		}
	})
}

// Tab, as fast as it can be sent, with very many nicks: it costs no more than with a
// few, and what is too fast does nothing. Each that does anything is answered by a
// list.
func TestTabs(t *testing.T) {
	while(t, options{lines: crowd(many(100_000), "person")}, func(r *rig) {
		c := r.connect(visit{user: "mallory", key: "mallory", term: "xterm"})
		c.types("@person" + strings.Repeat("\t", 50_000) + "\x03")
		c.types("the end\r")
		c.sees("mallory: the end")
		if n := strings.Count(c.received(), "person0  person1  "); n == 0 || n > 100 {
			t.Errorf("%d lists", n)
		}
	})
}

// What Tab makes of very many is what it would make of all of them.
func TestTabOfMany(t *testing.T) {
	t.Parallel()
	along(t, options{lines: append(crowd(1000, "aa"), keyLine("ab"), keyLine("abc"), keyLine("zoe"))}, func(r *rig) {
		c := r.connect(visit{user: "mallory", key: "mallory", term: "xterm"})
		c.types("hi @a\t")
		c.sees("aa0  aa1  ")
		c.types("b\tc\there\r") // there are two that begin with "ab", and one with "abc"
		c.sees("mallory: hi @abc here")
		c.types("hello @zo\t\r")
		c.sees("mallory: hello @zoe")
	})
}

// A line to as many people as it can be for, none of whom there is: the nearest
// name is looked for once.
func TestNobodies(t *testing.T) {
	while(t, options{lines: crowd(many(100_000), "person")}, func(r *rig) {
		c := r.connect(visit{user: "mallory", key: "mallory"})
		var to []string
		for i := range 100 {
			to = append(to, fmt.Sprintf("persom%d", i))
		}
		const lines = 20
		for range lines {
			c.types("send " + strings.Join(to, ",") + " hello\n")
		}
		c.types("the end\n")
		c.sees("mallory: the end")
		if n := strings.Count(c.received(), "nobody is called persom"); n != 100*lines {
			t.Errorf("%d answers", n)
		}
		if n := strings.Count(c.received(), "did you mean person"); n != lines {
			t.Errorf("%d suggestions", n)
		}
	})
}
