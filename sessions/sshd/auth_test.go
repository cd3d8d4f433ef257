package sshd

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/sessions/admission"
	"whoelse/sessions/internal/rawssh"
)

func TestKeyDecides(t *testing.T) {
	r := newRig(t).holds("bob")
	r.wantIn(r.login("bob", "bob"), "nick=bob asked=bob claimed=false key=true")
	r.wantIn(r.login("robert", "bob"), "nick=bob asked=robert claimed=false key=true")
	r.wantIn(r.login("root", "bob"), "nick=bob asked=root claimed=false key=true")
	r.wantIn(r.login("no such name at all", "bob"), "nick=bob asked=no such name at all claimed=false key=true")
	r.wantClaims(0)
}

func TestUnknownKeyClaims(t *testing.T) {
	r := newRig(t)
	a := r.login("Alice", "alice")
	r.wantClaims(0)
	r.wantIn(a, "nick=alice asked=Alice claimed=true key=true")
	r.wantIn(r.login("alice", "alice"), "nick=alice asked=alice claimed=false key=true")
	r.wantClaims(1)
}

// Connections with a new key that come at once are all let in, also those that log in while
// another one claims the nick.
func TestFirstConnectionsAtOnce(t *testing.T) {
	r := newRig(t)
	for n := range 30 {
		nick := fmt.Sprint("first", n)
		var all sync.WaitGroup
		for wait := range 8 {
			all.Go(func() {
				for range wait { // so that they do not all log in at the same moment
					r.registry.Registered(nick)
				}
				var a attempt
				c, err := gossh.Dial("tcp", r.addr, a.config(nick, gossh.PublicKeys(signer(nick))))
				if err != nil {
					t.Errorf("%s: %v %s", nick, err, a.words)
					return
				}
				defer c.Close()
				s, err := c.NewSession()
				if err == nil {
					_, err = s.Output("hello")
				}
				if err != nil {
					t.Errorf("%s: %v", nick, err)
				}
			})
		}
		all.Wait()
	}
	r.wantClaims(30)
}

// Clients offer all the keys they have: those that do not fit must not end the
// attempt, nor claim anything.
func TestSeveralKeys(t *testing.T) {
	r := newRig(t).holds("bob")
	r.wantIn(r.login("bob", "wrong", "another", "bob"), "nick=bob asked=bob claimed=false key=true")
	r.wantOut(r.login("bob", "wrong", "another"), "bob is held by another key", "bob's key")
	r.wantClaims(0)
}

// Who has more keys than may be tried is told so instead of being cut off.
func TestTooManyKeys(t *testing.T) {
	r := newRig(t).holds("bob")
	var many []string
	for i := range maxAuthTries + 2 {
		many = append(many, fmt.Sprint("wrong", i))
	}
	r.wantOut(r.login("bob", append(many, "bob")...), "bob is held by another key", "IdentitiesOnly")
}

func TestGuests(t *testing.T) {
	r := newRig(t).holds("bob")
	r.wantIn(r.login("visitor"), "nick=~visitor asked=visitor claimed=false key=false")
	r.wantIn(r.login("~Visitor"), "nick=~visitor asked=~Visitor claimed=false key=false")
	r.wantOut(r.login("bob"), "bob is held by another key")
	r.wantOut(r.login("~bob"), "bob is held by another key")
	r.wantOut(r.login("BOB"), "bob is held by another key")
}

func TestBadNames(t *testing.T) {
	r := newRig(t)
	const allowed = "a-z, 0-9, '.', '_' and '-'"
	for user, want := range map[string][]string{
		"root": {"reserved"}, "Everyone": {"reserved"}, "../etc": {allowed}, "": {allowed}, "-bob": {allowed},
		"a b": {allowed}, "b\u00f6b": {allowed}, "bob\x1b[2J": {allowed}, strings.Repeat("x", 33): {"1 to 32 characters", allowed},
	} {
		for _, a := range []*attempt{r.login(user), r.login(user, "key of "+user)} {
			r.wantOut(a, want...)
			if strings.ContainsAny(a.words, "\x1b\u00f6") {
				t.Errorf("%q comes back raw: %q", user, a.words)
			}
		}
	}
}

// A name that could be taken for somebody's is nobody's.
func TestAlikeNames(t *testing.T) {
	r := newRig(t).holds("bob")
	r.wantOut(r.login("b0b"), "b0b could be taken for bob")
	r.wantOut(r.login("B0B", "mallory"), "b0b could be taken for bob")
	r.wantClaims(0)
}

// Nobody gets a name that speaks for the server or its operators, nor one that reads like it, with a key or without.
func TestReservedNames(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"lobby", "operators", "moderators", "admins", "sysop", "staff", "support", "Security"} {
		r.wantOut(r.login(name, "mallory"), "it is reserved; choose another name")
		r.wantOut(r.login(name), "it is reserved; choose another name")
	}
	r.wantOut(r.login("0perator5", "mallory"), "0perator5 could be taken for operators")
	r.wantClaims(0)
}

// A key that can't be used at all makes its owner a guest, who is told why.
func TestUnfitKey(t *testing.T) {
	r := newRig(t).holds("bob")
	r.revokes("old")
	r.wantIn(r.login("carol", "old"), `nick=~carol asked=carol claimed=false key=false unused="this key is not accepted: it is revoked"`)
	r.wantIn(r.login("bob", "old", "bob"), `nick=bob asked=bob claimed=false key=true`)
	r.wantOut(r.login("bob", "old"), "bob is held by another key", "this key is not accepted: it is revoked")
}

// TestKeyAddedJustBefore: a key that another process added a moment ago has its role, though the server does not read
// the file before it has settled.
func TestKeyAddedJustBefore(t *testing.T) {
	r := newRig(t)
	other, err := keys.Open(filepath.Join(r.dir, "authorized_keys"), nil)
	if err == nil {
		_, err = other.Add("bob", []keys.PublicKey{signer("bob").PublicKey()}, keys.AddOptions{Role: keys.RoleOperator})
	}
	if err != nil {
		t.Fatal(err)
	}
	r.wantIn(r.login("bob", "bob"), "nick=bob asked=bob")
}

// Who makes the server stumble before the login ends their own connection, and has
// to stay away for a while. Who is in stays in.
func TestCrashBeforeTheLogin(t *testing.T) {
	d := admission.New(admission.Limits{}, nil)
	r := newRigAt(t, d).holds("bob")
	r.registry.Revoke(func(key keys.PublicKey) bool {
		if keys.Fingerprint(key) == keys.Fingerprint(signer("odd").PublicKey()) {
			panic("a key that nobody thought of")
		}
		return false
	})
	bob := r.login("bob", "bob")
	if a := r.login("carol", "odd"); a.err == nil || strings.Contains(a.err.Error(), "made the server fail") {
		t.Fatalf("the first time: %v", a.err)
	}
	var a *attempt
	for late := time.Now().Add(patience); time.Now().Before(late); { // it is counted once the connection has ended
		if a = r.login("carol", "carol"); a.err != nil {
			break
		}
		a.client.Close()
	}
	if a.err == nil || !strings.Contains(a.err.Error(), "made the server fail") {
		t.Errorf("the second time: %v", a.err)
	}
	if n := d.Stats().Failed[admission.Crashed]; n != 1 {
		t.Errorf("counted %d times", n)
	}
	r.wantIn(bob, "nick=bob")
}

// A name with a guest's mark is no key's, also when keys are offered.
func TestGuestWithKeys(t *testing.T) {
	r := newRig(t)
	r.wantIn(r.login("~bob", "bob"), "nick=~bob asked=~bob claimed=false key=false")
	r.wantClaims(0)
}

// With no method but none there is no way in at all.
func TestNoneGetsNothing(t *testing.T) {
	r := newRig(t)
	a := &attempt{}
	_, a.err = gossh.Dial("tcp", r.addr, a.config("visitor"))
	r.wantOut(a)
}

func TestPasswordGetsNothing(t *testing.T) {
	r := newRig(t)
	a := &attempt{}
	_, a.err = gossh.Dial("tcp", r.addr, a.config("visitor", gossh.Password("secret")))
	r.wantOut(a)
}

// offered has the public key of one person and signs with the key of another.
type offered struct{ public, private gossh.Signer }

func (o offered) PublicKey() gossh.PublicKey { return o.public.PublicKey() }

func (o offered) Sign(rand io.Reader, data []byte) (*gossh.Signature, error) {
	return o.private.Sign(rand, data)
}

// A key that is offered and not proven is nobody's: not by a wrong signature, and
// not when another key, or none, is what lets one in.
func TestOfferedIsNotProven(t *testing.T) {
	r := newRig(t).holds("bob")
	forged := offered{signer("bob"), signer("mallory")}
	a := &attempt{}
	_, a.err = gossh.Dial("tcp", r.addr, a.config("bob", gossh.PublicKeys(forged)))
	r.wantOut(a)

	for _, m := range []gossh.AuthMethod{a.noKey(), gossh.PublicKeys(signer("mallory"))} { // the server hangs up on a forgery
		_, a.err = gossh.Dial("tcp", r.addr, a.config("visitor", gossh.PublicKeys(forged), m))
		r.wantOut(a)
	}
	silent := gossh.PublicKeys(failing{signer("bob")})
	a.client, a.err = gossh.Dial("tcp", r.addr, a.config("visitor", silent, a.noKey()))
	r.wantIn(a, "nick=~visitor asked=visitor claimed=false key=false")
	a.client.Close()
	r.wantClaims(0)
}

// failing has a key that can't sign.
type failing struct{ gossh.Signer }

func (failing) Sign(io.Reader, []byte) (*gossh.Signature, error) {
	return nil, errors.New("not my key")
}

// What a key makes somebody is looked up again for each channel of a connection.
func TestIdentityIsAskedForEachChannel(t *testing.T) {
	r := newRig(t).holds("bob")
	c := rawssh.Dial(t, r.addr)
	c.Prove("bob", signer("bob"))
	for _, channel := range []struct {
		id   uint32
		want string
	}{{0, "nick=bob"}, {1, "your key was removed"}} {
		c.Write(rawssh.Opening("session", 0, 1<<20, 1<<15, nil))
		c.Read(rawssh.ChannelOpened)
		c.Write(rawssh.Request(channel.id, "exec", false, rawssh.Str(nil, "say -")))
		for said := ""; !strings.Contains(said, channel.want); {
			p, err := c.Next()
			if err != nil {
				t.Fatalf("%v instead of %q", err, channel.want)
			}
			if p[0] == rawssh.ChannelData || p[0] == rawssh.ChannelErrData {
				said += string(p)
			}
		}
		if _, err := r.registry.Remove(keys.Selector{Nick: "bob"}); err != nil && channel.id == 0 {
			t.Fatal(err)
		}
	}
	for err := error(nil); err == nil; { // until the server hangs up
		_, err = c.Next()
	}
}
