package limit

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTable: whatever is set, what is kept for ever stays, the rest is bounded, and what is
// evicted would have been forgotten before what stays.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 8
		var evicted []time.Duration
		table := NewTable[int](size, func(until time.Duration) { evicted = append(evicted, until) })
		model, now := map[int]time.Duration{}, time.Duration(0)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += time.Duration(rapid.IntRange(0, 40).Draw(t, "pause")) * time.Second
			key := rapid.IntRange(0, 20).Draw(t, "key")
			until := now + time.Duration(rapid.IntRange(-1, 200).Draw(t, "span"))*time.Second
			if rapid.IntRange(0, 9).Draw(t, "forever") == 0 {
				until = Forever
			}
			model[key], evicted = until, nil
			table.Set(key, until, until, now)
			temporary := 0
			for key, until := range model {
				got, ok := table.Get(key)
				switch {
				case ok && got != until:
					t.Fatalf("%d is %v, want %v", key, got, until)
				case ok && until < Forever:
					temporary++
				case ok:
				case until > now && !slices.Contains(evicted, until):
					t.Fatalf("%d is gone", key)
				default:
					delete(model, key)
				}
				if ok && len(evicted) > 0 && slices.Max(evicted) > until {
					t.Fatalf("%v was evicted before %v", slices.Max(evicted), until)
				}
			}
			if len(model) != table.Len() || temporary > size {
				t.Fatalf("%d entries, %d of them temporary, %d found", table.Len(), temporary, len(model))
			}
		}
	})
}

// TestExpired: what has expired is forgotten within a minute.
func TestExpired(t *testing.T) {
	table := NewTable[int, int](100, nil)
	for i := range 50 {
		table.Set(i, i, time.Second, 0)
	}
	table.Set(1000, 1, 5*time.Minute, time.Minute)
	if table.Len() != 1 {
		t.Errorf("%d entries", table.Len())
	}
}

func TestWait(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1: "1 second", time.Second: "1 second", time.Second + 1: "2 seconds", 2 * time.Minute: "120 seconds",
		2*time.Minute + 1: "3 minutes", 2 * time.Hour: "120 minutes", 20*time.Hour + 1: "21 hours",
	} {
		if got := Wait(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
