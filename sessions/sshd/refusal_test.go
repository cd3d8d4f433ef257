package sshd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys/bans"
	"whoelse/sessions/admission"
)

// logged is a log that may be read while it is written.
type logged struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// wantLogged waits until the log has n lines that match.
func (r *rig) wantLogged(n int, pattern string) {
	r.Helper()
	line, found := regexp.MustCompile("(?m)"+pattern), 0
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if found = len(line.FindAllString(r.log.String(), -1)); found == n {
			return
		}
	}
	r.Errorf("the log has %d lines like %q, want %d:\n%s", found, pattern, n, r.log.String())
}

// batch is login with keys alone, as ssh -o BatchMode=yes does it.
func (r *rig) batch(user string, keys ...string) *attempt {
	a := &attempt{}
	var signers []gossh.Signer
	for _, k := range keys {
		signers = append(signers, signer(k))
	}
	a.client, a.err = gossh.Dial("tcp", r.addr, a.config(user, gossh.PublicKeys(signers...)))
	return a
}

// Who asks for no words gets them all the same, and who asks for them gets them once.
func TestRefusalsAreSaidOnce(t *testing.T) {
	r := newRig(t).holds("bob")
	r.revokes("old")
	const held = "bob is held by another key"
	for _, a := range []*attempt{
		r.batch("bob", "wrong"), r.login("bob", "wrong"), r.batch("bob", "wrong", "another"), r.login("bob", "wrong", "another"),
	} {
		r.wantOut(a, held, gossh.FingerprintSHA256(signer("wrong").PublicKey()))
		if n := strings.Count(a.words, held); n != 1 {
			t.Errorf("said %d times: %q", n, a.words)
		}
	}
	a := r.batch("bob", "wrong", "old")
	r.wantOut(a, held, "this key is not accepted: it is revoked")
	a = r.batch("b\x1b[2Job\u202e", "wrong")
	r.wantOut(a, "a-z, 0-9")
	if strings.ContainsAny(a.words, "\x1b\u202e") {
		t.Errorf("comes back raw: %q", a.words)
	}
}

// A ban is the only reason that its owner sees: the nick is theirs.
func TestBannedOwner(t *testing.T) {
	r := newRig(t).holds("bob")
	list, err := bans.Open(filepath.Join(r.dir, "bans.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := list.Add(bans.Target{Nick: "bob"}, "olivia", "noise", time.Hour); err != nil {
		t.Fatal(err)
	}
	r.server.cfg.Bans = list
	a := r.login("bob", "bob")
	r.wantOut(a, "you are banned until")
	if strings.Contains(a.words, "held by another key") {
		t.Errorf("%q", a.words)
	}
}

// Each login that is refused is one line of the log, by names that do not change.
func TestRefusalsAreLogged(t *testing.T) {
	r := newRig(t).holds("bob")
	r.revokes("old")
	r.registry.Reserve(func(nick string) (string, time.Time, bool) { return nick, time.Now().Add(time.Hour), nick == "former" })
	for _, c := range []struct {
		user, reason string
		keys         []string
	}{
		{"bob", "nick-held", []string{"wrong", "another"}}, {"bob", "nick-held", nil}, {"b0b", "nick-alike", []string{"wrong"}},
		{"root", "bad-name", nil}, {"bob", "key-refused", []string{"old"}}, {"carol+abcd-efgh", "wrong-invite", []string{"wrong"}},
		{"carol+abcd-efgh", "no-key", nil}, {"former", "nick-reserved", []string{"wrong"}},
	} {
		before := strings.Count(r.log.String(), "login refused")
		r.wantOut(r.login(c.user, c.keys...))
		r.wantLogged(before+1, `^time=\S+ level=INFO msg="login refused" from=127\.0\.0\.1:\d+ user=`)
		last := r.log.String()
		last = last[strings.LastIndex(strings.TrimSpace(last), "\n")+1:]
		if want := fmt.Sprintf(" reason=%s why=", c.reason); !strings.Contains(last, want) {
			t.Errorf("%s with %v: no %q in %s", c.user, c.keys, want, last)
		}
	}
	if strings.Contains(r.log.String(), "abcd") {
		t.Error("the code of an invitation is in the log")
	}
	before := strings.Count(r.log.String(), "login refused")
	r.wantIn(r.login("bob", "wrong", "bob"), "nick=bob")
	r.wantIn(r.login("dora", "dora"), "nick=dora")
	r.wantLogged(1, `msg="nick claimed" from=127\.0\.0\.1:\d+ nick=dora key=SHA256:\S+ invited=false$`)
	r.wantLogged(before, `msg="login refused"`)
}

// A flood of them is bounded, and counted.
func TestRefusalsThatFloodTheLog(t *testing.T) {
	r := newRig(t).holds("bob")
	const logins, atOnce = 60, 40 // and then so many within a minute
	began := time.Now()
	for range logins {
		r.wantOut(r.login("bob"))
	}
	// A client is told before the log is: no line may come after the count.
	r.within("the end of all connections", r.server.all.Wait)
	most := atOnce + int(time.Since(began)*atOnce/time.Minute)
	r.server.refusals.Flush()
	listed, left := strings.Count(r.log.String(), `msg="login refused"`), 0
	for _, told := range regexp.MustCompile(`msg="too many refusals within a minute; some were left out" lines=(\d+)`).FindAllStringSubmatch(r.log.String(), -1) {
		n, _ := strconv.Atoi(told[1])
		left += n
	}
	if listed > most || listed+left != logins {
		t.Errorf("%d of %d are listed, at most %d may be, and %d are said to be left out", listed, logins, most, left)
	}
}

// Who does not get admitted is logged, too.
func TestRefusedConnectionsAreLogged(t *testing.T) {
	list, err := bans.Open(filepath.Join(t.TempDir(), "bans.json"))
	if err != nil {
		t.Fatal(err)
	}
	target, err := bans.ParseTarget("127.0.0.1")
	if err == nil {
		_, err = list.Add(target, "alice", "sp\x1bam", 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := newRigAt(t, admission.New(admission.Limits{}, list))
	r.wantOut(r.login("bob", "bob"))
	r.wantLogged(1, `msg="connection refused" from=127\.0\.0\.1:\d+ reason=banned why="your address is banned: sp\?am"`)
}

// A nick that can't be claimed after all is logged as refused.
func TestClaimsThatFailAreLogged(t *testing.T) {
	r := newRig(t)
	r.full = errors.New("too many nicks were taken")
	if a := r.login("dora", "dora"); a.err != nil {
		t.Fatal(a.err)
	} else if s, err := a.client.NewSession(); err == nil {
		s.Run("who")
	}
	r.wantLogged(1, `msg="login refused" from=127\.0\.0\.1:\d+ user=dora reason=claim why="too many nicks were taken"`)
	r.wantLogged(0, `nick claimed`)
}

// What the disk says goes to the log, not to people.
func TestStorageErrors(t *testing.T) {
	r := newRig(t)
	code, err := r.server.cfg.Invites.Create("carol", "alice", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	dora, carol := r.login("dora", "dora"), r.login("carol+"+code, "carol")
	if err := errors.Join(dora.err, carol.err, os.RemoveAll(r.dir)); err != nil {
		t.Fatal(err)
	}
	for _, a := range []*attempt{dora, carol} {
		s, err := a.client.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		words, err := s.CombinedOutput("who")
		if err == nil || !strings.Contains(string(words), "storage trouble; please try again") || strings.Contains(string(words), r.dir) {
			t.Errorf("%v, %q", err, words)
		}
	}
	r.wantLogged(2, `msg="a new user could not be let in" nick=\w+ err=".*`+regexp.QuoteMeta(r.dir))
}
