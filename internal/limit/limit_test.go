package limit

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTable compares the table with one that looks at everything.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 5
		table, model := NewTable[int, int](size), map[int]time.Duration{}
		now := time.Duration(0)
		for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += time.Duration(rapid.IntRange(0, 3).Draw(t, "pause"))
			key, until := rapid.IntRange(0, 9).Draw(t, "key"), now+time.Duration(rapid.IntRange(-1, 20).Draw(t, "span"))
			if rapid.IntRange(0, 9).Draw(t, "forever") == 0 {
				until = Forever
			}
			model[key] = until
			evicted, ok := table.Set(key, i, until, now)
			if ok && evicted == i && until == Forever {
				t.Fatal("an entry kept for ever was evicted")
			}
			temporary := 0
			for key := range model {
				if _, ok := table.Get(key); !ok {
					delete(model, key)
				} else if model[key] < Forever {
					temporary++
				}
			}
			if len(model) != table.Len() || table.Len() != len(table.soonest) {
				t.Fatalf("%d entries, %d in the queue, %d found", table.Len(), len(table.soonest), len(model))
			}
			if table.Len() > size && temporary > 0 {
				t.Fatalf("%d entries, %d of them temporary", table.Len(), temporary)
			}
			for at, e := range table.soonest {
				if e.index != at || table.soonest[0].until > e.until || e.until != model[e.key] {
					t.Fatalf("entry %+v at %d", *e, at)
				}
			}
		}
	})
}

// TestExpired: what has expired goes as others come.
func TestExpired(t *testing.T) {
	table := NewTable[int, int](100)
	for i := range 50 {
		table.Set(i, i, 10, 0)
	}
	for i := range 25 {
		table.Set(1000, i, 30, 20)
	}
	if table.Len() != 1 || table.Evicted != 0 {
		t.Errorf("%d entries, %d evicted", table.Len(), table.Evicted)
	}
}

// TestSoonestGoesFirst: without room, the one that lasts longest stays.
func TestSoonestGoesFirst(t *testing.T) {
	table := NewTable[int, string](2)
	table.Set(1, "long", 100, 0)
	for i := range 50 {
		table.Set(2+i, "short", time.Duration(10+i), 0)
	}
	if v, _ := table.Get(1); v != "long" || table.Len() != 2 || table.Evicted != 49 {
		t.Errorf("%q, %d entries, %d evicted", v, table.Len(), table.Evicted)
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
