package lastused

import (
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func TestTimesSurvive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "used.json")
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	times := Open(path, log)
	if !times.Last("SHA256:a").IsZero() {
		t.Error("a key was used before")
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { times.Note("SHA256:a") })
	}
	all.Wait()
	times.Write()
	if err := os.Chtimes(path, time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	times.Write()
	if info, err := os.Stat(path); err != nil || !info.ModTime().Equal(time.Unix(1, 0)) {
		t.Errorf("written again without a change: %v", err)
	}
	again := Open(path, log)
	if since := time.Since(again.Last("SHA256:a")); since > time.Minute || since < -time.Second {
		t.Errorf("used %v ago", since)
	}
}

func TestBadFileIsReplaced(t *testing.T) {
	for _, text := range []string{"nonsense", "null", `{"a":"yesterday"}`} {
		path := filepath.Join(t.TempDir(), "used.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		times := Open(path, slog.New(slog.DiscardHandler))
		times.Note("SHA256:a")
		times.Write()
		if Open(path, slog.New(slog.DiscardHandler)).Last("SHA256:a").IsZero() {
			t.Errorf("after %s nothing is kept", text)
		}
	}
}

func TestOldestAreForgotten(t *testing.T) {
	times := Open(filepath.Join(t.TempDir(), "used.json"), slog.New(slog.DiscardHandler))
	for i := range 10 {
		times.last[string(rune('a'+i))] = time.Unix(int64(i), 0)
	}
	times.forget(3)
	if len(times.last) != 3 || times.Last("j").IsZero() || !times.Last("g").IsZero() {
		t.Errorf("%v", times.last)
	}
}
