package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"whoelse/room"
)

// counter is a document: a number in a file.
type counter struct{ path string }

func (c *counter) value() int {
	b, err := os.ReadFile(c.path)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(string(b))
	return n
}

func (c *counter) receive(_ string, data []byte) error { return os.WriteFile(c.path, data, 0o600) }

// counting joins a server that has the document.
func counting(t *testing.T, name string, urls []string) (*server, *counter) {
	s := newServer(t, name, urls...)
	c := &counter{filepath.Join(s.dir, "counter")}
	s.states["settings"] = c.receive
	s.start()
	return s, c
}

// TestChange: changes are made one after the other, over all servers; each begins with what the one before left.
func TestChange(t *testing.T) {
	t.Parallel()
	e := engine(t)
	a, ca := counting(t, "a", e.URLs())
	b, cb := counting(t, "b", e.URLs())
	var wg sync.WaitGroup
	for i := range 4 {
		s, c := a, ca
		if i%2 == 1 {
			s, c = b, cb
		}
		wg.Go(func() {
			for range 25 {
				err := s.Change("settings/ann", func() ([]byte, error) { return []byte(strconv.Itoa(c.value() + 1)), nil })
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	same(t, a.entries(100), b.entries(100))
	if ca.value() != 100 || cb.value() != 100 {
		t.Errorf("%d and %d, want 100", ca.value(), cb.value())
	}
	if n := len(a.entries(100)); n != 100 {
		t.Errorf("%d changes", n)
	}
	why := errors.New("why")
	if err := a.Change("settings/ann", func() ([]byte, error) { return nil, why }); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
	if err := a.Change("settings/ann", func() ([]byte, error) { return nil, nil }); err != nil {
		t.Errorf("%v", err)
	}
	if err := a.Change("no name", nil); !errors.Is(err, room.ErrInvalid) {
		t.Errorf("%v", err)
	}
}

// TestReceivedAgain: a server that ends after a change is in its files, and before that is in its log, gets the change
// again; one of which nothing can be made stops nobody.
func TestReceivedAgain(t *testing.T) {
	t.Parallel()
	e := engine(t)
	a, b := newServer(t, "a", e.URLs()...), newServer(t, "b", e.URLs()...)
	var mu sync.Mutex
	var received []string
	a.states["bans"] = func(doc string, data []byte) error { return nil }
	b.states["bans"] = func(doc string, data []byte) error {
		mu.Lock()
		defer mu.Unlock()
		received = append(received, string(data))
		if !json.Valid(data) {
			return fmt.Errorf("%w: no JSON", room.ErrInvalid)
		}
		return nil
	}
	disk := &broken{err: errors.New("the disk fails")}
	b.wrap = func(l Local) Local { disk.Local = l; return disk }
	a.start()
	b.start()
	for _, data := range []string{`["bob"]`, `{`} {
		if err := a.Change("bans", func() ([]byte, error) { return []byte(data), nil }); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "b receives", func() bool { mu.Lock(); defer mu.Unlock(); return len(received) > 0 })
	b.stop()
	disk.fail(nil)
	b.start()
	same(t, a.entries(2), b.entries(2))
	if n := len(received); n < 3 || received[0] != `["bob"]` || received[n-2] != `["bob"]` || received[n-1] != `{` {
		t.Errorf("received %q", received)
	}
}
