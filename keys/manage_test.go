package keys

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"whoelse/internal/disk"
)

func TestParseKeysTakesWhatPeopleHave(t *testing.T) {
	a, b := newKey(t), newKey(t)
	for name, text := range map[string]string{
		".pub file":       keyText(a) + " alice@laptop\n" + keyText(b) + "\n",
		"CRLF and BOM":    "\xef\xbb\xbf" + keyText(a) + " x\r\n\r\n" + keyText(b) + " y z\r\n",
		"ssh-add -L":      keyText(a) + " /home/alice/.ssh/id_ed25519\n" + keyText(b) + " card\n",
		"twice":           keyText(a) + "\n" + keyText(b) + "\n" + keyText(a) + "\n",
		"no final end":    "# keys\n  " + keyText(a) + "\n" + keyText(b),
		"odd comment":     keyText(a) + " \x1b[2J\n" + keyText(b),
		"authorized_keys": "# people\n\n" + keyText(a) + " bob@x\n" + keyText(b) + " bob@y\n",
	} {
		list, _, err := ParseKeys([]byte(text))
		if err != nil || len(list) != 2 || !contains(list, a) || !contains(list, b) {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
}

func TestParseKeysRefuses(t *testing.T) {
	key := keyText(newKey(t))
	for text, why := range map[string]string{
		"":                             "no key",
		"# only a comment\n":           "no key",
		"The agent has no identities.": "agent has no keys",
		"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n": "private key",
		"---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n":     "ssh-keygen -i",
		key + "\nnonsense\n":                          "line 2",
		key + "\n\x1b[2Jnonsense x y\n":               "line 2",
		"no-pty " + key:                               "options",
		keyText(rsaKey(t, 1024)):                      "too weak",
		key + "\x00":                                  "control",
		strings.Repeat("x", pasteMax+1):               "bytes long",
		strings.Repeat("x ", lineMax):                 "bytes long",
	} {
		list, _, err := ParseKeys([]byte(text))
		if err == nil || list != nil || !strings.Contains(err.Error(), why) || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%.40q: %v, %v; want %q", text, list, err, why)
		}
	}
}

func TestParseKeysOfOpenSSH(t *testing.T) {
	keygen := openssh(t, "ssh-keygen")
	path := filepath.Join(t.TempDir(), "id")
	run(t, keygen, "-t", "ed25519", "-q", "-N", "", "-C", "me@here", "-f", path)
	text, err := os.ReadFile(path + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := ParseKeys(text)
	if err != nil || len(list) != 1 || !strings.Contains(run(t, keygen, "-l", "-f", path+".pub"), Fingerprint(list[0])) {
		t.Errorf("%v, %v", list, err)
	}
	private, _ := os.ReadFile(path)
	if _, _, err := ParseKeys(private); err == nil || !strings.Contains(err.Error(), "private") {
		t.Errorf("%v", err)
	}
}

func TestAdd(t *testing.T) {
	alice, second, op := newKey(t), newKey(t), newKey(t)
	r := registry(t, keyText(alice)+" alice@laptop")
	list, err := r.Add("alice", []PublicKey{alice, second, second}, AddOptions{})
	if err != nil || len(list) != 1 || list[0].Line != 2 || list[0].Fingerprint != Fingerprint(second) {
		t.Fatalf("%+v, %v", list, err)
	}
	until := anHourAhead().Add(time.Hour).Truncate(time.Second)
	opt := AddOptions{How: "invited", Expires: until, From: "192.0.2.0/24,!192.0.2.9", Role: RoleOperator}
	if _, err := r.Add("boss", []PublicKey{op}, opt); err != nil {
		t.Fatal(err)
	}
	if h := r.wantHolder(op, "boss"); h.Role != "operator" {
		t.Errorf("%+v", h)
	}
	e := reopen(t, r.path, disk.Store{}).Keys("boss")[0]
	if !e.Expires.Equal(until) || !strings.HasPrefix(e.Comment, "boss@invited-") || e.From != opt.From || e.Disabled != "" || e.Added.IsZero() {
		t.Errorf("%+v", e)
	}
	if again, err := r.Add("boss", []PublicKey{op}, opt); err != nil || len(again) != 0 {
		t.Errorf("again: %+v, %v", again, err)
	}
}

// Whatever stands behind a key that is pasted, its line is one line for the same nick, without options, added today.
func TestLabels(t *testing.T) {
	for comment, want := range map[string]string{
		"": "", "bob@phone": "phone", "phone": "phone", "my old  laptop": "my-old-laptop", "bob@work@laptop.example": "laptop.example",
		"@eve": "eve", "eve@": "", "日本@日本": "", "--x--": "x", strings.Repeat("x", 30): strings.Repeat("x", 24),
		"added": "added", "claimed-2020-01-01": "claimed-2020-01-01", "x-added-2020-01-01": "x-added-2020-01-01",
		"bob@added-2020-01-01": "added-2020-01-01", `environment="NICK=eve"`: "environment-NICK-eve", `x",from="*`: "x-from",
		"eve # \x1b[2J\"": "eve-2J", "x\u2028ssh-ed25519": "x-ssh-ed25519", "/home/bob/.ssh/id": "home-bob-.ssh-id",
	} {
		r := registry(t, keyText(newKey(t))+" bob")
		key := newKey(t)
		list, labels, err := ParseKeys([]byte(keyText(key) + " " + comment + "\n"))
		if err != nil {
			t.Fatalf("%q: %v", comment, err)
		}
		if _, err := r.Add("bob", list, AddOptions{Labels: labels}); err != nil {
			t.Fatalf("%q: %v", comment, err)
		}
		all := reopen(t, r.path, disk.Store{}).List()
		e := all[len(all)-1]
		if len(all) != 2 || e.Nick != "bob" || e.Role != "" || e.Disabled != "" || e.From != "" || e.Fingerprint != Fingerprint(key) ||
			e.Label != want || time.Since(e.Added) > 48*time.Hour {
			t.Errorf("%q: %+v, want the label %q", comment, all, want)
		}
	}
	for comment, want := range map[string]string{
		"bob": "", "bob@added-2026-11-21": "", "bob@claimed-2026-11-21": "", "bob@laptop": "laptop", "bob@a b": "a-b", "bob @ x": "x",
	} {
		if e := registry(t, keyText(newKey(t))+" "+comment).List()[0]; e.Label != want || e.Nick != "bob" {
			t.Errorf("a line for %q: %+v, want the label %q", comment, e, want)
		}
	}
}

func TestAddRefuses(t *testing.T) {
	alice, old := newKey(t), newKey(t)
	r := registry(t, keyText(alice)+" alice", `expiry-time="20200101" `+keyText(old)+" dave")
	before := r.text()
	fresh := newKey(t)
	for name, c := range map[string]struct {
		nick string
		keys []PublicKey
		opt  AddOptions
		want error
	}{
		"another's": {"bob", []PublicKey{fresh, alice}, AddOptions{}, ErrKeyKnown},
		"expired":   {"dave", []PublicKey{old}, AddOptions{}, ErrKeyKnown},
		"alike":     {"a1ice", []PublicKey{fresh}, AddOptions{}, ErrConfusable},
		"held":      {"alice", []PublicKey{fresh}, AddOptions{OnlyNew: true}, ErrHeld},
		"weak":      {"bob", []PublicKey{fresh, rsaKey(t, 1024)}, AddOptions{}, ErrKeyRefused},
		"from":      {"bob", []PublicKey{fresh}, AddOptions{From: `10.0.0.1/8`}, nil},
		"quote":     {"bob", []PublicKey{fresh}, AddOptions{From: `x",environment="ROLE=operator`}, nil},
		"nick":      {"../x", []PublicKey{fresh}, AddOptions{}, nil},
	} {
		if list, err := r.Add(c.nick, c.keys, c.opt); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v", name, list, err)
		}
	}
	if r.text() != before {
		t.Error("the file changed")
	}
	if _, err := r.Add("a1ice", []PublicKey{fresh}, AddOptions{AllowConfusable: true}); err != nil {
		t.Error(err)
	}
}

func TestRemove(t *testing.T) {
	a, b, c := newKey(t), newKey(t), newKey(t)
	head, tail := "\xef\xbb\xbf# people\r\n", "# the end, without a newline"
	lineA, lineB, lineC := keyText(a)+" alice@x\r\n", keyText(b)+" bob\n", keyText(c)+" alice@y\n"
	broken := "ssh-ed25519 AAAA frank@home\n"
	r := registry(t)
	write(t, r.path, head+lineA+lineB+broken+lineC+tail)
	var removed []string
	r.OnChange(func(c Change) {
		for _, e := range c.Removed {
			removed = append(removed, e.Fingerprint)
		}
	})
	if gone, err := r.Remove(Selector{Fingerprint: Fingerprint(a)}); err != nil || len(gone) != 1 || gone[0].Line != 2 {
		t.Fatalf("%+v, %v", gone, err)
	}
	if got := r.text(); got != head+lineB+broken+lineC+tail {
		t.Errorf("%q", got)
	}
	if len(removed) != 1 || removed[0] != Fingerprint(a) {
		t.Errorf("%q", removed)
	}
	for _, s := range []Selector{{}, {Nick: "bob", Fingerprint: Fingerprint(c)}, {Nick: "nobody"}, {Fingerprint: "SHA256:x"}, {Fingerprint: Fingerprint(a)}} {
		if gone, err := r.Remove(s); !errors.Is(err, ErrNoSuchKey) {
			t.Errorf("%+v: %+v, %v", s, gone, err)
		}
	}
	if _, err := r.Remove(Selector{Nick: "alice", Fingerprint: Fingerprint(c), KeepLast: true}); !errors.Is(err, ErrLastKey) {
		t.Errorf("the last one: %v", err)
	}
	if gone, err := r.Remove(Selector{Nick: "frank"}); err != nil || len(gone) != 1 {
		t.Errorf("a broken line: %+v, %v", gone, err)
	}
	if gone, err := r.Remove(Selector{Nick: "alice"}); err != nil || len(gone) != 1 {
		t.Errorf("%+v, %v", gone, err)
	}
	if got := r.text(); got != head+lineB+tail {
		t.Errorf("%q", got)
	}
	r.wantHolder(b, "bob")
}

func TestRemoveKeepsAKeyThatLetsIn(t *testing.T) {
	good := newKey(t)
	r := registry(t, keyText(good)+" bob",
		`expiry-time="20200101" `+keyText(newKey(t))+" bob",
		`from="10.0.0.1" `+keyText(newKey(t))+" bob",
		"bogus "+keyText(newKey(t))+" bob")
	s := Selector{Nick: "bob", Fingerprint: Fingerprint(good), KeepLast: true}
	if _, err := r.Remove(s); !errors.Is(err, ErrLastKey) {
		t.Errorf("%v", err)
	}
	if _, err := r.Add("bob", []PublicKey{newKey(t)}, AddOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Remove(s); err != nil {
		t.Errorf("%v", err)
	}
}

func TestRename(t *testing.T) {
	a, b, c, d := newKey(t), newKey(t), newKey(t), newKey(t)
	file := "# bob's\r\n%[1]s %[5]s@x bob@y\r\n" + `restrict,environment="NICK=%[6]s",environment="X=bob" %[2]s bob` +
		"\n%[3]s carol@bob\n" + `from="10.0.0.1" %[4]s	%[5]s  ` + "\n# end"
	fill := func(comment, option string) string {
		return fmt.Sprintf(file, keyText(a), keyText(b), keyText(c), keyText(d), comment, option)
	}
	r := registry(t)
	write(t, r.path, fill("Bob", "BOB"))
	list, err := r.Rename("bob", "robert")
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	if got, want := r.text(), fill("robert", "robert"); got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
	r.wantHolder(a, "robert")
	r.wantHolder(b, "robert")
	r.wantHolder(c, "carol")
	if r.Registered("bob") {
		t.Error("bob is still held")
	}
}

func TestRenameRefuses(t *testing.T) {
	r := registry(t, keyText(newKey(t))+" bob", keyText(newKey(t))+" carol",
		keyText(newKey(t))+" frank", "ssh-ed25519 AAAA frank@home",
		`bogus,environment="NICK=grace" `+keyText(newKey(t))+" x")
	before := r.text()
	for _, c := range []struct {
		from, to string
		want     error
	}{
		{"bob", "carol", ErrHeld}, {"bob", "car0l", ErrConfusable}, {"nobodyhere", "x", ErrNoSuchKey},
		{"bob", "admin", nil}, {"bob", "../x", nil}, {"frank", "fred", nil},
	} {
		if _, err := r.Rename(c.from, c.to); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s to %s: %v", c.from, c.to, err)
		} else {
			t.Log(err)
		}
	}
	if r.text() != before {
		t.Error("the file changed")
	}
	if _, err := r.Rename("bob", "b0b"); err != nil {
		t.Errorf("like one's own old nick: %v", err)
	}
	if list, err := r.Rename("grace", "gina"); err != nil || len(list) != 1 || list[0].Disabled == "" {
		t.Errorf("a line that is disabled for another reason: %+v, %v", list, err)
	}
}

func TestCheck(t *testing.T) {
	twice := newKey(t)
	r := registry(t,
		keyText(twice)+" alice", "nonsense", "bogus "+keyText(newKey(t))+" x",
		`expiry-time="20200101" `+keyText(newKey(t))+" dave", keyText(twice)+" alice",
		keyText(newKey(t))+" a1ice", `from="*.example.com,10.0.0.*" `+keyText(newKey(t))+" erin",
		"cert-authority "+keyText(newKey(t))+" ca")
	if err := os.Chmod(r.path, 0o660); err != nil {
		t.Fatal(err)
	}
	list, err := r.Check()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range list {
		got = append(got, p.String())
	}
	all := strings.Join(got, "\n")
	for _, want := range []string{
		"warning: its group can write", "line 2: disabled: no key", `line 3: disabled: unknown option "bogus"`,
		"line 4: warning: it expired", "line 5: warning: the same key is on line 1",
		"line 6: warning: a1ice reads like alice on line 1", `line 7: warning: from= has "*.example.com"`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	if len(list) != 7 {
		t.Errorf("%d problems:\n%s", len(list), all)
	}
}

func TestExport(t *testing.T) {
	a, b := newKey(t), newKey(t)
	lineA, lineB := `from="192.0.2.0/24" `+keyText(a)+" alice@x", keyText(b)+" bob"
	r := registry(t, "\xef\xbb\xbf"+lineA, "# c", "nonsense", lineB+"\r",
		`expiry-time="20200101" `+keyText(newKey(t))+" dave", "cert-authority "+keyText(newKey(t))+" ca")
	if got := string(r.Export()); got != lineA+"\n"+lineB+"\n" {
		t.Errorf("%q", got)
	}
	if got := string(r.Export("bob")); got != lineB+"\n" {
		t.Errorf("%q", got)
	}
}
