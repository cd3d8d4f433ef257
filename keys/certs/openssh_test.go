package certs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"whoelse/keys"

	gossh "golang.org/x/crypto/ssh"
)

func openssh(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(name + " is not installed")
	}
	return path
}

// openSSH is a folder with keys, certificates and lists made by ssh-keygen.
type openSSH struct {
	*testing.T
	keygen, dir string
}

func (o openSSH) path(name string) string { return filepath.Join(o.dir, name) }

func (o openSSH) run(args ...string) {
	o.Helper()
	cmd := exec.Command(o.keygen, append([]string{"-q"}, args...)...)
	cmd.Dir = o.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		o.Fatalf("ssh-keygen %q: %v\n%s", args, err, out)
	}
}

func (o openSSH) key(name string) gossh.PublicKey {
	o.Helper()
	text, err := os.ReadFile(o.path(name))
	if err != nil {
		o.Fatal(err)
	}
	key, _, _, _, err := gossh.ParseAuthorizedKey(text)
	if err != nil {
		o.Fatal(err)
	}
	return key
}

func newOpenSSH(t *testing.T) openSSH {
	t.Helper()
	o := openSSH{t, openssh(t, "ssh-keygen"), t.TempDir()}
	for _, name := range []string{"ca", "carol", "dave"} {
		o.run("-t", "ed25519", "-N", "", "-C", name, "-f", o.path(name))
	}
	return o
}

func TestCertificatesOfOpenSSH(t *testing.T) {
	o := newOpenSSH(t)
	reg := registry(t, "cert-authority "+keyText(o.key("ca.pub")))
	checker := NewChecker(reg, nil)
	try := func(args ...string) (keys.Holder, error) {
		t.Helper()
		o.run(append(append([]string{"-s", "ca", "-I", "carol's laptop"}, args...), "carol.pub")...)
		return checker.Authenticate(o.key("carol-cert.pub"), "carol", here)
	}
	if h, err := try("-n", "carol,dave", "-V", "+52w", "-z", "5"); err != nil || h.Nick != "carol" {
		t.Errorf("%+v, %v", h, err)
	}
	if _, err := try("-n", "carol", "-O", "source-address=192.0.2.0/24"); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]string{
		{}, {"-n", "carol", "-V", "20200101:20200201"}, {"-n", "carol", "-O", "source-address=10.0.0.0/8"},
		{"-n", "carol", "-O", "force-command=x"}, {"-n", "carol", "-h"}, {"-n", "dave,erin"},
	} {
		if h, err := try(bad...); !errors.Is(err, ErrRefused) {
			t.Errorf("%q: %+v, %v", bad, h, err)
		} else {
			t.Log(err)
		}
	}
}

func TestKRLsOfOpenSSH(t *testing.T) {
	o := newOpenSSH(t)
	o.run("-s", "ca", "-I", "carol's laptop", "-n", "carol", "-z", "17", "carol.pub")
	o.run("-s", "ca", "-I", "dave's laptop", "-n", "dave", "-z", "99", "dave.pub")
	carol, dave := o.key("carol-cert.pub").(*gossh.Certificate), o.key("dave-cert.pub").(*gossh.Certificate)
	for name, spec := range map[string]string{
		"serial": "serial: 17\n", "range": "serial: 10-20\n", "far apart": "serial: 1\nserial: 17\nserial: 4000000000\n",
		"bitmap": "serial: 11\nserial: 13\nserial: 15\nserial: 17\nserial: 18\nserial: 21\n", "id": "id: carol's laptop\n",
		"key": "key: " + keyText(carol.Key) + "\n", "sha1": "sha1: " + keyText(carol.Key) + "\n",
		"sha256": "sha256: " + keyText(carol.Key) + "\n", "hash": "hash: " + keys.Fingerprint(carol.Key) + "\n",
		"all": "serial: 3\nserial: 17-40\nid: x\nkey: " + keyText(newSigner(t).PublicKey()) + "\n",
	} {
		write(t, o.path("spec"), spec)
		o.run("-k", "-f", o.path("krl"), "-s", "ca.pub", "-z", "3", o.path("spec"))
		r, err := OpenRevoked(o.path("krl"), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !r.Key(carol) {
			t.Errorf("%s: carol is not revoked", name)
		}
		if r.Key(dave) {
			t.Errorf("%s: dave is revoked", name)
		}
		other := certificate(t, newSigner(t), nil) // serial 17 and carol's id, of another authority
		if r.Key(other) {
			t.Errorf("%s: another authority's is revoked", name)
		}
		if text, err := os.ReadFile(o.path("spec")); err != nil || string(text) != spec {
			t.Fatal(err)
		}
	}
	o.run("-k", "-f", o.path("krl"), "carol.pub")
	if r, err := OpenRevoked(o.path("krl"), nil); err != nil || !r.Key(carol.Key) || r.Key(dave.Key) {
		t.Errorf("%v", err)
	}
	o.run("-k", "-f", o.path("krl"), "ca.pub")
	if r, err := OpenRevoked(o.path("krl"), nil); err != nil || !r.Key(carol) {
		t.Errorf("a revoked authority: %v", err)
	}
}
