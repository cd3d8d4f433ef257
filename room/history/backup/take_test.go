package backup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"whoelse/internal/disk"
	"whoelse/room"
	"whoelse/room/history"
)

func TestTakeAndRestore(t *testing.T) {
	data := makeData(t)
	to, taken := mustTake(t, data)
	if got := paths(taken); got != kept {
		t.Errorf("copied\n%s, want\n%s", got, kept)
	}
	if len(taken.LeftOut) > 0 || taken.Program != "test" || taken.Layout != history.Version || taken.Histories() != 3 {
		t.Errorf("%+v", taken)
	}
	wantPrivate(t, to)
	wantRestored(t, "restored", mustRestore(t, to))
	again, err := ReadManifest(to)
	if err != nil || paths(again) != kept || !again.When.Equal(taken.When) {
		t.Errorf("%v %v", again, err)
	}
}

// TestTakeOfWhatIsNoFile: a link to the keys is followed, as the server does; other
// things are left out and told.
func TestTakeOfWhatIsNoFile(t *testing.T) {
	data := makeData(t)
	elsewhere := filepath.Join(t.TempDir(), "keys")
	must(t, os.Rename(data+"/authorized_keys", elsewhere))
	must(t, os.Symlink(elsewhere, data+"/authorized_keys"))
	must(t, os.Symlink("/etc/passwd", data+"/settings/eve.json"))
	must(t, syscall.Mkfifo(data+"/history/users/pipe.jsonl", 0o600))
	must(t, os.Mkdir(data+"/lost+found", 0o700))
	write(t, data+"/lost+found/x", "")
	to, taken := mustTake(t, data)
	if got := paths(taken); got != kept {
		t.Errorf("copied\n%s, want\n%s", got, kept)
	}
	if got := strings.Join(taken.LeftOut, " "); got != "history/users/pipe.jsonl settings/eve.json" {
		t.Errorf("left out: %s", got)
	}
	wantRestored(t, "restored", mustRestore(t, to))
}

// TestTakeOfWhatGoes: files may be moved away or replaced during a backup.
func TestTakeOfWhatGoes(t *testing.T) {
	data := makeData(t)
	to := filepath.Join(t.TempDir(), "backup")
	taken, err := Take(t.Context(), data, to, Options{disk: disk.Store{Fault: func(op, path string) error {
		if op == "mkdir" && strings.HasSuffix(path, "history/users") {
			return os.RemoveAll(data + "/history/users/dan.jsonl")
		}
		return nil
	}}})
	must(t, err)
	if strings.Contains(paths(taken), "dan") || taken.Count != 11 {
		t.Errorf("copied %s", paths(taken))
	}
	mustRestore(t, to)
}

func TestTakeRefuses(t *testing.T) {
	t.Parallel()
	data := makeData(t)
	refuses := func(to, want string) {
		t.Helper()
		if _, err := Take(t.Context(), data, to, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("to %s: %v, want %q", to, err, want)
		}
	}
	taken, _ := mustTake(t, data)
	refuses(taken, "is not empty")
	refuses(data, "is not empty")
	refuses(data+"/sub/backup", "is in the data folder")
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(data, link))
	refuses(link+"/backup", "is in the data folder")
	if _, err := os.Lstat(data + "/sub"); err == nil {
		t.Error("a refused backup made a folder")
	}
	write(t, data+"/history/version", "99\n")
	refuses(filepath.Join(t.TempDir(), "new"), "99")
}

// A second backup waits for the first one, and in the end is refused.
func TestTakeBesideAnother(t *testing.T) {
	t.Parallel()
	data := makeData(t)
	kept, err := history.HoldSegments(t.Context(), data+"/history")
	must(t, err)
	defer kept.Close()
	to := filepath.Join(t.TempDir(), "second")
	synctest.Test(t, func(t *testing.T) { // it waits for seconds
		if _, err := Take(t.Context(), data, to, Options{}); !errors.Is(err, room.ErrBackup) {
			t.Errorf("a second backup: %v", err)
		}
	})
	if _, err := os.Lstat(to); err == nil {
		t.Error("a refused backup made a folder")
	}
}

// steps counts the operations of f on the disk, and fails one of them.
type steps struct {
	n, fail int
	err     error
	failed  string
}

func (s *steps) fault(op, path string) error {
	s.n++
	if s.n != s.fail {
		return nil
	}
	s.failed = op + " " + path
	return s.err
}

func (s *steps) options() Options { return Options{disk: disk.Store{Fault: s.fault}} }

// TestTakeFails at each operation in turn: then there is no backup, and the error
// names what is to be removed; a backup that is said to be taken is whole.
func TestTakeFails(t *testing.T) {
	t.Parallel()
	data := makeData(t)
	for n := 1; ; n++ {
		to := filepath.Join(t.TempDir(), "backup")
		s := &steps{fail: n, err: syscall.ENOSPC}
		_, err := Take(t.Context(), data, to, s.options())
		if s.failed == "" {
			must(t, err)
			if n < 30 {
				t.Errorf("only %d operations", n)
			}
			wantRestored(t, "without a fault", mustRestore(t, to))
			return
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("%s failed: %v", s.failed, err)
		}
		_, rerr := ReadManifest(to)
		if strings.HasPrefix(s.failed, "syncdir") && rerr == nil {
			continue // all that is not certain is that it outlives a power cut
		}
		if _, err := os.Stat(to); errors.Is(err, fs.ErrNotExist) {
			continue // the folder itself could not be made
		}
		if rerr == nil || !errors.Is(rerr, ErrNone) {
			t.Errorf("%s failed, and there is a backup: %v", s.failed, rerr)
		}
		if _, err := Restore(t.Context(), to, to+".data", nil, Options{}); err == nil {
			t.Errorf("%s failed, and what is there can be restored", s.failed)
		}
	}
}

func TestTakeInterrupted(t *testing.T) {
	data := makeData(t)
	ctx, cancel := context.WithCancel(t.Context())
	to := filepath.Join(t.TempDir(), "backup")
	_, err := Take(ctx, data, to, Options{between: cancel})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "incomplete, remove it") {
		t.Errorf("interrupted: %v", err)
	}
	if _, err := ReadManifest(to); !errors.Is(err, ErrNone) {
		t.Errorf("an interrupted backup: %v", err)
	}
}

// TestAllIsSynced before a backup gets its manifest, and a restored folder its name:
// each file after it was written, each folder after everything in it was made.
func TestAllIsSynced(t *testing.T) {
	var log []string
	opts := Options{disk: disk.Store{Fault: func(op, path string) error {
		log = append(log, op+" "+path)
		return nil
	}}}
	to := filepath.Join(t.TempDir(), "a", "backup")
	must(t, os.MkdirAll(to+"/lost+found", 0o700)) // a disk's topmost folder, where only root may look into that
	_, err := Take(t.Context(), makeData(t), to, opts)
	must(t, err)
	if slices.Contains(log, "syncdir "+to+"/lost+found") {
		t.Error("lost+found is looked into")
	}
	wantSynced(t, log, "rename "+to+"/"+ManifestName)
	if log[len(log)-1] != "syncdir "+to {
		t.Errorf("the name of the manifest is not synced: %v", log)
	}
	log = nil
	data := filepath.Join(t.TempDir(), "data")
	_, err = Restore(t.Context(), to, data, nil, opts)
	must(t, err)
	wantSynced(t, log, "rename "+data)
	if log[len(log)-1] != "syncdir "+filepath.Dir(data) {
		t.Errorf("the name of the data folder is not synced: %v", log)
	}
}

func wantSynced(t *testing.T, log []string, end string) {
	t.Helper()
	last := slices.Index(log, end)
	if last < 0 {
		t.Fatalf("no %s in %v", end, log)
	}
	written := 0
	for i, l := range log[:last] {
		path, ok := strings.CutPrefix(l, "write ")
		if !ok {
			continue
		}
		written++
		if !slices.Contains(log[i:last], "sync "+path) {
			t.Errorf("%s is not synced", path)
		}
		if folder := "syncdir " + filepath.Dir(path); !slices.Contains(log[i:last], folder) && "rename "+strings.TrimSuffix(path, ".tmp") != end {
			t.Errorf("the name of %s is not synced", path)
		}
	}
	if written < 10 {
		t.Errorf("only %d were written", written)
	}
	top := filepath.Dir(strings.TrimPrefix(end, "rename "))
	for i, l := range log[:last] {
		path, ok := strings.CutPrefix(l, "mkdir ")
		if ok && path != top && !strings.HasSuffix(path, stagingEnd) && !slices.Contains(log[i:last], "syncdir "+filepath.Dir(path)) {
			t.Errorf("the name of the folder %s is not synced", path)
		}
	}
}

// TestTakeOfAnOlderLayout: a backup is taken before the first start of a newer program, and
// restoring it brings the layout up to date.
func TestTakeOfAnOlderLayout(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	write(t, data+"/host_key", "secret")
	write(t, data+"/history/version", "2\n")
	write(t, data+"/history/journal/000001.log", older)
	write(t, data+"/history.v2/version", "1\n")
	to, taken := mustTake(t, data)
	if got := paths(taken); got != "history/journal/000001.log history/version host_key" {
		t.Errorf("copied %s", got)
	}
	restored := mustRestore(t, to)
	s := openStore(t, restored, history.Options{})
	if got := ids(t, s, "dan"); len(got) != 1 || got[0] != "01f" {
		t.Errorf("dan has %v", got)
	}
	must(t, s.Close())
	list, err := os.ReadDir(restored)
	if err != nil || len(list) != 2 {
		t.Errorf("%v %v", list, err)
	}
}

// older is a journal of layout 2.
const older = `70ae89bb journal 1 after 0 0
63930925 . 0 dan {"id":"01f","time":"2026-11-21T06:31:03.000Z","kind":"direct","from":"bob","to":["dan"],"text":"waits","crc":"0e051ca0"}
`
