package history

import (
	"fmt"
	"sync"
	"testing"
)

// TestFewOpenFiles: of many histories in use few are open, as many as were asked for
// and those of the message in work.
func TestFewOpenFiles(t *testing.T) {
	const most, inWork = 8, 2 + syncers
	fs := newMemFS()
	s := mustOpenIn(t, fs, Options{OpenFiles: most, Owners: 16, JournalBytes: 10_000})
	var wg sync.WaitGroup
	for n := range 300 {
		wg.Go(func() {
			if err := put(s, to(direct(n, fmt.Sprint("a", n), fmt.Sprint("b", n)))...); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	mustClose(t, s)
	if open, worst := fs.open(); open != 0 || worst > most+inWork+2 { // and two journals
		t.Errorf("%d files were open at once, %d still are", worst, open)
	}
}
