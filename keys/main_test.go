package keys

import (
	"crypto/ed25519"
	"crypto/rand"
	"flag"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"whoelse/internal/disk"

	fork "charm.land/ssh"
	"github.com/gliderlabs/ssh"
	"go.uber.org/goleak"
	gossh "golang.org/x/crypto/ssh"
)

// The ssh server library's public keys and those of this package are one.
var (
	_ fork.PublicKey = ssh.PublicKey(nil)
	_ ssh.PublicKey  = fork.PublicKey(nil)
	_ PublicKey      = gossh.PublicKey(nil)
)

func TestMain(m *testing.M) {
	if os.Getenv("WHOELSE_TEST") != "full" { // each check syncs many files
		if err := flag.Set("rapid.checks", "15"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

var here = netip.MustParseAddr("192.0.2.7")

// newKey is a fresh ed25519 public key.
func newKey(t testing.TB) PublicKey {
	t.Helper()
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := gossh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// keyText is the key as it stands in a file, without options and comment.
func keyText(key PublicKey) string {
	return strings.TrimSpace(string(gossh.MarshalAuthorizedKey(key)))
}

// fixture is a registry on a real file, whose clock is an hour ahead so that every
// change of the file has long settled.
type fixture struct {
	*Registry
	t    testing.TB
	path string
	log  *logged
}

type logged struct{ strings.Builder }

func (l *logged) handler() *slog.Logger {
	return slog.New(slog.NewTextHandler(io.Writer(&l.Builder), nil))
}

func anHourAhead() time.Time { return time.Now().Add(time.Hour) }

// registry opens one on the given lines; none means that there is no file.
func registry(t testing.TB, lines ...string) *fixture {
	t.Helper()
	path := filepath.Join(t.TempDir(), "authorized_keys")
	if len(lines) > 0 {
		write(t, path, strings.Join(lines, "\n")+"\n")
	}
	return reopen(t, path, disk.Store{})
}

func reopen(t testing.TB, path string, store disk.Store) *fixture {
	t.Helper()
	log := &logged{}
	r, err := open(path, log.handler(), store, anHourAhead)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{Registry: r, t: t, path: path, log: log}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) text() string {
	f.t.Helper()
	b, err := os.ReadFile(f.path)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(b)
}

func (f *fixture) wantHolder(key PublicKey, nick string) Holder {
	f.t.Helper()
	h, err := f.Lookup(key, here)
	if err != nil || h.Nick != nick {
		f.t.Errorf("Lookup gives %q, %v; want %q", h.Nick, err, nick)
	}
	return h
}

// noLitter fails if a folder has more files than names.
func noLitter(t testing.TB, dir string, names ...string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("folder has %q, want %q", got, names)
	}
}
