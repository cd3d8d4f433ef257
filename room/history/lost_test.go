package history

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"whoelse/internal/disk/disktest"
)

// lose removes something from a folder of histories, durably.
func lose(t *testing.T, fs *disktest.FS, name string) {
	t.Helper()
	root := fs.Folder()
	if name == logFolder {
		for _, file := range namesIn(fs, logFolder) {
			in, _ := root.Sub(logFolder)
			if err := in.Remove(file); err != nil {
				t.Fatal(err)
			}
			_ = in.Sync()
		}
	}
	if err := root.Remove(name); err != nil {
		t.Fatal(err)
	}
	_ = root.Sync()
}

// TestLost: the checkpoint is lost or damaged, the log's folder is missing, or both, after a
// clean end or a kill. What is in the histories stays as it is, each line once; what is
// sent then is kept, also after another kill; no number is given twice.
func TestLost(t *testing.T) {
	for _, what := range [][]string{{checkpointFile}, {logFolder}, {checkpointFile, logFolder}, {"damaged"}, {"zeroed"}} {
		for _, end := range []string{"closed", "killed", "late checkpoint"} {
			if end == "closed" && len(what) == 0 {
				continue
			}
			name := fmt.Sprint(what, " ", end)
			opts := Options{SegmentBytes: 2000}
			if end == "late checkpoint" {
				opts.SegmentBytes = 0
			}
			fs := disktest.New()
			s := openIn(t, fs, opts)
			mustPut(t, s, toOne(0, "bob"))
			mustClose(t, s)
			s = openIn(t, fs, opts)
			want := []string{"id-000000000"}
			for n := 1; n < 40; n++ {
				e := event(direct(n, "ann", "bob"))
				mustPut(t, s, e)
				want = append(want, e.ID)
			}
			mustPut(t, s, read("bob", want[0]))
			want = want[1:]
			last := s.Log.Last()
			killed := fs.Killed()
			mustClose(t, s)
			if end != "closed" {
				fs = killed
			}
			for _, w := range what {
				switch w {
				case "damaged":
					setRoot(fs, checkpointFile, "{\"seq\":12,\"last")
				case "zeroed":
					setRoot(fs, checkpointFile, strings.Repeat("\x00", 30))
				default:
					if w != checkpointFile || hasRoot(fs, checkpointFile) {
						lose(t, fs, w)
					}
				}
			}
			for round := range 3 {
				s = openIn(t, fs, opts)
				// Nobody looks at the histories first.
				e := event(direct(100+round, "cid", "bob"))
				entry, err := putEntry(s, e)
				if err != nil {
					t.Fatal(err)
				}
				if entry.Seq <= last {
					t.Errorf("%s: the number %d is given, %d was", name, entry.Seq, last)
				}
				last = entry.Seq
				want = append(want, e.ID)
				sameIDs(t, name+", sent", unreadOf(t, s, "bob"), want...)
				next := fs.Crash(rand.New(rand.NewPCG(uint64(round), 1)))
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				fs = next
			}
		}
	}
}

func setRoot(fs *disktest.FS, name, content string) {
	f, err := fs.Folder().Open(name, true)
	if err != nil {
		panic(err)
	}
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(content), 0)
	_ = f.Sync()
	_ = f.Close()
	_ = fs.Folder().Sync()
}

func hasRoot(fs *disktest.FS, name string) bool {
	_, err := fs.Folder().Lstat(name)
	return err == nil
}

// TestEndOfLogLost: the log is older than the histories, as after somebody put back a part of a
// backup. What is sent then could count as there already: it is refused with a clear error, and
// set aside in the .torn file if it is sent nevertheless.
func TestEndOfLogLost(t *testing.T) {
	for _, left := range []int{0, 5} {
		fs := disktest.New()
		s := openIn(t, fs, Options{})
		for n := range 20 {
			mustPut(t, s, event(direct(n, "ann", "bob")))
		}
		killed := fs.Killed()
		mustClose(t, s)
		name := namesIn(killed, logFolder)[0]
		lines := bytes.SplitAfter(fileIn(killed, logFolder, name), []byte("\n"))
		setFile(killed, logFolder, name, bytes.Join(lines[:left], nil))
		s = openIn(t, killed, Options{})
		_, err := s.Waiting("bob")
		wantStorage(t, err)
		if !errors.Is(err, errAhead) {
			t.Errorf("%v", err)
		}
		mustPut(t, s, event(direct(100, "cid", "bob")))
		sameIDs(t, "cid", tail(t, s, "cid", 1), "id-000000100")
		mustClose(t, s)
		if torn := fileIn(killed, "users", "bob.jsonl.torn"); !bytes.Contains(torn, []byte("id-000000100")) {
			t.Errorf("set aside is %q", torn)
		}
	}
}
