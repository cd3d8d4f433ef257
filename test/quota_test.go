package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// With limits on what is stored, who is over one is told which, and nothing of it is kept.
func TestBytesOfANick(t *testing.T) {
	t.Parallel()
	// A 16th of 64K is 4 KiB a minute: two of these to nobody but the room, or one to three people.
	s := startServer(t, t.TempDir(), "--max-bytes-per-nick", "64K", "--max-bytes-per-address", "64K", "--max-bytes-per-network", "0")
	bobKey, carolKey := []string{newKey(t)}, []string{newKey(t)}
	s.runs("carol", carolKey, "", "nick")
	try := func(who string, key []string, status int, words string, command ...string) {
		t.Helper()
		if out, got := s.runs(who, key, "", command...); got != status || !strings.Contains(out, words) {
			t.Errorf("%s %.40q: exit status %d, want %d; %q lacks %q", who, command, got, status, out, words)
		}
	}
	long := strings.Repeat("x", 1500)
	try("bob", bobKey, 67, "nobody is called nobodyhere", "send", "nobodyhere", "free-of-charge "+long)
	try("bob", bobKey, 0, "kept for carol", "send", "carol", "the-first "+long)
	try("bob", bobKey, 1, "whoelse: not sent: you have reached your limit for one minute; try again in ", "send", "carol", "the-second "+long)
	try("bob", bobKey, 1, "whoelse: not sent: you have reached your limit", "say", "the-third "+long)
	try("carol", carolKey, 0, "", "say", "the-fourth "+long) // loopback is exempt by address
	files, err := filepath.Glob(filepath.Join(s.data, "history", "users", "*.jsonl"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	files = append(files, filepath.Join(s.data, "history", "rooms", "lobby.jsonl"))
	kept := ""
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		kept += string(b)
	}
	for text, want := range map[string]int{"free-of-charge": 0, "the-first": 2, "the-second": 0, "the-third": 0, "the-fourth": 1} {
		if got := strings.Count(kept, text); got != want {
			t.Errorf("%s is kept %d times, want %d", text, got, want)
		}
	}
}

// The data folder as a whole: who can still do what as it fills, and what is said about it.
func TestDataMax(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	const max = 16 << 20
	bobKey := []string{newKey(t)}
	for i, step := range []struct {
		percent           int64
		guest, claim, bob int
		health            int
		words             string
	}{
		{10, 0, 0, 0, 200, "ok\n"},
		{82, 1, 0, 0, 200, "ok, but the data folder is at 82 % of --data-max\n"},
		{91, 1, 1, 0, 200, "ok, but the data folder is at 91 % of --data-max\n"},
		{96, 1, 1, 1, 503, "storage trouble: the data folder is at 96 % of --data-max\n"},
		{10, 0, 0, 0, 200, "ok\n"},
	} {
		filler := filepath.Join(data, "filler")
		if err := os.WriteFile(filler, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filler, max*step.percent/100); err != nil {
			t.Fatal(err)
		}
		s, m := startMonitored(t, data, "--data-max", "16M")
		try := func(what string, status int, words, out string, got int) {
			t.Helper()
			if got != status || status != 0 && !strings.Contains(out, words) {
				t.Errorf("at %d %%, %s: exit status %d, want %d: %q", step.percent, what, got, status, out)
			}
		}
		out, got := s.runs("bob", bobKey, "", "say", "hello")
		try("bob", step.bob, "whoelse: not sent: the server is out of space for messages", out, got)
		out, got = s.runs(fmt.Sprint("new", i), []string{newKey(t)}, "", "nick")
		try("a claim", step.claim, "whoelse: the server is short of space, so no new nicks can be claimed for now", out, got)
		out, got = output(t, s.openSSH("ann", nil, []string{"-T"}), "hello\n")
		try("a guest", step.guest, "not sent: the server is ", out, got)
		if out, got = s.runs("bob", bobKey, "", "history"); got != 0 || !strings.Contains(out, "\tbob\t#lobby\thello") {
			t.Errorf("reading: exit status %d: %q", got, out)
		}
		m.healthy(step.health, step.words)
		m.tells(fmt.Sprintf("whoelse_data_max_bytes %g", float64(max)))
		if err := s.signal(syscall.SIGTERM, patience); err != nil { // then the log is whole
			t.Error(err)
		}
		if warned := strings.Contains(s.log(), "free some space or raise --data-max"); warned != (step.percent > 80) {
			t.Errorf("at %d %% the log says:\n%s", step.percent, s.log())
		}
	}
}

func TestQuotaFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ flag, value, words string }{
		{"--max-bytes-per-nick", "1K", "--max-bytes-per-nick 1K: must be a size of 64K or more, such as 64M, or 0 for no limit"},
		{"--max-bytes-per-address", "x", "--max-bytes-per-address x: must be a size"},
		{"--max-bytes-per-network", "-1", "must be a size"},
		{"--max-bytes-per-minute", "63K", "--max-bytes-per-minute 63K: must be a size of 64K or more"},
		{"--data-max", "1M", "--data-max 1M: must be a size of 16M or more, such as 16G, or 0 for no limit"},
	} {
		if out, status := output(t, exec.Command(binary, "--data", t.TempDir(), c.flag, c.value), ""); status != 2 || !strings.Contains(out, c.words) {
			t.Errorf("%s %s: exit status %d, %q", c.flag, c.value, status, out)
		}
	}
}

// Without a proxy's headers everybody is 127.0.0.1, which is exempt: that is said at start
// where it can be known, else once many have come and none from elsewhere.
func TestEverybodyFromLoopback(t *testing.T) {
	t.Parallel()
	const atStart, later = "only loopback addresses can connect,", "everyone so far came from a loopback address"
	for _, c := range []struct {
		listen       string
		more         []string
		start, later int
	}{
		{"127.0.0.1:0", nil, 1, 0},
		{"127.0.0.1:0", []string{"--exempt", "none", "--max-per-minute", "1000"}, 0, 0},
		{"127.0.0.1:0", []string{"--trusted-proxy", "127.0.0.1"}, 0, 0},
		{"0.0.0.0:0", nil, 0, 1},
		{"0.0.0.0:0", []string{"--exempt", "192.0.2.0/24", "--max-per-minute", "1000"}, 0, 0},
	} {
		s := startServer(t, t.TempDir(), append([]string{"--listen", c.listen}, c.more...)...)
		for n := range 25 {
			if out, status := s.runs(fmt.Sprint("guest", n), nil, "", "nick"); status != 0 {
				t.Error(out)
			}
		}
		if err := s.signal(syscall.SIGTERM, patience); err != nil { // then the log is whole
			t.Error(err)
		}
		log := s.log()
		if n, m := strings.Count(log, atStart), strings.Count(log, later); n != c.start || m != c.later {
			t.Errorf("%s %q: said %d times at start and %d later:\n%s", c.listen, c.more, n, m, log)
		}
	}
}

// As people fill the folder while the server runs, the operators who are there are told,
// and so is who can't send any more.
func TestDataMaxIsReached(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	filler := filepath.Join(data, "filler")
	if err := os.WriteFile(filler, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filler, 16<<20*94/100); err != nil {
		t.Fatal(err)
	}
	s, m := startMonitored(t, data, "--data-max", "16M", "--message-rate", "0")
	alice := newKey(t)
	s.manage("add", "alice", "--key", alice+".pub", "--operator")
	bob := newKey(t)
	s.manage("add", "bob", "--key", bob+".pub")
	known := func() bool {
		_, status := s.runs("bob", []string{bob}, "", "nick")
		return status == 0
	}
	if !inTime(known) { // an edit is read a moment later
		t.Fatal(s.log())
	}
	operator := sitDown(t, "alice", s.openSSH("alice", []string{alice}, nil))
	operator.sees("you are alice", "> ")
	out, status := output(t, s.openSSH("bob", []string{bob}, []string{"-T"}), strings.Repeat(strings.Repeat("x", 3000)+"\n", 90))
	if status != 1 || !strings.Contains(out, "not sent: the server is out of space for messages; please try again later") {
		t.Errorf("exit status %d: %.2000q", status, out)
	}
	if said := strings.Count(out, "bob: xxx"); said < 20 || said > 60 {
		t.Errorf("%d lines were said", said)
	}
	operator.sees("the data folder is at 95 % of --data-max: nobody can send messages")
	m.tells("whoelse_data_stage 3")
	m.healthy(503, "storage trouble: ")
	s.logs(1, "nobody can send messages; free some space or raise --data-max")
}
