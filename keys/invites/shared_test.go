package invites

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"whoelse/internal/sharetest"
)

// stores are of servers that have their invitations alike.
func stores(t *testing.T, n int) (all []*Store, paths []string) {
	t.Helper()
	log := &sharetest.Log{}
	for i := range n {
		dir := filepath.Join(t.TempDir(), fmt.Sprint(i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, filepath.Join(dir, "invites.json"))
		s := Open(paths[i])
		server := &sharetest.Server{Log: log, Receive: func(_ string, data []byte) error { return s.Receive(data) }}
		if err := s.Share(server.Share("invites")); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all, paths
}

// TestACodeEnrolsOneOfManyOnAllServers: on whichever servers a code is tried at once, it enrols one.
func TestACodeEnrolsOneOfManyOnAllServers(t *testing.T) {
	all, _ := stores(t, 3)
	code := create(t, all[0], "carol")
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			err := all[i%3].Redeem("carol", code, func() error { won.Add(1); return nil })
			if err != nil && !errors.Is(err, ErrWrong) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d were enrolled", won.Load())
	}
}

// TestSharedInvitations: a code that enrolled nobody is open again, on all servers; one made by another process is
// good at once where it was made; and revoking counts those of all.
func TestSharedInvitations(t *testing.T) {
	all, paths := stores(t, 2)
	code, full := create(t, all[0], "carol"), errors.New("disk full")
	if err := all[1].Redeem("carol", code, func() error { return full }); !errors.Is(err, full) {
		t.Error(err)
	}
	if err := all[0].Redeem("carol", code, enrolled); err != nil {
		t.Error(err)
	}
	other := Open(paths[1])
	code = create(t, other, "carol")
	if err := all[1].Redeem("carol", code, enrolled); err != nil {
		t.Error(err)
	}
	if err := all[1].Redeem("carol", code, enrolled); !errors.Is(err, ErrWrong) {
		t.Error(err)
	}
	create(t, all[0], "carol")
	create(t, all[1], "carol")
	if closed, err := all[0].Revoke("carol"); closed != 2 || err != nil {
		t.Errorf("%d, %v", closed, err)
	}
	if closed, err := all[1].Revoke("carol"); closed != 0 || err != nil {
		t.Errorf("%d, %v", closed, err)
	}
}
