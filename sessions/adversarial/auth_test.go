package adversarial

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/sessions/internal/rawssh"
)

// Nobody gets to be bob, or anybody's nick that they have not proven a key for, by
// any order of names, offers and signatures.
func TestNobodyBecomesSomebodyElse(t *testing.T) {
	t.Parallel()
	mallory, bob := signer("mallory"), signer("bob")
	offer := func(c *rawssh.Client, user string, key gossh.Signer) { c.Offer(user, key.PublicKey()) }
	cases := map[string]func(c *rawssh.Client) byte{
		"offer as mallory, sign as bob":       func(c *rawssh.Client) byte { offer(c, "mallory", mallory); return c.Prove("bob", mallory) },
		"offer as bob, sign as mallory":       func(c *rawssh.Client) byte { offer(c, "bob", mallory); return c.Prove("mallory", mallory) },
		"bob's key named, mallory's signs":    func(c *rawssh.Client) byte { return c.Forge("bob", bob.PublicKey(), mallory) },
		"bob's key offered, mallory's signs":  func(c *rawssh.Client) byte { offer(c, "bob", bob); return c.Prove("bob", mallory) },
		"bob's key offered, mallory's claims": func(c *rawssh.Client) byte { offer(c, "bob", bob); return c.Prove("mallory", mallory) },
		"bob's key offered, then a guest":     func(c *rawssh.Client) byte { offer(c, "bob", bob); return c.Guest("visitor") },
		"bob's key offered, then guest bob":   func(c *rawssh.Client) byte { offer(c, "bob", bob); return c.Guest("bob") },
		"bob's key offered, then none":        func(c *rawssh.Client) byte { offer(c, "bob", bob); return c.None("bob") },
		"none as mallory, guest as bob":       func(c *rawssh.Client) byte { c.None("mallory"); return c.Guest("bob") },
		"guest refused as bob, then visitor":  func(c *rawssh.Client) byte { c.Guest("bob"); return c.Guest("visitor") },
		"none":                                func(c *rawssh.Client) byte { return c.None("visitor") },
		"an invitation that there is not":     func(c *rawssh.Client) byte { return c.Prove("bob+XXXX", mallory) },
	}
	along(t, options{}, func(r *rig) {
		for name, tries := range cases {
			c := r.stranger(rawssh.Dial)
			if tries(c) != rawssh.AuthSuccess {
				continue
			}
			said := c.Run("nick")
			for _, stolen := range []string{"you are bob", "you are ~bob", "you are carol"} {
				if strings.Contains(said, stolen) {
					t.Errorf("%s: mallory hears %q", name, said)
				}
			}
			t.Logf("%s is let in: %q", name, said)
		}
	})
}

// Two hundred keys: refused in words, after as many as may be tried.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	along(t, options{}, func(r *rig) {
		var all []gossh.Signer
		for i := range 200 {
			all = append(all, signer(fmt.Sprint("one of many ", i)))
		}
		_, words, err := r.login(visit{user: "bob", methods: []gossh.AuthMethod{gossh.PublicKeys(all...)}})
		if err == nil || !strings.Contains(words, "6 keys were tried") {
			t.Errorf("%v, %q", err, words)
		}
		for range 30 { // and without waiting for answers
			c := r.stranger(rawssh.Dial)
			packets(c, 200, time.Second, func(i int) []byte {
				p := append(rawssh.Auth("bob", "publickey"), 0)
				return rawssh.Str(rawssh.Str(p, "ssh-ed25519"), string(all[i].PublicKey().Marshal()))
			})
			if refused := answers(c, 200, rawssh.AuthFailure); refused > 7 {
				t.Errorf("%d tries are answered", refused)
			}
		}
	})
}

func mpint(n *big.Int) string { return "\x00" + string(n.Bytes()) }

// rsaKey is a key of that many bits, which nobody can sign with.
func rsaKey(bits int) []byte {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	low, _ := rand.Int(rand.Reader, n)
	n.Or(n, low).SetBit(n, 0, 1)
	return rawssh.Str(rawssh.Str(rawssh.Str(nil, "ssh-rsa"), "\x01\x00\x01"), mpint(n))
}

func dsaKey() []byte {
	p := rawssh.Str(nil, "ssh-dss")
	n := new(big.Int).SetBit(big.NewInt(1), 1023, 1)
	for _, bits := range []int{1024, 160, 1024, 1024} {
		p = rawssh.Str(p, mpint(new(big.Int).Rsh(n, uint(1024-bits))))
	}
	return p
}

// Keys that are too weak, too long or none at all are refused when they are
// offered, before a signature has to be looked at.
func TestUnfitKeys(t *testing.T) {
	t.Parallel()
	keys := map[string][]byte{
		"ssh-rsa of 1024":                  rsaKey(1024),
		"rsa-sha2-256 of 16":               rsaKey(16),
		"rsa-sha2-512 of 16k":              rsaKey(16384),
		"rsa-sha2-256 of 8k":               rsaKey(8192),
		"rsa-sha2-512 of 4k1":              rsaKey(4097),
		"rsa-sha2-256 of 1M":               rsaKey(1 << 20),
		"ssh-dss":                          dsaKey(),
		"ssh-ed25519":                      rawssh.Str(rawssh.Str(nil, "ssh-ed25519"), "short"),
		"ecdsa-sha2-nistp256":              rawssh.Str(rawssh.Str(rawssh.Str(nil, "ecdsa-sha2-nistp256"), "nistp256"), "\x04"+strings.Repeat("\xff", 64)),
		"\x1b[2J":                          []byte("\x1b[2J"),
		"ssh-ed25519-cert-v01@openssh.com": []byte("nonsense"),
	}
	along(t, options{}, func(r *rig) {
		for name, blob := range keys {
			algorithm, _, _ := strings.Cut(name, " of ")
			for _, user := range []string{"bob", "mallory"} {
				c := r.stranger(rawssh.Dial)
				if got := c.OfferBlob(user, algorithm, blob); got != rawssh.AuthFailure && got != 0 {
					t.Errorf("%s for %s: answered with %d", name, user, got)
				}
				c.Close()
			}
		}
	})
}

// certificate is signed by the authority of that name, for holder's key.
func certificate(t *testing.T, ca, holder string, change func(*gossh.Certificate)) gossh.AuthMethod {
	t.Helper()
	c := &gossh.Certificate{
		Key: signer(holder).PublicKey(), Serial: 1, CertType: gossh.UserCert, KeyId: "id\x1b[2J", ValidPrincipals: []string{holder},
		ValidAfter: uint64(time.Now().Add(-time.Hour).Unix()), ValidBefore: uint64(time.Now().Add(time.Hour).Unix()),
	}
	if change != nil {
		change(c)
	}
	s, err := gossh.NewCertSigner(c, signer(holder))
	if err := errors.Join(err, c.SignCert(rand.Reader, signer(ca))); err != nil {
		t.Fatal(err)
	}
	return gossh.PublicKeys(s)
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	ended := func(c *gossh.Certificate) { c.ValidBefore = uint64(time.Now().Add(-time.Minute).Unix()) }
	early := func(c *gossh.Certificate) { c.ValidAfter = uint64(time.Now().Add(30 * time.Minute).Unix()) }
	as := func(names ...string) func(*gossh.Certificate) {
		return func(c *gossh.Certificate) { c.ValidPrincipals = names }
	}
	critical := func(name, value string) func(*gossh.Certificate) {
		return func(c *gossh.Certificate) { c.CriticalOptions = map[string]string{name: value} }
	}
	along(t, options{lines: []string{"cert-authority " + publicKey("ca") + " ca"}}, func(r *rig) {
		for name, tt := range map[string]struct {
			cert gossh.AuthMethod
			in   bool
		}{
			"good":                   {certificate(t, "ca", "dora", nil), true},
			"an unknown authority":   {certificate(t, "another ca", "dora", nil), false},
			"its own authority":      {certificate(t, "dora", "dora", nil), false},
			"bob's key as authority": {certificate(t, "bob", "dora", nil), false},
			"no principals":          {certificate(t, "ca", "dora", as()), false},
			"an empty principal":     {certificate(t, "ca", "dora", as("")), false},
			"bob as principal":       {certificate(t, "ca", "dora", as("bob")), false},
			"BOB as principal":       {certificate(t, "ca", "dora", as("BOB")), false},
			"no nick as principal":   {certificate(t, "ca", "dora", as("../dora", "\x1b[2J")), false},
			"root as principal":      {certificate(t, "ca", "dora", as("root")), false},
			"expired":                {certificate(t, "ca", "dora", ended), false},
			"not valid yet":          {certificate(t, "ca", "dora", early), false},
			"for hosts":              {certificate(t, "ca", "dora", func(c *gossh.Certificate) { c.CertType = gossh.HostCert }), false},
			"from elsewhere":         {certificate(t, "ca", "dora", critical("source-address", "192.0.2.0/24")), false},
			"a command":              {certificate(t, "ca", "dora", critical("force-command", "sh")), false},
			"an unknown option":      {certificate(t, "ca", "dora", critical("x@example.org", "")), false},
		} {
			c, words, err := r.login(visit{user: "dora", methods: []gossh.AuthMethod{tt.cert, noGuest()}})
			if (err == nil) != tt.in {
				t.Errorf("%s: %v, %q", name, err, words)
			}
			if bad := unclean(words); bad != "" {
				t.Errorf("%s: the words have %s", name, bad)
			}
			if err == nil {
				c.Close()
			}
		}
	})
}

// noGuest does not come in without a key.
func noGuest() gossh.AuthMethod {
	return gossh.RetryableAuthMethod(gossh.KeyboardInteractive(func(string, string, []string, []bool) ([]string, error) {
		return nil, io.EOF
	}), 1)
}

// A key that is taken out of the file ends what its owner has open, at once, and is
// no good any more; nobody else notices.
func TestRevokedWhileOnline(t *testing.T) {
	t.Parallel()
	along(t, options{lines: []string{keyLine("mallory")}}, func(r *rig) {
		var all []*client
		for i := range 5 {
			all = append(all, r.connect(visit{user: "mallory", key: "mallory", term: []string{"xterm", ""}[i%2]}))
		}
		if _, err := r.registry.Remove(selectNick("mallory")); err != nil {
			t.Fatal(err)
		}
		for _, c := range all { // nothing here looks at keys from time to time, which would end them too
			c.sees("your key was removed")
			c.leaves()
		}
	})
}

// Of several keys that ask for the same free nick at the same time, one gets it.
func TestOneNickOfManyKeys(t *testing.T) {
	t.Parallel()
	along(t, options{}, func(r *rig) {
		for round := range 5 {
			nick := fmt.Sprint("wanted", round)
			said := make([]string, 8)
			var all sync.WaitGroup
			for i := range said {
				c := r.stranger(rawssh.Dial)
				all.Go(func() {
					if c.Prove(nick, signer(fmt.Sprint(nick, " of ", i))) == rawssh.AuthSuccess {
						said[i] = c.Run("nick")
					}
				})
			}
			all.Wait()
			if n := strings.Count(strings.Join(said, ""), "you are "+nick+","); n != 1 {
				t.Errorf("%d keys are %s: %q", n, nick, said)
			}
			if held := r.registry.Keys(nick); len(held) != 1 {
				t.Errorf("%d keys hold %s", len(held), nick)
			}
		}
	})
}

// One key in fifty sessions is one person, who is told of once, and gets what is
// said fifty times.
func TestOneKeyInManySessions(t *testing.T) {
	t.Parallel()
	along(t, options{}, func(r *rig) {
		var all []*client
		for i := range 50 {
			all = append(all, r.connect(visit{user: "mallory", key: "mallory", term: []string{"xterm", ""}[i%2]}))
		}
		other := r.connect(visit{user: "dave", key: "dave"})
		other.types("whoelse\nhello to all of mallory\n")
		other.sees("50 sessions")
		for _, c := range all {
			c.sees("dave: hello to all of mallory")
		}
	})
}
