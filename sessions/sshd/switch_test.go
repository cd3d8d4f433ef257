package sshd

import (
	"strings"
	"testing"

	"whoelse/sessions/internal/rawssh"
)

func TestRawClientWorks(t *testing.T) {
	r := newRig(t).holds("bob")
	c := rawssh.Dial(t, r.addr)
	if got := c.None("bob"); got != rawssh.AuthFailure {
		t.Fatalf("none: %d", got)
	}
	if got := c.Offer("bob", signer("mallory").PublicKey()); got != rawssh.AuthFailure {
		t.Fatalf("the wrong key: %d", got)
	}
	if got := c.Offer("bob", signer("bob").PublicKey()); got != rawssh.AuthInfo {
		t.Fatalf("the right key: %d", got)
	}
	if got := c.Prove("bob", signer("bob")); got != rawssh.AuthSuccess {
		t.Fatalf("proving it: %d", got)
	}
	if got := c.Run("who"); !strings.HasPrefix(got, "nick=bob asked=bob claimed=false key=true") {
		t.Errorf("is %q", got)
	}
}

// The username may change between two tries. Whoever gets in so, if anybody does,
// must not be somebody whom neither the last name nor the proven key stands for.
func TestUsernameSwitched(t *testing.T) {
	mallory, bob := signer("mallory"), signer("bob")
	for name, tries := range map[string]func(c *rawssh.Client) byte{
		"offer as mallory, sign as bob":         func(c *rawssh.Client) byte { c.Offer("mallory", mallory.PublicKey()); return c.Prove("bob", mallory) },
		"offer as bob, sign as mallory":         func(c *rawssh.Client) byte { c.Offer("bob", mallory.PublicKey()); return c.Prove("mallory", mallory) },
		"offer as mallory, sign as alice":       func(c *rawssh.Client) byte { c.Offer("mallory", mallory.PublicKey()); return c.Prove("alice", mallory) },
		"none as mallory, guest as bob":         func(c *rawssh.Client) byte { c.None("mallory"); return c.Guest("bob") },
		"guest refused as bob, then as visitor": func(c *rawssh.Client) byte { c.Guest("bob"); return c.Guest("visitor") },
		"bob's key offered, guest as bob":       func(c *rawssh.Client) byte { c.Offer("bob", bob.PublicKey()); return c.Guest("bob") },
		"bob's key offered, guest as visitor":   func(c *rawssh.Client) byte { c.Offer("bob", bob.PublicKey()); return c.Guest("visitor") },
		"bob's key offered, mallory signs":      func(c *rawssh.Client) byte { c.Offer("bob", bob.PublicKey()); return c.Prove("bob", mallory) },
		"bob's key offered, mallory's claims":   func(c *rawssh.Client) byte { c.Offer("bob", bob.PublicKey()); return c.Prove("mallory", mallory) },
		"guest as visitor, key as bob":          func(c *rawssh.Client) byte { c.None("visitor"); return c.Prove("bob", mallory) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t).holds("bob")
			c := rawssh.Dial(t, r.addr)
			if tries(c) != rawssh.AuthSuccess {
				return
			}
			said := c.Run("who")
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
	c := rawssh.Dial(t, r.addr)
	c.Offer("mallory", signer("bob").PublicKey())
	if got := c.Prove("bob", signer("bob")); got != rawssh.AuthSuccess {
		t.Skip("the library allows no change at all")
	}
	if said := c.Run("who"); strings.Contains(said, "nick=") && !strings.Contains(said, "nick=bob ") {
		t.Errorf("bob is %q", said)
	}
}
