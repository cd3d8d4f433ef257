package command

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	gossh "golang.org/x/crypto/ssh"

	"whoelse/internal/cli"
	"whoelse/keys"
	"whoelse/room/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a data folder.
type rig struct {
	t    *testing.T
	data string
}

func newRig(t *testing.T, lines ...string) *rig {
	t.Helper()
	r := &rig{t: t, data: t.TempDir()}
	for _, dir := range []string{"history/users", "settings", "rooms"} {
		if err := os.MkdirAll(filepath.Join(r.data, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.write("authorized_keys", strings.Join(lines, "\n")+"\n")
	return r
}

// hold takes the histories, as a server does.
func (r *rig) hold() *history.Held {
	r.t.Helper()
	h, err := history.Hold(filepath.Join(r.data, "history"), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = h.Close() }) // which the test may have done
	return h
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.data, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) read(name string) string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.data, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

func (r *rig) has(name string) bool {
	_, err := os.Lstat(filepath.Join(r.data, name))
	return err == nil
}

// result is what a command did.
type result struct {
	out, remarks string
	err          error
}

func (r *rig) run(input string, args ...string) result {
	r.t.Helper()
	var out, remarks bytes.Buffer
	err := r.runTo(&out, &remarks, input, args...)
	return result{out.String(), remarks.String(), err}
}

func (r *rig) runTo(out, remarks io.Writer, input string, args ...string) error {
	c := New()
	c.SilenceUsage, c.SilenceErrors = true, true
	c.SetIn(strings.NewReader(input))
	c.SetOut(out)
	c.SetErr(remarks)
	c.SetArgs(append(args, "--data", r.data))
	return c.Execute()
}

// does wants it done, and gives what was said.
func (r *rig) does(args ...string) string {
	r.t.Helper()
	res := r.run("", args...)
	if res.err != nil {
		r.t.Fatalf("%q: %v", args, res.err)
	}
	return res.out
}

// refuses wants an error of one line that has the words.
func (r *rig) refuses(words string, args ...string) {
	r.t.Helper()
	res := r.run("", args...)
	switch {
	case res.err == nil:
		r.t.Errorf("%q was done: %s", args, res.out)
	case !strings.Contains(res.err.Error(), words) || strings.Contains(res.err.Error(), "\n"):
		r.t.Errorf("%q: %v; want %q", args, res.err, words)
	case cli.ExitStatus(res.err) != 1:
		r.t.Errorf("%q: %v: not what was typed is wrong", args, res.err)
	}
}

// keyLine is a fresh public key, as it stands in a .pub file.
func keyLine(t *testing.T) string {
	t.Helper()
	return keyText(newKey(t))
}

func newKey(t *testing.T) keys.PublicKey {
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

func keyText(key keys.PublicKey) string {
	return strings.TrimSpace(string(gossh.MarshalAuthorizedKey(key)))
}

func TestRootIsKeptOutOfOthersFolders(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can show the rest")
	}
	r := newRig(t, keyLine(t)+" bob")
	if err := os.Chown(r.data, 65532, 65532); err != nil {
		t.Skip(err)
	}
	r.refuses("sudo -u '#65532'", "remove", "bob")
}

func TestOutputThatGoesNowhereIsAnError(t *testing.T) {
	r := newRig(t, keyLine(t)+" bob", "nonsense")
	for _, args := range [][]string{{"list"}, {"list", "--json"}, {"export"}, {"check"}, {"check", "--json"}, {"invite", "carol"}} {
		if err := r.runTo(full{}, io.Discard, "", args...); !errors.Is(err, errFull) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestListSaysAllThereIs(t *testing.T) {
	r := newRig(t,
		`environment="ROLE=operator",from="192.0.2.0/24,!192.0.2.7",expiry-time="20990101Z" `+keyLine(t)+" alice@added-2026-01-02",
		`expiry-time="20200101Z" `+keyLine(t)+" bob",
		`cert-authority,principals="dora,emil" `+keyLine(t)+" our authority",
		"nonsense",
	)
	got := strings.Split(strings.TrimSuffix(r.does("list"), "\n"), "\n")
	for i, want := range []string{
		"alice SHA256:* ssh-ed25519 operator added=2026-01-02 expires=2099-01-01T00:00:00Z from=192.0.2.0/24,!192.0.2.7",
		"bob SHA256:* ssh-ed25519 expired=2020-01-01T00:00:00Z",
		`- SHA256:* ssh-ed25519 authority principals=dora,emil comment="our authority"`,
		`- - - line=4 disabled="no key can be read from it (type, base64 and comment are expected)"`,
	} {
		words := strings.Fields(got[i])
		if strings.HasPrefix(words[1], "SHA256:") {
			words[1] = "SHA256:*"
		}
		if strings.Join(words, " ") != want {
			t.Errorf("line %d:\n%s\nwant\n%s", i, strings.Join(words, " "), want)
		}
	}
	var list []keys.Entry
	if err := json.Unmarshal([]byte(r.does("list", "--json")), &list); err != nil || len(list) != 4 || list[0].Role != "operator" {
		t.Errorf("%+v, %v", list, err)
	}
	if out := newRig(t).does("list", "--json"); out != "[]\n" {
		t.Errorf("%q", out)
	}
}

func TestInvitationsCanBeUsed(t *testing.T) {
	t.Setenv("WHOELSE_LISTEN", "[::]:22")
	r := newRig(t)
	out := r.does("invite", "Carol", "--expires", "2d", "--host", "chat.example.org")
	var code, until string
	if _, err := fmt.Sscanf(out, "invited carol until %s\ncode %s\n", &until, &code); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	if !strings.HasSuffix(out, "\nssh -p 22 carol+"+code+"@chat.example.org\n") {
		t.Errorf("%q", out)
	}
	end, err := time.Parse(time.RFC3339, until)
	if left := time.Until(end); err != nil || left < 47*time.Hour || left > 48*time.Hour {
		t.Errorf("%v, %v", left, err)
	}
	k := command{Run: &cli.Run{Data: r.data}}
	if err := k.invitations().Check("carol", code); err != nil {
		t.Error(err)
	}
	if strings.Contains(r.read("invites.json"), code) {
		t.Error("the code is in the file")
	}
	if out := r.does("remove", "carol"); out != "closed 1 invitation for carol\n" {
		t.Errorf("%q", out)
	}
	if k.invitations().Check("carol", code) == nil {
		t.Error("the invitation is still open")
	}
	t.Setenv("WHOELSE_LISTEN", "chat.example.net:2022")
	if out := r.does("invite", "dave"); !strings.Contains(out, "ssh -p 2022 dave+") || !strings.HasSuffix(out, "@chat.example.net\n") {
		t.Errorf("%q", out)
	}
	t.Setenv("WHOELSE_LISTEN", "127.0.0.1:0")
	if out := r.does("invite", "dave", "--host", "::1"); !strings.Contains(out, "ssh -p 2222 dave+") {
		t.Errorf("%q", out)
	}
}

func TestRemoveMakesNoListOfInvitations(t *testing.T) {
	r := newRig(t, keyLine(t)+" bob")
	r.does("remove", "bob")
	if r.has("invites.json") {
		t.Error("there is one")
	}
}

// Keys go first: a broken list of invitations must not keep anybody in.
func TestRemoveWithBrokenInvitations(t *testing.T) {
	r := newRig(t, keyLine(t)+" bob")
	r.write("invites.json", "{")
	r.refuses("invites.json cannot be read", "remove", "bob")
	if strings.Contains(r.read("authorized_keys"), "bob") {
		t.Error("the key is still there")
	}
	r.refuses("invites.json cannot be read", "invite", "carol")
}
