package command

import (
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
)

func TestAddKeepsToWhatItIsTold(t *testing.T) {
	key := keyLine(t)
	r := newRig(t)
	for put, args := range map[string][]string{
		`environment="ROLE=operator"`: {"--operator"}, `from="192.0.2.1"`: {"--from", "192.0.2.1"}, `expiry-time="2`: {"--expires", "1d"},
	} {
		r.write("authorized_keys", key+" bob\n")
		res := r.run(key, append([]string{"add", "bob"}, args...)...)
		if res.err == nil || !strings.Contains(res.err.Error(), "without this "+args[0]+"; put "+put) ||
			strings.Contains(res.err.Error(), "remove") { // bob would lose his only key, and with it his history
			t.Errorf("%q: %v", args, res.err)
		}
		if got := r.read("authorized_keys"); got != key+" bob\n" {
			t.Errorf("the file is %q", got)
		}
	}
	if res := r.run(key+"\n"+key, "add", "bob"); res.err != nil || !strings.HasPrefix(res.out, "already bob SHA256:") || strings.Count(res.out, "\n") != 1 {
		t.Errorf("%+v", res)
	}
	long := strings.Repeat("192.0.2.1,", 30) + "192.0.2.2"
	r.write("authorized_keys", "")
	for _, what := range []string{"added", "already"} {
		if res := r.run(key, "add", "bob", "--from", long); res.err != nil || !strings.HasPrefix(res.out, what+" bob") {
			t.Errorf("%+v", res)
		}
	}
}

// An agent prints certificates beside the keys that they are for.
func TestCertificatesBesideKeysAreLeftOut(t *testing.T) {
	key := newKey(t)
	_, private, _ := ed25519.GenerateKey(rand.Reader)
	ca, err := gossh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert := &gossh.Certificate{Key: key, CertType: gossh.UserCert, ValidPrincipals: []string{"bob"}, ValidBefore: gossh.CertTimeInfinity}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	res := r.run(keyText(cert)+" bob\n", "add", "bob")
	if res.err == nil || !strings.Contains(res.err.Error(), "line 1: this is a certificate") {
		t.Errorf("a certificate alone: %+v", res)
	}
	res = r.run("# keys\n"+keyText(cert)+" bob\n"+keyText(key)+" bob\n", "add", "bob")
	if res.err != nil || !strings.HasPrefix(res.out, "added bob "+keys.Fingerprint(key)) || !strings.Contains(res.remarks, "left out 1 certificate") {
		t.Errorf("%+v", res)
	}
	if res := r.run(keyText(cert)+" bob\nnonsense\n", "add", "bob"); res.err == nil || !strings.Contains(res.err.Error(), "line 2: ") {
		t.Errorf("the number of the line: %+v", res)
	}
}

func TestInputThatFails(t *testing.T) {
	c := New()
	c.SetIn(failing{})
	c.SetArgs([]string{"add", "bob", "--data", t.TempDir()})
	c.SilenceErrors, c.SilenceUsage = true, true
	if err := c.Execute(); err == nil || !strings.Contains(err.Error(), "standard input can't be read: full") {
		t.Errorf("%v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errFull }

// A key that does not let its owner in is not to be removed: without it the nick would lose its history.
func TestAddOfAKeyThatExpired(t *testing.T) {
	key := keyLine(t)
	r := newRig(t)
	r.write("authorized_keys", `expiry-time="20200101Z" `+key+" bob\n")
	res := r.run(key, "add", "bob")
	if res.err == nil || !strings.Contains(res.err.Error(), "for bob on line 1") || !strings.Contains(res.err.Error(), "; edit that line") ||
		strings.Contains(res.err.Error(), "remove") {
		t.Errorf("%v", res.err)
	}
}
