package test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
)

// given are the addresses that freeAddress has chosen.
var given sync.Map

// freeAddress is a port of the loopback interface that nobody listens on. It is below those that
// the kernel gives to others, who would have it before it is listened on, or in the meantime. Nobody else here gets it either.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprint("127.0.0.1:", 10_000+rand.N(20_000))
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			if _, taken := given.LoadOrStore(address, true); !taken {
				return address
			}
		}
	}
	t.Fatal("no port is free")
	return ""
}

// What is posted to the webhook is said in the room, or its sender learns why not.
func TestExampleWebhook(t *testing.T) {
	t.Parallel()
	const token = "a secret of 16 or more"
	s := startServer(t, t.TempDir(), "--listen", freeAddress(t)) // and again on the same port
	carolKey := newKey(t)
	carol := plug(t, "carol", s.openSSH("carol", []string{carolKey}, []string{"-T"}))
	carol.sees("you are carol")
	address := freeAddress(t)
	hook := s.example("webhook", newKey(t), "-listen", address, s.at("ci"))
	hook.Env = append(os.Environ(), "WEBHOOK_TOKEN="+token)
	running := s.beside(hook)
	carol.sees("ci joined")

	post := func(token, text string) (int, string) {
		t.Helper()
		r, err := http.NewRequest("POST", "http://"+address+"/", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		words, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(words)
	}
	for _, c := range []struct {
		token, text string
		status      int
		words       string
	}{
		{token, "build 7 failed\nsee the log", 200, "\n"},
		{"", "hi", 401, "token"},
		{"another", "hi", 401, "token"},
		{token, " \n", 422, "empty"},
		{token, strings.Repeat("x", 10_001), 422, "at most 10,000"},
		{token, strings.Repeat("x", 17<<10), 413, "too large"},
	} {
		if status, words := post(c.token, c.text); status != c.status || !strings.Contains(words, c.words) {
			t.Errorf("%.20q: %d %q, want %d and %q", c.text, status, words, c.status, c.words)
		}
	}
	carol.sees("ci: build 7 failed\n", "see the log")
	if answer, err := http.Get("http://" + address + "/"); err != nil {
		t.Error(err)
	} else if answer.Body.Close(); answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %s", answer.Status)
	}
	carol.types("@ci hello")
	carol.sees("delivered to ci")
	running.logs(1, `carol writes: "hello"`)

	if full { // it takes ten seconds
		slow, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer slow.Close()
		io.WriteString(slow, "POST / HTTP/1.1\r\n")
		if _, err := io.Copy(io.Discard, slow); err != nil { // until the webhook has had enough
			t.Error(err)
		}
	}

	s.kill()
	running.logs(1, "the session ended")
	if status, words := post(token, "lost"); status != 503 {
		t.Errorf("without a server: %d %q", status, words)
	}
	s = s.again()
	carol = plug(t, "carol", s.openSSH("carol", []string{carolKey}, []string{"-T"}))
	carol.sees("you are carol")
	carol.meets("ci")
	if status, words := post(token, "build 8 is fine"); status != 200 {
		t.Errorf("with a server again: %d %q", status, words)
	}
	carol.sees("ci: build 8 is fine")
}
