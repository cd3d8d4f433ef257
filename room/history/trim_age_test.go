package history

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestTrimByAge: what is older than the retention goes within a day, without
// anybody writing; what is unread stays.
func TestTrimByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		fs := newMemFS()
		s := mustOpenIn(t, fs, Options{Retention: 90 * day})
		old := conversation(t, s, 0, 30, func(i int) bool { return i == 7 })
		time.Sleep(60 * day)
		young := conversation(t, s, 100, 30, func(i int) bool { return false })
		same(t, "before", tail(t, s, "bob", 100), slices.Concat(old, young))
		time.Sleep(31 * day)
		synctest.Wait()
		same(t, "after", tail(t, s, "bob", 100), append(old[7:8:8], young...))
		same(t, "unread", unread(t, s, "bob"), old[7:8])
		same(t, "ann", tail(t, s, "ann", 100), young)
		if text := fileIn(fs, "users", "ann.jsonl"); bytes.Contains(text, []byte(`"message 3"`)) {
			t.Error("the text is still in the file")
		}
		time.Sleep(90 * day)
		synctest.Wait()
		same(t, "much later", tail(t, s, "bob", 100), old[7:8])
		for seed := range uint64(8) {
			cut := mustOpenIn(t, fs.crash(rand.New(rand.NewPCG(seed, 0))), Options{})
			same(t, "after a power cut, unread", unread(t, cut, "bob"), old[7:8])
			mustClose(t, cut)
		}
		size := len(fileIn(fs, "users", "ann.jsonl"))
		ino := fs.root.names["users"].names["ann.jsonl"].ino
		time.Sleep(90 * day)
		synctest.Wait()
		if fs.root.names["users"].names["ann.jsonl"].ino != ino {
			t.Errorf("an empty history of %d bytes is written anew", size)
		}
		mustPut(t, s, to(direct(999, "ann", "bob"))...)
		mustClose(t, s)
	})
}
