package main

import (
	"strings"
	"testing"
	"time"

	"whoelse/bench/attack"
	"whoelse/bench/scenario"
)

// TestAbuse: attackers get in and are counted, and without them nothing is lost.
// The last run has every kind once.
func TestAbuse(t *testing.T) {
	abuse := scenario.Abuse{
		Kinds: []attack.Kind{attack.Tiny, attack.Group, attack.Handshakes, attack.All}, Addresses: []int{1},
		PerAddress: len(attack.Kinds()) - 1, Duration: 500 * time.Millisecond,
		Settle: 100 * time.Millisecond, Canary: self(canaryName), MaxMemory: abuseMemory, MaxDisk: abuseDisk,
	}
	runs := run[scenario.AbuseRun](t, abuse, testEnv(t, testServerWith(t, abuseArgs)))
	if len(runs) != 1+len(abuse.Kinds) {
		t.Errorf("%d runs, want one without attackers and one of each kind", len(runs))
	}
	for _, r := range runs {
		attacked := r.Addresses > 0
		if r.Note != "" || r.Expected != 40 || r.CPU <= 0 || attacked != (r.In > 0) || r.GoroutinesPeak == nil {
			t.Errorf("%+v", r)
		}
		if !attacked && r.Lost != 0 {
			t.Errorf("lost without an attack: %+v", r)
		}
		if attacked && r.Kind != string(attack.Handshakes) && r.Said == 0 {
			t.Errorf("nothing was said: %+v", r)
		}
	}
}

// TestAbuseEndsEarly: an attack that takes too much is ended, and the report says so.
func TestAbuseEndsEarly(t *testing.T) {
	t.Parallel()
	abuse := scenario.Abuse{
		Kinds: []attack.Kind{attack.Idle}, Addresses: []int{1}, PerAddress: 1, Duration: 300 * time.Millisecond,
		Settle: 100 * time.Millisecond, Canary: self(canaryName), MaxMemory: 1, MaxDisk: 1,
	}
	for _, r := range run[scenario.AbuseRun](t, abuse, testEnv(t, testServerWith(t, abuseArgs))) {
		if !strings.HasPrefix(r.Note, "stopped early") {
			t.Errorf("%+v", r)
		}
	}
}
