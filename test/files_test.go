package test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// filer is a person with a key who sends and gets files.
type filer struct {
	s    *server
	nick string
	keys []string
}

// filers have registered their nicks.
func filers(t testing.TB, s *server, nicks ...string) (all []filer) {
	t.Helper()
	for _, nick := range nicks {
		f := filer{s, nick, []string{newKey(t)}}
		f.run("", 0, nick, "nick")
		all = append(all, f)
	}
	return all
}

// run runs a command, which has to end with this status and say this.
func (f filer) run(input string, status int, words string, command ...string) string {
	f.s.t.Helper()
	out, got := f.s.runs(f.nick, f.keys, input, command...)
	if got != status || !strings.Contains(out, words) {
		f.s.t.Errorf("%s %.60q: exit status %d, want %d; %.300q lacks %q", f.nick, command, got, status, out, words)
	}
	return out
}

// fileFact is the line of a message with a file, and its ID.
var fileFact = regexp.MustCompile(`(?m)^\S+\t([0-9a-z]{11})\t(?:direct|group)\t\S+\t\S+\t.* \([0-9.]+ (?:bytes?|KB|MB)\)$`)

// offered returns the IDs of the files that the inbox has, which is read by that.
func (f filer) offered() (ids []string) {
	f.s.t.Helper()
	for _, found := range fileFact.FindAllStringSubmatch(f.run("", 0, "", "inbox"), -1) {
		ids = append(ids, found[1])
	}
	return ids
}

// stored lists what is in the folder of the files.
func (s *server) stored() (names []string) {
	s.t.Helper()
	dir := filepath.Join(s.data, "attachments")
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, d.Name())
		}
		return nil // or it is gone meanwhile
	}); err != nil {
		s.t.Fatal(err)
	}
	return names
}

// holds waits until so many files are stored.
func (s *server) holds(n int) {
	s.t.Helper()
	for end := time.Now().Add(patience); len(s.stored()) != n; {
		if time.Now().After(end) {
			s.t.Fatalf("there are %q, want %d", s.stored(), n)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// receives reports whether a file that begins like that is coming in.
func (s *server) receives(content string) bool {
	parts, _ := filepath.Glob(filepath.Join(s.data, "attachments", "new", "*.part")) // the pattern is a good one
	return slices.ContainsFunc(parts, func(part string) bool {
		got, err := os.ReadFile(part)
		return err == nil && string(got) == content
	})
}

// A file goes to those it was sent to, as it is, and to nobody else.
func TestFiles(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir())
	all := filers(t, s, "bob", "carol", "dave", "eve")
	bob, carol, dave, eve := all[0], all[1], all[2], all[3]
	content := "one\r\ntwo\x00\x1b[2J\xff\n\n"
	bob.run(content, 0, "kept for dave", "paste", "carol,dave", "--name", "notes.txt")
	inbox := carol.run("", 0, "\tgroup\tbob\tcarol,dave\tnotes.txt (16 bytes)\n", "inbox")
	id := fileFact.FindStringSubmatch(inbox)[1][7:] // as a screen shows it
	for _, f := range []filer{bob, carol, dave} {
		if got := f.run("", 0, "", "fetch", id); got != content {
			t.Errorf("%s got %q", f.nick, got)
		}
	}
	eve.run("", 1, `whoelse: no message to or from you with the ID "`+id+`" has a file`, "fetch", id)
	eve.run("", 1, "no message", "fetch", id[1:])
	eve.run("", 2, "whoelse: fetch: missing ID", "fetch")
	dave.run("", 0, "notes.txt (16 bytes)", "inbox", "all", "1")
	if out, status := s.runs("mallory", nil, "x", "paste", "bob"); status != 4 || !strings.Contains(out, "guests can't send files") {
		t.Errorf("a guest: %d, %q", status, out)
	}
	if out, status := s.runs("mallory", nil, "", "fetch", id); status != 4 || !strings.Contains(out, "guests have no files") {
		t.Errorf("a guest: %d, %q", status, out)
	}
	bob.run("x", 67, "nobody is called nosuch", "paste", "nosuch")
	bob.run("x", 3, "nobody is called nosuch", "paste", "nosuch,carol")
	bob.run("x", 1, "~mallory is a guest", "paste", "~mallory")
	bob.run("x", 2, `unexpected argument "now"`, "paste", "carol", "now")
	bob.run("", 0, "kept for carol", "paste", "carol") // an empty one
	carol.run("", 0, "\tpaste.txt (0 bytes)", "inbox")
	s.holds(3)
	// A history that is gone leaves nothing to fetch.
	carol.run("", 0, "", "block", "bob")
	carol.run("", 1, "no message", "fetch", id)
	bob.run("x", 1, "carol", "paste", "carol")
	s.holds(3)
}

// What the server's limits say of files, and the data folder holds no more than they allow.
func TestFileLimits(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), "--attachment-max", "24K", "--max-bytes-per-nick", "1M")
	all := filers(t, s, "bob", "carol", "dave")
	bob, carol, dave := all[0], all[1], all[2]
	largest := strings.Repeat("x", 24<<10)
	bob.run(largest+"x", 1, "whoelse: not sent: the file is larger than 24.0 KB, the limit of this server", "paste", "carol")
	s.holds(0)
	// A stream without end is read no further than the limit.
	endless := s.openSSH("bob", bob.keys, nil, "paste", "carol")
	endless.Stdin = zeros{}
	out, err := endless.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "larger than 24.0 KB") {
		t.Errorf("%v, %q", err, out)
	}
	s.holds(0)
	const sent = 2 // a 16th of 1M within a minute; what the third one lacks is there again 20 s later
	for range sent {
		bob.run(largest, 0, "kept for carol", "paste", "carol")
	}
	bob.run(largest, 1, "not sent: you have reached your limit for one minute; try again in ", "paste", "carol")
	dave.run("x", 0, "kept for carol", "paste", "carol")
	s.holds(sent + 1)
	if got := len(carol.offered()); got != sent+1 {
		t.Errorf("carol has %d", got)
	}
	s.signal(syscall.SIGTERM, patience)
	off := startServer(t, s.data, "--attachment-max", "0")
	bob.s, carol.s = off, off
	bob.run("x", 1, "not sent: files are turned off on this server", "paste", "carol")
	off.holds(sent + 1)
}

// The largest file takes all of a minute's limit, and goes through in spite of a message before it.
func TestLargestFile(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir())
	all := filers(t, s, "bob", "carol")
	all[0].run("", 0, "kept for carol", "send", "carol", "a file follows")
	all[0].run(strings.Repeat("x", 1<<20), 0, "kept for carol", "paste", "carol")
	all[0].run(strings.Repeat("x", 1<<20), 1, "not sent: you have reached your limit for one minute; try again in ", "paste", "carol")
	if got := all[1].run("", 0, "", "fetch", all[1].offered()[0]); got != strings.Repeat("x", 1<<20) {
		t.Errorf("%d bytes", len(got))
	}
}

// What one address, and one network, may store in files is added up over nicks.
func TestFilesOfAnAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ flag, words string }{
		{"--max-bytes-per-address", "not sent: your address has reached its limit for one minute"},
		{"--max-bytes-per-network", "not sent: your network has reached its limit for one minute"},
		{"--max-bytes-per-minute", "not sent: the room has reached its limit for one minute"},
	} {
		limit := "1M" // and a 16th of it in a minute
		if c.flag == "--max-bytes-per-minute" {
			limit = "64K"
		}
		s := startServer(t, t.TempDir(), "--exempt", "none", c.flag, limit, "--max-claims-per-address", "0")
		all := filers(t, s, "bob", "carol", "dave")
		large := strings.Repeat("x", 27<<10) // what a third one lacks is there again 20 s later
		all[0].run(large, 0, "kept for dave", "paste", "dave")
		all[1].run(large, 0, "kept for dave", "paste", "dave")
		all[1].run(large, 1, c.words, "paste", "dave")
		s.holds(2)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// Who is muted can't send files, and can fetch them.
func TestFilesOfTheMuted(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "mutes.json"), []byte(`[{"nick":"bob","by":"the file"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, data)
	all := filers(t, s, "bob", "carol")
	all[0].run("x", 4, "the file muted you", "paste", "carol")
	all[1].run("hello", 0, "", "paste", "bob")
	if got := all[0].run("", 0, "", "fetch", all[0].offered()[0]); got != "hello" {
		t.Error(got)
	}
	s.holds(1)
}

// A client that is killed in the middle of a file has sent nothing, and leaves nothing.
func TestHalfAFile(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir())
	all := filers(t, s, "bob", "carol")
	cmd := s.openSSH("bob", all[0].keys, nil, "paste", "carol")
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		_, err = io.WriteString(in, strings.Repeat("x", 100_000))
	}
	if err != nil {
		t.Fatal(err)
	}
	s.holds(1)
	cmd.Process.Kill()
	cmd.Wait()
	s.holds(0)
	if got := all[1].offered(); len(got) > 0 {
		t.Errorf("carol was offered %q", got)
	}
}

// The server is killed while files are sent. Each one that was acknowledged is there afterwards,
// every message has its file, and what no message has is gone.
func TestFilesSurviveKills(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := startServer(t, data)
	all := filers(t, s, "bob", "carol", "dave")
	carol := all[1]
	var mu sync.Mutex
	acked := map[string]bool{}
	number := 0
	for range crashes(t) {
		var senders sync.WaitGroup
		enough := make(chan struct{}, 2)
		for _, f := range []filer{all[0], all[2]} {
			senders.Go(func() {
				for sent, status := 0, 0; status == 0; sent++ {
					if sent == 3 {
						enough <- struct{}{}
					}
					mu.Lock()
					number++
					content := fmt.Sprint("content ", number)
					mu.Unlock()
					if _, status = f.s.runs(f.nick, f.keys, content, "paste", "carol"); status == 0 {
						mu.Lock()
						acked[content] = true
						mu.Unlock()
					}
				}
			})
		}
		<-enough
		half := s.openSSH("carol", carol.keys, nil, "paste", "bob")
		in, err := half.StdinPipe()
		if err == nil {
			err = half.Start()
		}
		if err == nil {
			_, err = io.WriteString(in, "half of a file")
		}
		if err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(patience); !s.receives("half of a file"); {
			if time.Now().After(end) {
				t.Fatal("nothing is written")
			}
			<-time.After(10 * time.Millisecond)
		}
		s.kill()
		half.Wait()
		senders.Wait()
		s = startServer(t, data)
		for i := range all {
			all[i].s = s
		}
		carol.s = s
	}
	left := map[string]bool{}
	for _, name := range s.stored() {
		left[name] = true
	}
	history, err := exec.Command(binary, "history", "carol", "--json", "-n", "10000", "--data", data).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`"ref":"([^"]*)"`).FindAllSubmatch(history, -1) {
		ref := string(found[1])
		content, err := os.ReadFile(filepath.Join(data, "attachments", ref))
		if err != nil {
			t.Errorf("a message has no file: %v", err)
		}
		delete(acked, string(content))
		delete(left, ref)
	}
	if len(acked) > 0 || len(left) > 0 {
		t.Errorf("acknowledged and lost: %v; without a message: %v", acked, left)
	}
}

// Files are in a backup, and in what is restored from it; check finds damaged ones; they go when
// they are too old.
func TestFilesInTheFolder(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir())
	all := filers(t, s, "bob", "carol")
	all[0].run("hello", 0, "", "paste", "carol")
	id := all[1].offered()[0]
	backup, restored := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "restored")
	mustRun(t, binary, "backup", backup, "--data", s.data)
	mustRun(t, binary, "restore", backup, "--data", restored)
	mustRun(t, binary, "check", "--data", restored)
	again := startServer(t, restored)
	carol := filer{again, "carol", all[1].keys}
	if got := carol.run("", 0, "", "fetch", id); got != "hello" {
		t.Error(got)
	}
	file := filepath.Join(restored, "attachments", again.stored()[0])
	if err := os.WriteFile(file, []byte("hullo"), 0o600); err != nil {
		t.Fatal(err)
	}
	carol.run("", 1, "whoelse: reading the file failed: storage trouble", "fetch", id)
	out, err := exec.Command(binary, "check", "--data", restored).CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("the file is damaged")) {
		t.Errorf("%v: %s", err, out)
	}
	if err := os.Remove(filepath.Join(restored, "attachments", "new")); err != nil {
		t.Fatal(err)
	}
	carol.run("x", 1, "whoelse: storing the file failed: storage trouble", "paste", "bob")
	// It is two days old, by its name.
	old := "20260101T000000.000000Z" + filepath.Base(file)[len("20260101T000000.000000Z"):]
	if err := os.Rename(file, filepath.Join(filepath.Dir(file), old)); err != nil {
		t.Fatal(err)
	}
	again.signal(syscall.SIGTERM, patience)
	carol.s = startServer(t, restored, "--retention", "24h")
	carol.s.holds(0)
	carol.run("", 1, "whoelse: paste.txt is no longer kept", "fetch", id)
}

// scp runs the real scp in one of its modes: -s, by sftp, or -O, by its old protocol.
func (f filer) scp(mode string, status int, words string, args ...string) (said string) {
	f.s.t.Helper()
	needClient(f.s.t, "scp")
	ssh := f.s.openSSH(f.nick, f.keys, nil).Args
	flags := append(slices.Clone(ssh[1:len(ssh)-1]), mode)
	flags[slices.Index(flags, "-p")] = "-P"
	for i, arg := range args {
		if to, remote := strings.CutPrefix(arg, "HOST:"); remote {
			args[i] = f.nick + "@127.0.0.1:" + to
		}
	}
	out, got := output(f.s.t, clientCommand(f.s.t, "scp", append(flags, args...)...), "")
	if got != status || !strings.Contains(out, words) {
		f.s.t.Errorf("%s scp %s %q: exit status %d, want %d; %q lacks %q", f.nick, mode, args, got, status, out, words)
	}
	if n := strings.Count(out, words); words != "" && n > 1 {
		f.s.t.Errorf("%s scp %s %q: it is said %d times:\n%s", f.nick, mode, args, n, out)
	}
	return out
}

func TestSCP(t *testing.T)           { t.Parallel(); testSCP(t, "-s") }
func TestSCPOfOldTimes(t *testing.T) { t.Parallel(); testSCP(t, "-O") }

func testSCP(t *testing.T, mode string) {
	s := startServer(t, t.TempDir(), "--attachment-max", "200K", "--message-rate", "0")
	all := filers(t, s, "bob", "carol", "dave")
	bob, carol, dave := all[0], all[1], all[2]
	dir := t.TempDir()
	local := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	notes, empty := local("notes.txt", []byte("hello")), local("empty", nil)
	large := make([]byte, 200<<10)
	for i := range large {
		large[i] = byte(i * i >> 8)
	}
	whole, over := local("whole", large), local("over", append(large, 0))
	odd := local("a \x1b[2J b.txt", []byte("odd"))
	bob.scp(mode, 0, "", notes, "HOST:carol/")
	bob.scp(mode, 0, "", notes, "HOST:carol")
	bob.scp(mode, 0, "", notes, "HOST:carol/other.txt")
	bob.scp(mode, 0, "", notes, "HOST:/carol,dave/")
	bob.scp(mode, 0, "", "-p", empty, odd, "HOST:carol/")
	bob.scp(mode, 0, "", whole, "HOST:carol/")
	inbox := carol.run("", 0, "", "inbox")
	for _, words := range []string{
		"\tbob\tcarol\tnotes.txt (5 bytes)\n", "\tbob\tcarol\tother.txt (5 bytes)\n", "\tbob\tcarol,dave\tnotes.txt (5 bytes)\n",
		"\tempty (0 bytes)\n", "\ta  b.txt (3 bytes)\n", "\twhole (200.0 KB)\n",
	} {
		if !strings.Contains(inbox, words) {
			t.Errorf("%q is not in\n%s", words, inbox)
		}
	}
	ids := fileFact.FindAllStringSubmatch(inbox, -1)
	if len(ids) != 7 {
		t.Fatalf("%d files are offered:\n%s", len(ids), inbox)
	}
	for i, want := range map[int]string{0: "hello", 3: "hello", 4: "", 5: "odd", 6: string(large)} {
		if got := carol.run("", 0, "", "fetch", ids[i][1]); got != want {
			t.Errorf("file %d: %d bytes, want %d", i, len(got), len(want))
		}
	}
	if got := dave.offered(); len(got) != 1 {
		t.Errorf("dave was offered %q", got)
	}
	folder := filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	bob.scp(mode, 1, "whoelse: not sent: the file is larger than 200.0 KB, the limit of this server", over, "HOST:carol/")
	bob.scp(mode, 1, "whoelse: nobody is called carrol; did you mean carol?", notes, "HOST:carrol/")
	bob.scp(mode, 1, "whoelse: nobody is called nosuch", notes, "HOST:carol,nosuch/")
	bob.scp(mode, 1, "whoelse: folders can't be sent", "-r", folder, "HOST:carol/")
	bob.scp(mode, 1, "whoelse: name a recipient: scp FILE HOST:NICK/", notes, "HOST:")
	bob.scp(mode, 1, "", notes, "HOST:carol/a/b")
	bob.scp(mode, 1, "", notes, "HOST:../../etc/passwd")
	for _, path := range []string{"notes.txt", "carol", "carol/notes.txt"} {
		said := bob.scp(mode, 1, "to get one: ssh HOST fetch ID > FILE", "HOST:"+path, dir)
		if strings.Contains(said, "nobody") {
			t.Errorf("what is a nick in %s: %s", path, said)
		}
	}
	bob.scp(mode, 1, "whoelse: not sent: that is you", notes, "HOST:bob/")
	guest := filer{s, "mallory", nil}
	guest.scp(mode, map[string]int{"-s": 255, "-O": 1}[mode], "guests can't send files", notes, "HOST:carol/")
	s.holds(7)
	if got := carol.offered(); len(got) > 0 {
		t.Errorf("carol was offered %q", got)
	}
}

// Whoever has a nick after somebody else can't fetch that one's files; the sender can.
func TestFilesOfARetiredNick(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), "--nick-reserve", "0")
	all := filers(t, s, "bob", "carol")
	bob, carol := all[0], all[1]
	bob.run("hello", 0, "", "paste", "carol")
	id := carol.offered()[0]
	carol.run("", 0, "", "key", "leave", "carol")
	s.logs(1, `msg="nick retired" nick=carol`)
	next := filers(t, s, "carol")[0]
	next.run("", 1, "no message to or from you", "fetch", id)
	if got := bob.run("", 0, "", "fetch", id); got != "hello" {
		t.Errorf("bob got %q", got)
	}
}
