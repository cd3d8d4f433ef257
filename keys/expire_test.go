package keys

import (
	"fmt"
	"testing"
	"time"

	"whoelse/internal/disk"
)

// claimedOn is a line as Claim wrote it.
func claimedOn(key PublicKey, n string, day string) string {
	return keyText(key) + " " + n + "@claimed-" + day
}

func TestExpire(t *testing.T) {
	now := time.Now() // midnight may pass
	day := func(ago int) string { return now.AddDate(0, 0, -ago).UTC().Format(time.DateOnly) }
	key := map[string]PublicKey{}
	of := func(n string) PublicKey {
		key[n] = newKey(t)
		return key[n]
	}
	used := map[string]time.Time{}
	r := registry(t,
		"# ours",
		claimedOn(of("idle"), "idle", day(40)),
		claimedOn(of("fresh"), "fresh", day(10)),
		claimedOn(of("today"), "today", day(30)), // when on that day nobody knows
		claimedOn(of("user"), "user", day(40)),
		claimedOn(of("talker"), "talker", day(40)),
		"restrict "+claimedOn(of("edited"), "edited", day(40)),
		`environment="ROLE=operator" `+claimedOn(of("oper8"), "oper8", day(40)),
		keyText(of("added"))+" added@added-"+day(40),
		keyText(of("invited"))+" invited@invited-"+day(40),
		keyText(of("byhand"))+" byhand",
		claimedOn(of("two"), "two", day(40)),
		keyText(newKey(t))+" two@added-"+day(40), // who has added a key means to come again
		claimedOn(of("both"), "both", day(40)),
		claimedOn(newKey(t), "both", day(50)),
		"bogus "+claimedOn(newKey(t), "broken", day(40)),
	)
	used[Fingerprint(key["user"])] = now.AddDate(0, 0, -29)
	used[Fingerprint(key["idle"])] = now.AddDate(0, 0, -31)
	lastUsed := func(fingerprint string) time.Time { return used[fingerprint] }
	asked := map[string]int{}
	inUse := func(n string) bool {
		asked[n]++
		return n == "talker"
	}
	gone, err := r.Expire(now.AddDate(0, 0, -30), lastUsed, inUse)
	if err != nil {
		t.Fatal(err)
	}
	var nicks []string
	for _, e := range gone {
		nicks = append(nicks, e.Nick)
	}
	if fmt.Sprint(nicks) != "[both both idle]" {
		t.Errorf("gone are %q", nicks)
	}
	if len(asked) != 3 {
		t.Errorf("asked about %v", asked)
	}
	for n := range key {
		want := n == "idle" || n == "both"
		if held := r.Registered(n); held == want {
			t.Errorf("%s is held: %v", n, held)
		}
	}
	text := r.text()
	if gone, err := r.Expire(now.AddDate(0, 0, -30), lastUsed, inUse); len(gone) > 0 || err != nil || r.text() != text {
		t.Errorf("again: %v, %v", gone, err)
	}
}

// Where all nicks expire, the empty file is no mistake.
func TestAllExpire(t *testing.T) {
	path, _ := crowded(t, 1200) // claimed on 2026-11-21
	r := reopen(t, path, disk.Store{})
	after := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	gone, err := r.Expire(after, func(string) time.Time { return time.Time{} }, func(string) bool { return false })
	if err != nil || len(gone) != 1200 || len(r.List()) != 0 {
		t.Errorf("%d are gone, %v; left are %v", len(gone), err, r.List())
	}
	if departed, known := r.Departed(); !known || len(departed) != 1200 {
		t.Errorf("%d departed, %v", len(departed), known)
	}
}
