package admission

import (
	"net/netip"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"whoelse/keys/bans"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// failures are all there are.
var failures = []Failure{NoAuth, AuthFailed, GraceExceeded, Crashed}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// nth returns the n-th of a range of addresses that are sources of their own.
func nth(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// nthOf6 returns the n-th /64 of an IPv6 /32.
func nthOf6(n int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), 15: 1})
}

// why returns the reason of a refusal, or "" for nil and the error's words for
// anything else.
func why(err error) string {
	if err == nil {
		return ""
	}
	if r, ok := err.(*Refusal); ok {
		return string(r.Why)
	}
	return err.Error()
}

func wantWhy(t *testing.T, err error, want string) {
	t.Helper()
	if got := why(err); got != want {
		t.Fatalf("refused for %q (%v), want %q", got, err, want)
	}
}

func admit(t *testing.T, d *Controller, from string) *Ticket {
	t.Helper()
	v, err := d.Admit(addr(from))
	if err != nil {
		t.Fatalf("%s was not admitted: %v", from, err)
	}
	return v
}

// fail connects, fails and leaves.
func fail(t *testing.T, d *Controller, from string, f Failure) {
	t.Helper()
	v := admit(t, d, from)
	v.Failed(f)
	v.Close()
}

// try connects and leaves, and returns why it could not.
func try(d *Controller, from string) error {
	v, err := d.Admit(addr(from))
	if err == nil {
		v.Close()
	}
	return err
}

// openBans opens a list of bans that nobody is on yet.
func openBans(t *testing.T) *bans.List {
	t.Helper()
	list, err := bans.Open(filepath.Join(t.TempDir(), "bans.json"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// remembered is how many addresses the controller knows something of.
func (c *Controller) remembered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.v4.Len() + c.v6.Len()
}
