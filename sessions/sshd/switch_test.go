package sshd

import (
	"strings"
	"testing"
)

func TestRawClientWorks(t *testing.T) {
	r := newRig(t).holds("bob")
	c := dialRaw(t, r.addr)
	if got := c.none("bob"); got != msgAuthFailure {
		t.Fatalf("none: %d", got)
	}
	if got := c.offer("bob", signer("mallory")); got != msgAuthFailure {
		t.Fatalf("the wrong key: %d", got)
	}
	if got := c.offer("bob", signer("bob")); got != msgAuthInfo {
		t.Fatalf("the right key: %d", got)
	}
	if got := c.prove("bob", signer("bob")); got != msgAuthSuccess {
		t.Fatalf("proving it: %d", got)
	}
	if got := c.introduced(); !strings.HasPrefix(got, "nick=bob asked=bob claimed=false key=true") {
		t.Errorf("is %q", got)
	}
}

// The username may change between two tries. Whoever gets in so, if anybody does,
// must not be somebody whom neither the last name nor the proven key stands for.
func TestUsernameSwitched(t *testing.T) {
	mallory, bob := signer("mallory"), signer("bob")
	for name, tries := range map[string]func(c *raw) byte{
		"offer as mallory, sign as bob":         func(c *raw) byte { c.offer("mallory", mallory); return c.prove("bob", mallory) },
		"offer as bob, sign as mallory":         func(c *raw) byte { c.offer("bob", mallory); return c.prove("mallory", mallory) },
		"offer as mallory, sign as alice":       func(c *raw) byte { c.offer("mallory", mallory); return c.prove("alice", mallory) },
		"none as mallory, guest as bob":         func(c *raw) byte { c.none("mallory"); return c.guest("bob") },
		"guest refused as bob, then as visitor": func(c *raw) byte { c.guest("bob"); return c.guest("visitor") },
		"bob's key offered, guest as bob":       func(c *raw) byte { c.offer("bob", bob); return c.guest("bob") },
		"bob's key offered, guest as visitor":   func(c *raw) byte { c.offer("bob", bob); return c.guest("visitor") },
		"bob's key offered, mallory signs":      func(c *raw) byte { c.offer("bob", bob); return c.prove("bob", mallory) },
		"bob's key offered, mallory's claims":   func(c *raw) byte { c.offer("bob", bob); return c.prove("mallory", mallory) },
		"guest as visitor, key as bob":          func(c *raw) byte { c.none("visitor"); return c.prove("bob", mallory) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t).holds("bob")
			c := dialRaw(t, r.addr)
			if tries(c) != msgAuthSuccess {
				return
			}
			said := c.introduced()
			for _, stolen := range []string{"nick=bob ", "nick=~bob "} {
				if strings.Contains(said, stolen) {
					t.Errorf("mallory is %q", said)
				}
			}
			if strings.Contains(said, "nick=alice ") && strings.Contains(said, "asked=mallory") {
				t.Errorf("asked as one and is another: %q", said)
			}
			t.Logf("let in: %q", said)
		})
	}
}

// Who proves bob's key is bob, whatever the names were before.
func TestSwitchedToOneself(t *testing.T) {
	r := newRig(t).holds("bob")
	c := dialRaw(t, r.addr)
	c.offer("mallory", signer("bob"))
	if got := c.prove("bob", signer("bob")); got != msgAuthSuccess {
		t.Skip("the library allows no change at all")
	}
	if said := c.introduced(); strings.Contains(said, "nick=") && !strings.Contains(said, "nick=bob ") {
		t.Errorf("bob is %q", said)
	}
}
