package keys

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
)

func TestLookup(t *testing.T) {
	alice, op, laptop, env := newKey(t), newKey(t), newKey(t), newKey(t)
	r := registry(t,
		"# people",
		keyText(alice)+" Alice@laptop.example",
		`environment="ROLE=operator" `+keyText(op)+" oper8or@x",
		keyText(laptop)+" alice",
		`environment="ROLE=bot" `+keyText(newKey(t))+" kay@ci",
		keyText(newKey(t))+" kay@desk",
		`restrict,no-pty,environment="NICK=Dave",environment="LANG=C" `+keyText(env)+" root@box",
	)
	r.wantHolder(alice, "alice")
	if e := r.List()[0]; e.Line != 2 || e.Comment != "Alice@laptop.example" {
		t.Errorf("%+v", e)
	}
	if h := r.wantHolder(op, "oper8or"); h.Role != "operator" {
		t.Errorf("%+v", h)
	}
	if !r.Bot("kay") || r.Bot("alice") || r.Bot("oper8or") || r.Bot("~kay") {
		t.Error("kay, and nobody else, is a bot")
	}
	r.wantHolder(laptop, "alice")
	r.wantHolder(env, "dave")
	if _, err := r.Lookup(newKey(t), here); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("a stranger: %v", err)
	}
	if _, err := r.Lookup(nil, here); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("no key: %v", err)
	}
	if got := fmt.Sprint(r.NicksAround("", 0, 100)); got != "[alice dave kay oper8or]" {
		t.Error(got)
	}
	if e := r.Keys("alice"); len(e) != 2 || e[0].Line != 2 || e[1].Line != 4 {
		t.Errorf("%+v", e)
	}
	if len(r.List()) != 6 {
		t.Errorf("%+v", r.List())
	}
}

// A key that a line has, and that is not let in, is never one that is unknown.
func TestKnownButNotValidIsNotUnknown(t *testing.T) {
	for options, why := range map[string]string{
		`from="10.0.0.0/8" `:      "address",
		`from="*,!192.0.2.7" `:    "address",
		`expiry-time="20200101" `: "expired on 2020-01-01",
		`expiry-time="never" `:    "YYYYMMDD",
		`cert-authority `:         "authority",
		`verify-required `:        "verify-required",
		`bogus `:                  `unknown option "bogus"`,
		`command="backup" `:       "command=",
		`environment="ROLE=god" `: "ROLE",
		`environment="ROLE=bot",environment="ROLE=operator" `: "ROLE",
		`environment="NICK=../x" `:                            "cannot be a nick",
		`environment="NICK=admin" `:                           "reserved",
		`principals="x" `:                                     "principals",
		`from=10.0.0.1 `:                                      "double quotes",
		`from="10.0.0.1/8" `:                                  "10.0.0.0/8 is the block",
		`from="::1",from="::2" `:                              "twice",
		`tunnel=0 `:                                           "double quotes",
		"bo\x1b[2J\u202egus ":                                 `unknown option "bo\x1b[2j\u202egus"`,
		`environment="N\x1b=x" `:                              "NAME=value",
		`cert-authority,principals="," `:                      "names nobody",
	} {
		key := newKey(t)
		r := registry(t, options+keyText(key)+" bob@home")
		_, err := r.Lookup(key, here)
		if !errors.Is(err, ErrNotValid) || errors.Is(err, ErrUnknownKey) {
			t.Errorf("%s: %v", options, err)
			continue
		}
		_, reason, _ := strings.Cut(err.Error(), "listed on line 1, but ")
		if !strings.Contains(reason, why) || strings.ContainsAny(err.Error(), "\x1b\u202e\n") {
			t.Errorf("%s: %q does not say %q", options, err, why)
		}
		if !strings.Contains(options, "cert-authority") && !r.Registered("bob") {
			t.Errorf("%s: bob is free", options)
		}
	}
}

func TestTheFirstLineThatLetsInDecides(t *testing.T) {
	key := newKey(t)
	r := registry(t,
		`from="10.0.0.0/8" `+keyText(key)+" bob",
		`expiry-time="20200101" `+keyText(key)+" carol",
		keyText(key)+" dave",
		keyText(key)+" erin",
	)
	r.wantHolder(key, "dave")
	if h, err := r.Lookup(key, netip.MustParseAddr("::ffff:10.1.2.3")); err != nil || h.Nick != "bob" {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestExpiry(t *testing.T) {
	key := newKey(t)
	r := registry(t, `expiry-time="20990102030405Z",no-touch-required `+keyText(key)+" bob")
	end := time.Date(2099, 1, 2, 3, 4, 5, 0, time.UTC)
	r.now = func() time.Time { return end.Add(-time.Second) }
	if h := r.wantHolder(key, "bob"); !h.NoTouch {
		t.Errorf("%+v", h)
	}
	r.now = func() time.Time { return end }
	if _, err := r.Lookup(key, here); !errors.Is(err, ErrNotValid) {
		t.Errorf("%v", err)
	}
}

func TestABrokenLineDisablesItselfAlone(t *testing.T) {
	alice, bob := newKey(t), newKey(t)
	for name, bad := range map[string]string{
		"words":      "this is no key",
		"one word":   "nonsense",
		"base64":     "ssh-ed25519 !!!! x",
		"cut":        keyText(newKey(t))[:50],
		"type":       "ssh-rsa " + strings.Fields(keyText(newKey(t)))[1] + " x",
		"long":       strings.Repeat("x", 20<<10),
		"5 KiB":      strings.Repeat("x y ", 5<<8),
		"NUL":        keyText(newKey(t)) + " x\x00y",
		"lone CR":    keyText(newKey(t)) + " carol@x\r" + keyText(newKey(t)) + " eve@x",
		"quote":      `from="10.0.0.1 ` + keyText(newKey(t)) + " x",
		"no comment": keyText(newKey(t)),
		"bad nick":   keyText(newKey(t)) + " Zo\u00eb@x",
		"reserved":   keyText(newKey(t)) + " root@box",
		"controls":   "\x1b]0;evil\a\u202e x y",
	} {
		r := registry(t, keyText(alice)+" alice", bad, keyText(bob)+" bob")
		r.wantHolder(alice, "alice")
		r.wantHolder(bob, "bob")
		e := r.List()[1]
		if e.Line != 2 || e.Disabled == "" || len(e.Disabled) > 400 {
			t.Errorf("%s: %+v", name, e)
		}
		if log := r.log.String(); !strings.Contains(log, "line=2") || strings.ContainsAny(log, "\x1b\a\x00\u202e\r") {
			t.Errorf("%s: log %q", name, log)
		}
		t.Logf("%s: %s", name, e.Disabled)
	}
}

func TestCommentsAreSafeToShow(t *testing.T) {
	key := newKey(t)
	r := registry(t, keyText(key)+" bob@\x1b[2J\u202ex\u200b\u0301\xff"+strings.Repeat("y", 999))
	r.wantHolder(key, "bob")
	comment := r.List()[0].Comment
	if strings.ContainsAny(comment, "\x1b\u202e\u200b\u0301\ufffd") || !utf8.ValidString(comment) || len(comment) > 200 || !strings.HasPrefix(comment, "bob@?[2J?x") {
		t.Errorf("%q", comment)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"world-writable": func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o600), os.Chmod(p, 0o666)) },
		"folder":         func(p string) error { return os.Mkdir(p, 0o700) },
		"pipe":           func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"dangling link":  func(p string) error { return os.Symlink("nowhere", p) },
		"no folder":      func(p string) error { return os.Remove(filepath.Dir(p)) },
	} {
		path := filepath.Join(t.TempDir(), "d", "authorized_keys")
		if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), make(path)); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path, nil)
		if err == nil {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		if errors.Is(err, ErrUnsafeFile) != (name == "world-writable") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %v", name, err)
	}
}

func TestOpenRefusesAForeignFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	path := filepath.Join(t.TempDir(), "authorized_keys")
	write(t, path, "")
	if err := os.Chown(path, 12345, -1); err != nil {
		t.Skip(err)
	}
	if _, err := Open(path, nil); !errors.Is(err, ErrUnsafeFile) || !strings.Contains(err.Error(), "12345") {
		t.Errorf("%v", err)
	}
}

func TestWhoMayWriteTheFile(t *testing.T) {
	for mode, safe := range map[os.FileMode]bool{
		0o600: true, 0o644: true, 0o664: true, 0o400: true, 0o602: false, 0o622: false, 0o666: false,
	} {
		path := filepath.Join(t.TempDir(), "authorized_keys")
		write(t, path, "")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, nil); errors.Is(err, ErrUnsafeFile) == safe {
			t.Errorf("%o: %v", mode, err)
		}
	}
}

// Bot is asked with locks held, for many nicks at once.
func TestBotIsAnsweredFromMemory(t *testing.T) {
	r := registry(t)
	write(t, r.path, `environment="ROLE=bot" `+keyText(newKey(t))+" kay\n")
	if r.Bot("kay") {
		t.Error("the file was read")
	}
	if len(r.Keys("kay")) != 1 || !r.Bot("kay") {
		t.Error("what was read does not count")
	}
}
