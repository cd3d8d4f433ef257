package attachments

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"whoelse/internal/disk"
	"whoelse/room"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openAt(t testing.TB, dir string, max int64, keep time.Duration) *Store {
	t.Helper()
	s, err := Open(dir, max, keep)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// put stores a file that is not on record yet.
func put(t testing.TB, s *Store, nick, content string) (*Upload, *room.File) {
	t.Helper()
	u, err := s.Create(nick)
	must(t, err)
	_, err = io.Copy(u, strings.NewReader(content))
	must(t, err)
	f, err := u.Finish("notes.txt")
	must(t, err)
	return u, f
}

func content(t testing.TB, s *Store, ref string) string {
	t.Helper()
	f, err := s.Open(ref)
	must(t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	must(t, err)
	return string(b)
}

// files lists all in dir, below it too, and sees that nobody else may read it.
func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		rel, _ := filepath.Rel(dir, path)
		names = append(names, rel)
		return err
	}))
	return names
}

func TestKeepAndDiscard(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	s := openAt(t, dir, 100, 0)
	kept, f := put(t, s, "bob", "hello")
	if f.Name != "notes.txt" || f.Size != 5 || content(t, s, f.Ref) != "hello" {
		t.Errorf("%+v", f)
	}
	must(t, kept.Keep())
	must(t, kept.Discard()) // has ended
	gone, g := put(t, s, "bob", "hello")
	if g.Ref == f.Ref {
		t.Error("two files have one name")
	}
	must(t, gone.Discard())
	if _, err := s.Open(g.Ref); !errors.Is(err, ErrGone) {
		t.Error(err)
	}
	half, err := s.Create("bob")
	must(t, err)
	_, err = half.Write([]byte("hel"))
	must(t, err)
	must(t, half.Discard())
	if got := files(t, dir); len(got) != 1 || got[0] != f.Ref || content(t, s, f.Ref) != "hello" {
		t.Errorf("there are %q", got)
	}
}

func TestLimit(t *testing.T) {
	s := openAt(t, t.TempDir(), 100, 0)
	u, err := s.Create("bob")
	must(t, err)
	defer u.Discard()
	for _, at := range []int64{-1, 51, 100, 101, 1 << 62, 1<<63 - 1} {
		if _, err := u.WriteAt(make([]byte, 50), at); !errors.Is(err, ErrTooLarge) {
			t.Errorf("at %d: %v", at, err)
		}
	}
	_, err = u.WriteAt(make([]byte, 50), 50)
	must(t, err)
	v, err := s.Create("bob")
	must(t, err)
	defer v.Discard()
	n, err := io.Copy(v, io.LimitReader(zeros{}, 1<<20))
	if size, _ := v.Size(); !errors.Is(err, ErrTooLarge) || n > 100 || size > 100 {
		t.Errorf("%d, %d, %v", n, size, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestManySenders(t *testing.T) {
	s := openAt(t, t.TempDir(), 100, 0)
	var all []func()
	enter := func(want error, n int, nick, from string) {
		t.Helper()
		for i := range n {
			leave, err := s.Enter(strings.Replace(nick, "#", fmt.Sprint(i), 1), netip.MustParseAddr(from))
			if !errors.Is(err, want) {
				t.Fatalf("%s %d: %v", nick, i, err)
			}
			if err == nil {
				all = append(all, leave)
			}
		}
	}
	enter(nil, MaxSendersEach, "bob", "192.0.2.1")
	enter(ErrBusyNick, 1, "bob", "192.0.2.2")
	enter(nil, MaxSendersFrom-MaxSendersEach, "carol#", "192.0.2.1")
	enter(ErrBusy, 1, "dan", "192.0.2.1")
	enter(nil, MaxSendersFrom, "eve#", "2001:db8::1")
	enter(ErrBusy, 1, "dan", "2001:db8::2")
	enter(nil, MaxSendersFrom, "fay#", "192.0.2.3")
	enter(nil, MaxSendersFrom, "gus#", "192.0.2.4")
	enter(ErrBusy, 1, "dan", "192.0.2.5")
	for _, leave := range all {
		leave()
	}
	enter(nil, MaxSendersEach, "bob", "192.0.2.1")
	enter(ErrBusyNick, 1, "bob", "192.0.2.1")
	enter(nil, MaxSendersFrom-MaxSendersEach, "carol#", "192.0.2.1")
	enter(ErrBusy, 1, "dan", "192.0.2.1")
}

// A crash at any point leaves nothing of what no message has, and all of what one has.
func TestRecover(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, 100, 0)
	_, sent := put(t, s, "bob", "sent")
	_, lost := put(t, s, "bob", "lost")
	_, unsure := put(t, s, "carol", "unsure")
	kept, f := put(t, s, "bob", "kept")
	must(t, kept.Keep())
	half, err := s.Create("bob")
	must(t, err)
	_, err = half.Write([]byte("half"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, pendingFolder, "README"), nil, 0o600))
	trouble := errors.New("trouble")
	again := openAt(t, dir, 100, 0)
	ask := func(nick, ref string, at time.Time) (bool, error) {
		if since := time.Since(at); since < 0 || since > time.Hour {
			t.Errorf("%s is of %v", ref, at)
		}
		if nick == "carol" {
			return false, trouble
		}
		return ref == sent.Ref, nil
	}
	for range 2 {
		if err := again.Recover(ask); !errors.Is(err, trouble) {
			t.Error(err)
		}
		for ref, want := range map[string]string{sent.Ref: "sent", unsure.Ref: "unsure", f.Ref: "kept"} {
			if got := content(t, again, ref); got != want {
				t.Errorf("%s has %s", ref, got)
			}
		}
		if got := files(t, dir); len(got) != 5 || strings.Contains(fmt.Sprint(got), lost.Ref) {
			t.Errorf("there are %q", got)
		}
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, 100, time.Hour)
	u, f := put(t, s, "bob", "x")
	must(t, u.Keep())
	must(t, os.WriteFile(filepath.Join(dir, "README"), nil, 0o600))
	must(t, s.Sweep(time.Now().Add(59*time.Minute)))
	content(t, s, f.Ref)
	must(t, openAt(t, dir, 100, 0).Sweep(time.Now().Add(1e6*time.Hour)))
	content(t, s, f.Ref)
	must(t, s.Sweep(time.Now().Add(61*time.Minute)))
	if _, err := s.Open(f.Ref); !errors.Is(err, ErrGone) || len(files(t, dir)) != 1 {
		t.Error(err, files(t, dir))
	}
}

// What stands in a line of a history, whoever wrote it there, opens nothing but files of the store.
func TestForeignRefs(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, filepath.Join(dir, "a"), 100, 0)
	_, f := put(t, s, "bob", "x")
	must(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o600))
	must(t, os.Remove(filepath.Join(dir, "a", f.Ref)))
	must(t, os.Symlink("../secret", filepath.Join(dir, "a", f.Ref)))
	_, g := put(t, s, "bob", "y")
	must(t, os.Remove(filepath.Join(dir, "a", g.Ref)))
	must(t, syscall.Mkfifo(filepath.Join(dir, "a", g.Ref), 0o600))
	for _, ref := range []string{g.Ref, "", ".", "../secret", "/etc/passwd", "new", "new/" + f.Ref, f.Ref, f.Ref + "\n", "x" + f.Ref} {
		if got, err := s.Open(ref); err == nil {
			b, _ := io.ReadAll(got)
			t.Errorf("%q: %q", ref, b)
		}
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, 100, 0)
	_, good := put(t, s, "bob", "good")
	_, bad := put(t, s, "bob", "bad")
	must(t, os.WriteFile(filepath.Join(dir, bad.Ref), []byte("bud"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "README"), nil, 0o600))
	var told bytes.Buffer
	n, err := Check(dir, func(name, problem string) { fmt.Fprintln(&told, name, problem) })
	want := bad.Ref + " the file is damaged\nREADME is no attachment\n"
	if err != nil || n != 2 || told.String() != want {
		t.Errorf("%d, %v, %s; %s is good", n, err, told.String(), good.Ref)
	}
	if _, err := s.Open(bad.Ref); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
	if n, err := Check(filepath.Join(dir, "none"), nil); n != 0 || err != nil {
		t.Error(n, err)
	}
}

// A file is durable before it has its name, and its note before that; where a step fails, nothing is left of it.
func TestFinish(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	var steps []string
	failing := -1
	store := disk.Store{Fault: func(op, path string) error {
		name := refs.ReplaceAllString(filepath.Base(path), "REF")
		if strings.HasSuffix(name, partEnd) {
			name = "PART"
		}
		steps = append(steps, op+" "+name)
		if len(steps) == failing+1 {
			return syscall.EIO
		}
		return nil
	}}
	s, err := open(store, dir, 100, 0)
	must(t, err)
	defer s.Close()
	want := []string{"sync PART", "create REF", "syncdir new", "rename REF", "syncdir a"}
	for n := range len(want) + 1 {
		u, err := s.Create("bob")
		must(t, err)
		_, err = u.Write([]byte("hello"))
		must(t, err)
		steps, failing = nil, n
		_, err = u.Finish("notes.txt")
		if done := min(n+1, len(want)); !slices.Equal(steps, want[:done]) || (err == nil) != (n == len(want)) {
			t.Errorf("%q, %v", steps, err)
		}
		failing = -1
		must(t, u.Discard())
		if got := files(t, dir); len(got) > 0 {
			t.Errorf("after %q there are %q", steps, got)
		}
	}
}

// others are those of a cluster, in memory.
type others struct {
	files map[string]string
	err   error
}

func (o others) PutFile(_ context.Context, name string, content io.Reader) error {
	if o.err != nil {
		return o.err
	}
	b, err := io.ReadAll(content)
	o.files[name] = string(b)
	return err
}

func (o others) GetFile(_ context.Context, name string) (io.ReadCloser, error) {
	text, ok := o.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(strings.NewReader(text)), o.err
}

// TestShared: in a cluster a file is with the others before its message is sent, and every server fetches it
// once, if it is what was sent.
func TestShared(t *testing.T) {
	all := others{files: map[string]string{}}
	here, dir := openAt(t, filepath.Join(t.TempDir(), "here"), 100, time.Hour), filepath.Join(t.TempDir(), "there")
	there := openAt(t, dir, 100, time.Hour)
	here.Share(all)
	there.Share(all)
	u, f := put(t, here, "bob", "hello")
	if all.files[f.Ref] != "hello" {
		t.Fatalf("stored: %q", all.files)
	}
	if got := content(t, there, f.Ref); got != "hello" {
		t.Errorf("fetched %q", got)
	}
	delete(all.files, f.Ref)
	if got := content(t, there, f.Ref); got != "hello" || !slices.Equal(files(t, dir), []string{f.Ref}) {
		t.Errorf("kept %q of %q", got, files(t, dir))
	}
	must(t, u.Keep())

	// One that is not what was sent, or too old, is not believed in, and nothing is left of it.
	u, f = put(t, here, "bob", "other")
	all.files[f.Ref] = "wrong"
	if _, err := there.Open(f.Ref); !errors.Is(err, ErrDamaged) || len(files(t, dir)) != 1 {
		t.Errorf("a damaged file: %v, %q", err, files(t, dir))
	}
	must(t, u.Discard())
	old := time.Now().UTC().Add(-2*time.Hour).Format(stamp) + f.Ref[len(stamp):]
	all.files[old] = "other"
	for _, ref := range []string{old, strings.Replace(f.Ref, "bob", "eve", 1)} {
		if _, err := there.Open(ref); !errors.Is(err, ErrGone) {
			t.Errorf("%s: %v", ref, err)
		}
	}

	// Where the others can't store it, it can't be sent.
	here.Share(others{err: room.ErrCluster})
	u, err := here.Create("bob")
	must(t, err)
	if _, err := u.Finish("x"); !errors.Is(err, room.ErrCluster) {
		t.Errorf("the others failed: %v", err)
	}
	must(t, u.Discard())
}
