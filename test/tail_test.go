package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The loop that the README has for a file of all that is said, with the real client, whose connections
// are cut again and again: each line is in the file once, in order.
func TestTailToAFile(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir())
	key := []string{newKey(t)}
	carol := plug(t, "carol", s.openSSH("carol", []string{newKey(t)}, []string{"-T"}))
	carol.sees("you are carol")

	_, rest, _ := strings.Cut(document(t, "README.md"), "    touch room.tsv\n")
	loop, _, found := strings.Cut(rest, "\n\n")
	real := s.openSSH("bob", key, []string{"-n"}, "tail")
	const documented, pause = "ssh -n -p 2222 bob@host tail", "sleep 3"
	if !found || !strings.Contains(loop, documented) || !strings.Contains(loop, pause) {
		t.Fatalf("the README has another loop: %q", loop)
	}
	dir := t.TempDir()
	client := "#!/bin/sh\necho $$ >client.new && mv client.new client\nexec '" + strings.Join(real.Args[:len(real.Args)-1], "' '") + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "chat"), []byte(client), 0o700); err != nil {
		t.Fatal(err)
	}
	loop = strings.Replace(strings.Replace(loop, documented, "./chat tail", 1), pause, "sleep 0.05", 1)
	sh := exec.Command("sh", "-c", "touch room.tsv\n"+loop)
	sh.Dir, sh.Env, sh.SysProcAttr = dir, real.Env, &syscall.SysProcAttr{Setpgid: true}
	if err := sh.Start(); err != nil {
		t.Fatal(err)
	}
	defer sh.Wait()
	defer syscall.Kill(-sh.Process.Pid, syscall.SIGKILL) // the loop and the client

	lines := func() (texts []string) {
		file, _ := os.ReadFile(filepath.Join(dir, "room.tsv"))
		for line := range strings.Lines(string(file)) {
			columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
			if len(columns) == 6 {
				texts = append(texts, columns[5])
			}
		}
		return texts
	}
	await := func(what string, ok func() bool) {
		t.Helper()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for late := time.After(time.Minute); !ok(); {
			select {
			case <-tick.C:
			case <-late:
				t.Fatalf("%s; the file has %d lines", what, len(lines()))
			}
		}
	}
	var want []string
	for round := range 5 {
		for n := range 4 {
			want = append(want, fmt.Sprintf("round %d line %d", round, n))
			carol.types(want[len(want)-1])
		}
		await("nothing comes", func() bool { return len(lines()) > 4*round })
		before, err := os.ReadFile(filepath.Join(dir, "client"))
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(before)))
		if err != nil {
			t.Fatal(err)
		}
		syscall.Kill(pid, syscall.SIGKILL)
		await("the client is not started again", func() bool {
			now, _ := os.ReadFile(filepath.Join(dir, "client"))
			return string(now) != string(before)
		})
	}
	carol.types("the end")
	want = append(want, "the end")
	await("some lines are missing", func() bool { return len(lines()) >= len(want) })
	if got := lines(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the file has:\n%s", strings.Join(got, "\n"))
	}
}

// Waiting for somebody, as a script does, and following the room with a terminal until ^C.
func TestWatchAndInterrupt(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir())
	bobKey, carolKey := []string{newKey(t)}, []string{newKey(t)}
	if out, status := output(t, s.openSSH("bob", bobKey, nil, "watch carol"), ""); status != 67 || !strings.Contains(out, "nobody is called carol") {
		t.Errorf("%d %q", status, out)
	}
	output(t, s.openSSH("carol", carolKey, nil, "say hello"), "")
	watch := plug(t, "bob", s.openSSH("bob", bobKey, []string{"-n"}, "watch carol"))
	tail := sitDown(t, "bob", s.openSSH("bob", bobKey, []string{"-t"}, "tail"))
	tail.sees("\tcarol\t#lobby\thello")
	carol := sitDown(t, "carol", s.openSSH("carol", carolKey, nil))
	carol.sees("nobody else is here")
	if status := watch.leaves(); status != 0 {
		t.Errorf("watch ends with %d", status)
	}
	carol.types("for the record")
	tail.sees("\tcarol\t#lobby\tfor the record")
	if _, err := tail.keys.Write([]byte("\x03")); err != nil {
		t.Fatal(err)
	}
	if status := tail.leaves(); status != 0 {
		t.Errorf("^C ends tail with %d", status)
	}
}
