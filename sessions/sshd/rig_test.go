package sshd

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/keys/invites"
	"whoelse/sessions/admission"
	"whoelse/sessions/internal/testclient"
)

// patience bounds every expectation.
const patience = 30 * time.Second

// rig is a server whose sessions say who they belong to and then echo.
type rig struct {
	*testing.T
	dir      string
	registry *keys.Registry
	full     error // nothing can be claimed; set before the first login
	addr     string
	log      logged
	server   *Server
}

func newRig(t *testing.T) *rig { return newRigAt(t, nil) }

// newRigAt is newRig behind an admission controller.
func newRigAt(t *testing.T, d *admission.Controller) *rig {
	r := &rig{T: t, dir: t.TempDir()}
	log := slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), &r.log), nil))
	registry, err := keys.Open(filepath.Join(r.dir, "authorized_keys"), log)
	if err != nil {
		t.Fatal(err)
	}
	r.registry = registry
	s, err := New(Config{HostKey: signer("host"), Registry: registry, Invites: invites.Open(filepath.Join(r.dir, "invites.json")),
		Handle: introduce, Admission: d, MayClaim: func() error { return r.full }, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	r.server = s
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		l.Close()
		s.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return r
}

// introduce is what the tests' sessions do.
func introduce(ch *Channel) {
	term, w, h, pty := ch.Pty()
	fmt.Fprintf(ch, "nick=%s asked=%s claimed=%v key=%v unused=%q command=%q pty=%v %s %dx%d env=%d\n",
		ch.Login.Nick, ch.Login.Asked, ch.Login.Claimed, ch.Login.Key != nil, ch.Login.Unused, ch.Command, pty, term, w, h, len(ch.Env))
	io.Copy(ch, ch)
	ch.Exit(0)
}

// signer makes the key that goes by a name.
func signer(name string) gossh.Signer { return testclient.Signer(name) }

// holds binds nicks to the keys of the same names.
func (r *rig) holds(nicks ...string) *rig {
	r.Helper()
	for _, n := range nicks {
		if _, err := r.registry.Add(n, []keys.PublicKey{signer(n).PublicKey()}, keys.AddOptions{}); err != nil {
			r.Fatal(err)
		}
	}
	return r
}

// revokes has a key refused, whoever comes with it.
func (r *rig) revokes(name string) {
	r.registry.Revoke(func(key keys.PublicKey) bool {
		return keys.Fingerprint(key) == keys.Fingerprint(signer(name).PublicKey())
	})
}

// wantClaims asserts how many nicks were claimed.
func (r *rig) wantClaims(want int) {
	r.Helper()
	n := 0
	for _, e := range r.registry.List() {
		if strings.Contains(e.Comment, "@claimed-") {
			n++
		}
	}
	if n != want {
		r.Errorf("%d claims, want %d", n, want)
	}
}

// attempt is a login and what the server had to say about it.
type attempt struct {
	client *gossh.Client
	err    error
	words  string
}

// config logs in with methods and keeps the words that people would be shown.
func (a *attempt) config(user string, methods ...gossh.AuthMethod) *gossh.ClientConfig {
	return &gossh.ClientConfig{
		User: user, Auth: methods, Timeout: patience,
		HostKeyCallback: gossh.FixedHostKey(signer("host").PublicKey()),
		BannerCallback: func(words string) error {
			a.words += words
			return nil
		},
	}
}

func (a *attempt) noKey() gossh.AuthMethod {
	return gossh.KeyboardInteractive(func(_, words string, questions []string, _ []bool) ([]string, error) {
		a.words += words
		return make([]string, len(questions)), nil
	})
}

// login tries the keys one after the other, as clients do, and then none.
func (r *rig) login(user string, with ...string) *attempt {
	r.Helper()
	a := &attempt{}
	var methods []gossh.AuthMethod
	if len(with) > 0 {
		var signers []gossh.Signer
		for _, k := range with {
			signers = append(signers, signer(k))
		}
		methods = append(methods, gossh.PublicKeys(signers...))
	}
	a.client, a.err = gossh.Dial("tcp", r.addr, a.config(user, append(methods, a.noKey())...))
	if a.err == nil {
		r.Cleanup(func() { a.client.Close(); a.client.Wait() })
	}
	return a
}

// introduced opens a session and returns what it says of itself.
func (r *rig) introduced(c *gossh.Client) string {
	r.Helper()
	s, err := c.NewSession()
	if err != nil {
		r.Fatal(err)
	}
	out, err := s.Output("who")
	if err != nil {
		r.Fatalf("%v after %q", err, out)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// wantIn asserts that a was let in, and as whom.
func (r *rig) wantIn(a *attempt, who string) {
	r.Helper()
	if a.err != nil {
		r.Fatalf("refused: %v, with the words %q", a.err, a.words)
	}
	if got := r.introduced(a.client); !strings.HasPrefix(got, who+" ") {
		r.Errorf("let in as %q, want %q", got, who)
	}
}

// wantOut asserts that a was refused in words that have each of parts.
func (r *rig) wantOut(a *attempt, parts ...string) {
	r.Helper()
	if a.err == nil {
		r.Fatalf("let in as %q", r.introduced(a.client))
	}
	for _, p := range parts {
		if !strings.Contains(a.words, p) {
			r.Errorf("refused with %q, which lacks %q", a.words, p)
		}
	}
}

// within fails the test if f takes longer than patience.
func (r *rig) within(what string, f func()) {
	r.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		r.Fatalf("%s takes too long", what)
	}
}
