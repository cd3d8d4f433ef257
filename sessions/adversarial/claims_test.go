package adversarial

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys/invites"
	"whoelse/sessions/quota"
)

// claim comes with a key that nobody knows, asks who that makes it, and returns what
// it is told. It may be called concurrently.
func (r *rig) claim(user string) string {
	var banner string
	c, err := gossh.Dial("tcp", r.addr, visit{user: user, key: "stranger " + user}.config(func(s string) { banner += s }))
	if err != nil {
		return banner + err.Error()
	}
	defer c.Close()
	s, err := c.NewSession()
	if err != nil {
		return err.Error()
	}
	out, _ := s.CombinedOutput("nick") // its status is in the words
	return string(out)
}

// Somebody with ever new keys gets no more nicks than that, even all at once, and is
// told when they get the next, and how they come in until then.
func TestClaimFlood(t *testing.T) {
	t.Parallel()
	const most, tries = 5, 60
	along(t, options{claims: quota.Claims{PerAddress: most}}, func(r *rig) {
		answers := make([]string, tries)
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				for j := i; j < tries; j += 6 {
					answers[j] = r.claim(fmt.Sprint("grab", j))
				}
			})
		}
		all.Wait()
		got, refused := 0, 0
		holder := ""
		for _, a := range answers {
			switch {
			case strings.Contains(a, "you are grab"):
				got++
			case strings.Contains(a, "too many new nicks were claimed: your address has reached its limit for one day; try again in 5 hours; you can join as a guest (ssh -o PubkeyAuthentication=no), or ask an operator for an invitation"):
				refused++
			default:
				t.Errorf("%q", a)
			}
			if _, after, ok := strings.Cut(a, "you are "); ok {
				holder = strings.TrimRight(strings.Fields(after)[0], ",;") // standard error may come first
			}
		}
		if got != most || refused != tries-most {
			t.Errorf("%d claims, %d refusals", got, refused)
		}
		file, err := os.ReadFile(r.file())
		if n := strings.Count(string(file), "@claimed-"); err != nil || n != most {
			t.Errorf("%d lines, %v", n, err)
		}
		if got := r.claim(holder); !strings.Contains(got, "you are "+holder+",") {
			t.Errorf("who has a nick already: %q", got)
		}
		r.connect(visit{user: "grab99"}).sees("you are ~grab99")
		code, err := invites.Open(filepath.Join(r.dir, "invites.json")).Create("grab98", "bob", time.Hour)
		r.must(err)
		if got := r.claim("grab98+" + code); !strings.Contains(got, "you are grab98,") {
			t.Errorf("with an invitation: %q", got)
		}
	})
}

// All together get no more than that in an hour, wherever they come from, and what is
// refused for another reason does not count.
func TestClaimsOfAll(t *testing.T) {
	t.Parallel()
	along(t, options{lines: []string{keyLine("alice")}, claims: quota.Claims{PerHour: 2}}, func(r *rig) {
		for _, tt := range []struct{ user, words string }{
			{"alice", "is held by another key"}, {"al1ce", "could be taken for alice"}, {"one", "you are one,"}, {"two", "you are two,"},
			{"three", "were claimed: the room has reached its limit for one hour; try again in 30 minutes"},
		} {
			if got := r.claim(tt.user); !strings.Contains(got, tt.words) {
				t.Errorf("%s: %q", tt.user, got)
			}
		}
	})
}
