package certs

import (
	"fmt"
	"os"
	"testing"
	"time"

	"whoelse/internal/disk"
)

// A list that is edited so often that no edit settles is read all the same.
func TestEditsOfTheListThatDoNotStop(t *testing.T) {
	key := newSigner(t).PublicKey()
	r := revoked(t, "# nobody\n")
	tick := time.NewTicker(disk.SettleTime / 3)
	defer tick.Stop()
	for i := range 600 { // 20 s
		<-tick.C
		if r.Key(key) {
			return
		}
		write(t, r.path+"~", fmt.Sprintf("%s\n# edit %d\n", keyText(key), i))
		if err := os.Rename(r.path+"~", r.path); err != nil {
			t.Fatal(err)
		}
	}
	t.Error("the edits were not read")
}
