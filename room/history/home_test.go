package history

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/room"
)

// gone is what a file system does whose folder was removed.
func gone(_ int, op string) fault {
	if op == "create" || op == "lstat" || op == "open" || op == "rename" {
		return fault{err: syscall.ENOENT}
	}
	return fault{}
}

// TestFolderReplaced: a folder that was removed is told, and nothing is accepted;
// when there is one again, such as a backup with journals that wait, it is used as
// at start, without a restart.
func TestFolderReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backup := newMemFS()
		s := mustOpenIn(t, backup, Options{})
		mustPut(t, s, to(direct(1, "ann", "bob"))...)
		mustPut(t, s, to(direct(7, "ann", "bob"))...)
		backup, _ = backup.killed(), s.Close()

		fs := newMemFS()
		l, log := newLog()
		s = mustOpenIn(t, fs, Options{Log: log, MaxBytes: 1 << 20})
		mustPut(t, s, to(direct(2, "ann", "cid"))...)
		sameIDs(t, "before", unread(t, s, "cid"), "id-000000002")
		fs.absent = true
		fs.fail(gone)
		wantStorage(t, put(s, to(direct(3, "ann", "bob"))...))
		time.Sleep(2 * retryAfter)
		wantStorage(t, put(s, to(direct(3, "ann", "bob"))...))
		_, err := room.Collect(s.Unread("erin")) // who may have something in the folder that is gone
		wantStorage(t, err)

		fs.next = backup
		time.Sleep(2 * retryAfter)
		mustPut(t, s, to(direct(4, "cid", "bob"))...)
		sameIDs(t, "after", unread(t, s, "bob"), "id-000000001", "id-000000007", "id-000000004")
		sameIDs(t, "cid, who is not in the backup", unread(t, s, "cid"))
		if s.LastID() != "id-000000007" {
			t.Errorf("the last id is %s", s.LastID())
		}
		if !strings.Contains(l.String(), "the folder was replaced") {
			t.Errorf("the log says:\n%s", l)
		}
		mustClose(t, s)
		s = mustOpenIn(t, backup, Options{})
		sameIDs(t, "after a restart", unread(t, s, "bob"), "id-000000001", "id-000000007", "id-000000004")
		mustClose(t, s)
	})
}

// TestCarriedOver: what was acknowledged and is in memory alone when the folder
// goes is written to the next one.
func TestCarriedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		s := mustOpenIn(t, fs, Options{})
		mustPut(t, s, to(direct(1, "ann", "bob"))...)
		writes := 0
		fs.fail(func(_ int, op string) fault {
			if op == "write" {
				writes++
			}
			if op == "write" && writes > 1 { // the journal takes it
				return fault{err: syscall.ENOSPC}
			}
			return fault{}
		})
		mustPut(t, s, to(direct(2, "ann", "bob"))...)
		sameIDs(t, "before", unread(t, s, "bob"), "id-000000001", "id-000000002")
		fs.fail(gone)
		wantStorage(t, put(s, to(direct(3, "cid", "bob"))...))
		fs.next = newMemFS()
		time.Sleep(2 * retryAfter)
		mustPut(t, s, to(direct(4, "cid", "bob"))...)
		synctest.Wait()
		sameIDs(t, "after", unread(t, s, "bob"), "id-000000002", "id-000000004")
		sameIDs(t, "ann", tail(t, s, "ann", 9), "id-000000002")
		mustClose(t, s)
	})
}

// TestSuccessor is the same question to a real folder.
func TestSuccessor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	d, err := openDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.close() }()
	if next, err := d.successor(); next != nil || err != nil {
		t.Errorf("it is there: %v, %v", next, err)
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if next, err := d.successor(); next != nil || !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("it is gone: %v, %v", next, err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	next, err := d.successor()
	if next == nil || err != nil {
		t.Fatalf("there is another one: %v", err)
	}
	defer func() { _ = next.close() }()
	if again, err := next.successor(); again != nil || err != nil {
		t.Errorf("the other one is there: %v, %v", again, err)
	}
}
