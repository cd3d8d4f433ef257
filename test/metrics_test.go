package test

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// monitor asks a server's metrics as a monitoring system would.
type monitor struct {
	t      testing.TB
	url    string
	client *http.Client
}

var metricsLine = regexp.MustCompile(`msg="serving metrics" url=(http://127\.0\.0\.1:\d+)/metrics`)

func startMonitored(t testing.TB, data string, args ...string) (*server, *monitor) {
	t.Helper()
	s := startServer(t, data, append(args, "--metrics", ":0")...)
	var line []string
	if !inTime(func() bool { line = metricsLine.FindStringSubmatch(s.log()); return line != nil }) {
		t.Fatalf("the log does not say where the metrics are:\n%s", s.log())
	}
	m := &monitor{t, line[1], &http.Client{Timeout: patience, Transport: &http.Transport{}}}
	t.Cleanup(m.client.CloseIdleConnections)
	return s, m
}

// inTime looks again and again whether something is so.
func inTime(so func() bool) bool {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-look.C {
		if so() {
			return true
		}
	}
	return so()
}

// get returns the status, the type and the text of what is at path.
func (m *monitor) get(path, accept string) (int, string, string) {
	m.t.Helper()
	req, err := http.NewRequest(http.MethodGet, m.url+path, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	resp, err := m.client.Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(text)
}

// tells fails the test unless each of these lines is among the metrics.
func (m *monitor) tells(lines ...string) {
	m.t.Helper()
	_, _, text := m.get("/metrics", "text/plain")
	for _, line := range lines {
		if !strings.Contains("\n"+text, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, " ")
			have := regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(name)+` .*$`).FindAllString(text, -1)
			m.t.Errorf("the metrics lack %q, but have %q", line, have)
		}
	}
}

// healthy fails the test unless /healthz says this.
func (m *monitor) healthy(status int, words string) {
	m.t.Helper()
	if got, _, text := m.get("/healthz", ""); got != status || !strings.HasPrefix(text, words) || strings.Count(text, "\n") != 1 {
		m.t.Errorf("health: %d %q, want %d %q", got, text, status, words)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s, m := startMonitored(t, t.TempDir())
	m.healthy(200, "ok\n")
	m.tells("whoelse_members 0", `whoelse_messages_total{kind="direct"} 0`, "whoelse_storage_trouble 0")
	bob := sitDown(t, "bob", s.openSSH("bob", []string{newKey(t)}, nil))
	bob.sees("you are bob", "> ")
	ann := plug(t, "ann", s.openSSH("ann", nil, []string{"-T"}))
	ann.sees("you are ~ann")
	bob.types("@~ann hi")
	bob.sees("delivered to ~ann")
	bob.types("hello")
	ann.sees("bob: hello")
	m.tells("whoelse_members 2", "whoelse_guests 1", "whoelse_sessions 2", `whoelse_connections{state="in"} 2`,
		`whoelse_connections{state="login"} 0`, "whoelse_connections_admitted_total 2", `whoelse_connections_refused_total{reason="rate"} 0`,
		`whoelse_logins_failed_total{how="authfail"} 0`,
		`whoelse_messages_total{kind="direct"} 1`, `whoelse_messages_total{kind="room"} 1`, `whoelse_messages_total{kind="group"} 0`,
		"whoelse_storage_refused_total 0", "whoelse_storage_damaged_total 0", "whoelse_log_segments 1", "whoelse_histories_late 0",
		"whoelse_history_syncs_total 0", "# TYPE whoelse_members gauge", "# TYPE whoelse_messages_total counter")

	_, kind, text := m.get("/metrics", "application/openmetrics-text; version=1.0.0")
	if !strings.HasPrefix(kind, "application/openmetrics-text") || !strings.HasSuffix(text, "\n# EOF\n") {
		t.Errorf("OpenMetrics is %s, ends with %q", kind, text[max(0, len(text)-40):])
	}
	for _, want := range []string{"\nwhoelse_info{version=\"", "\nwhoelse_log_bytes ", "\nwhoelse_log_syncs_total ", "\ngo_goroutines ", "\nprocess_open_fds ", "\n# TYPE whoelse_messages counter\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("OpenMetrics lacks %q", want)
		}
	}
	for _, path := range []string{"/", "/debug/pprof/", "/metrics/x"} {
		if status, _, _ := m.get(path, ""); status != 404 {
			t.Errorf("%s is there: %d", path, status)
		}
	}
	if err := s.signal(syscall.SIGTERM, patience); err != nil { // with a connection that is kept open
		t.Error(err)
	}
}

// The folder is gone: it is told to who sends, by the metrics, and once in the log.
func TestMetricsWithoutStorage(t *testing.T) {
	t.Parallel()
	s, m := startMonitored(t, t.TempDir())
	key := newKey(t)
	say := func(wants int) {
		t.Helper()
		if out, status := s.runs("bob", []string{key}, "", "send", "carol", "hi"); status != wants {
			t.Fatalf("exit status %d: %s", status, out)
		}
	}
	s.runs("carol", []string{newKey(t)}, "", "nick")
	say(0)
	if err := os.RemoveAll(filepath.Join(s.data, "history")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		say(1)
	}
	m.tells("whoelse_storage_trouble 1", "whoelse_storage_refused_total 3", `whoelse_messages_total{kind="direct"} 1`)
	m.healthy(503, "storage trouble: ")
	s.kill() // then all of the log is there
	// Not for each refusal, but once more when no new journal could be made, a while later.
	if n := strings.Count(s.log(), "nothing is accepted until"); n < 1 || n > 2 {
		t.Errorf("the log says %d times that nothing is accepted:\n%s", n, s.log())
	}
}

// What was in the way of storage goes away: whoever watches is told, without anybody
// having to send something.
func TestMetricsWhenStorageIsBack(t *testing.T) {
	t.Parallel()
	s, m := startMonitored(t, t.TempDir())
	key := newKey(t)
	s.runs("carol", []string{newKey(t)}, "", "nick")
	send := func() (string, int) {
		return s.runs("bob", []string{key}, "", "send", "carol", "hi")
	}
	if out, status := send(); status != 0 {
		t.Fatal(out)
	}
	segments, err := filepath.Glob(filepath.Join(s.data, "history", "log", "*.jsonl"))
	if err != nil || len(segments) != 1 {
		t.Fatal(segments, err)
	}
	away := filepath.Join(t.TempDir(), "away")
	if err := os.Rename(segments[0], away); err != nil {
		t.Fatal(err)
	}
	if out, status := send(); status != 1 || !strings.Contains(out, "storage trouble") {
		t.Fatalf("exit status %d: %s", status, out)
	}
	m.tells("whoelse_storage_trouble 1")
	m.healthy(503, "storage trouble: ")
	if err := os.Rename(away, segments[0]); err != nil {
		t.Fatal(err)
	}
	if !inTime(func() bool { status, _, _ := m.get("/healthz", ""); return status == 200 }) {
		t.Fatalf("storage does not come back:\n%s", s.log())
	}
	m.tells("whoelse_storage_trouble 0", "whoelse_storage_refused_total 1")
	if out, status := send(); status != 0 {
		t.Error(out)
	}
}

func TestMetricsAddress(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for addr, want := range map[string]struct {
		status int
		words  string
	}{
		l.Addr().String(): {1, "--metrics " + l.Addr().String() + ": can't listen there ("},
		"192.0.2.1:9222":  {1, "--metrics 192.0.2.1:9222: can't listen there ("},
		"9222":            {2, "--metrics 9222: must be an address with a port"},
		"localhost:http":  {2, "--metrics localhost:http: must be an address with a port"},
	} {
		cmd := clientCommand(t, binary, "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--metrics", addr)
		if out, status := output(t, cmd, ""); status != want.status || !strings.Contains(out, want.words) || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: %d %q", addr, status, out)
		}
	}
}
