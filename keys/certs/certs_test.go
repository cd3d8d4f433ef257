package certs

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"whoelse/keys"

	"go.uber.org/goleak"
	gossh "golang.org/x/crypto/ssh"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var here = netip.MustParseAddr("192.0.2.7")

func newSigner(t testing.TB) gossh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := gossh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func keyText(key gossh.PublicKey) string {
	return strings.TrimSpace(string(gossh.MarshalAuthorizedKey(key)))
}

func registry(t testing.TB, lines ...string) *keys.Registry {
	t.Helper()
	path := filepath.Join(t.TempDir(), "authorized_keys")
	write(t, path, strings.Join(lines, "\n")+"\n")
	r, err := keys.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificate for carol, good for an hour, with what f changes before it is signed.
func certificate(t testing.TB, ca gossh.Signer, f func(*gossh.Certificate)) *gossh.Certificate {
	t.Helper()
	c := &gossh.Certificate{
		Key: newSigner(t).PublicKey(), Serial: 17, CertType: gossh.UserCert, KeyId: "carol's laptop",
		ValidPrincipals: []string{"carol"},
		ValidAfter:      uint64(time.Now().Add(-time.Hour).Unix()),
		ValidBefore:     uint64(time.Now().Add(time.Hour).Unix()),
	}
	if f != nil {
		f(c)
	}
	if err := c.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	// As it comes over the wire.
	parsed, err := gossh.ParsePublicKey(c.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	return parsed.(*gossh.Certificate)
}

func TestACertificateLetsIn(t *testing.T) {
	ca := newSigner(t)
	reg := registry(t, `cert-authority,environment="ROLE=operator" `+keyText(ca.PublicKey())+" our ca")
	cert := certificate(t, ca, nil)
	h, err := NewChecker(reg, nil).Authenticate(cert, "whoever", here)
	if err != nil {
		t.Fatal(err)
	}
	if h.Nick != "carol" || h.Role != "operator" || h.NoTouch {
		t.Errorf("%+v", h)
	}
	// It is no plain key, neither known nor able to claim.
	if _, err := reg.Lookup(cert, here); !errors.Is(err, keys.ErrNotValid) {
		t.Errorf("Lookup: %v", err)
	}
	if err := reg.Claim("carol", cert); !errors.Is(err, keys.ErrKeyRefused) {
		t.Errorf("Claim: %v", err)
	}
}

func TestOfSeveralPrincipalsOneIsAskedFor(t *testing.T) {
	ca := newSigner(t)
	reg := registry(t, "cert-authority "+keyText(ca.PublicKey()))
	cert := certificate(t, ca, func(c *gossh.Certificate) {
		c.ValidPrincipals = []string{"Carol", "dave"}
		c.ValidBefore = gossh.CertTimeInfinity
		c.Extensions = map[string]string{"no-touch-required": "", "permit-pty": ""}
	})
	checker := NewChecker(reg, nil)
	for username, want := range map[string]string{"carol": "carol", "CAROL": "carol", "dave": "dave"} {
		h, err := checker.Authenticate(cert, username, here)
		if err != nil || h.Nick != want || !h.NoTouch {
			t.Errorf("%s: %+v, %v", username, h, err)
		}
	}
	if _, err := checker.Authenticate(cert, "eve", here); err == nil || !strings.Contains(err.Error(), `"Carol", "dave"`) {
		t.Errorf("%v", err)
	}
}

func TestCertificatesRefused(t *testing.T) {
	ca, other := newSigner(t), newSigner(t)
	bob := newSigner(t).PublicKey()
	line := "cert-authority " + keyText(ca.PublicKey())
	day := uint64(24 * 3600)
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sha1CA, err := gossh.NewSignerFromKey(weak)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		line   string
		signer gossh.Signer
		change func(*gossh.Certificate)
		why    string
	}{
		"unknown authority": {line, other, nil, "not known here"},
		"plain line":        {keyText(ca.PublicKey()) + " x", ca, nil, "not known here"},
		"expired line":      {`expiry-time="20200101",` + line, ca, nil, "not known here"},
		"disabled line":     {"bogus," + line, ca, nil, "not known here"},
		"line's from":       {`from="10.0.0.0/8",` + line, ca, nil, "address"},
		"line's principals": {`principals="dave,erin",` + line, ca, nil, "may not name carol"},
		"no principals":     {line, ca, func(c *gossh.Certificate) { c.ValidPrincipals = nil }, "names no principal"},
		"odd principal":     {line, ca, func(c *gossh.Certificate) { c.ValidPrincipals = []string{"../\x1b"} }, "cannot be a nick"},
		"reserved":          {line, ca, func(c *gossh.Certificate) { c.ValidPrincipals = []string{"root"} }, "reserved"},
		"expired":           {line, ca, func(c *gossh.Certificate) { c.ValidAfter, c.ValidBefore = 1, 1+day }, "it expired on 1970-01-02 00:00 UTC; ask its issuer for a new one"},
		"not yet":           {line, ca, func(c *gossh.Certificate) { c.ValidAfter, c.ValidBefore = c.ValidBefore+day, c.ValidBefore+2*day }, "it is not valid before 20"},
		"overflow":          {line, ca, func(c *gossh.Certificate) { c.ValidBefore = 1 << 63 }, "its validity is not a time"},
		"host":              {line, ca, func(c *gossh.Certificate) { c.CertType = gossh.HostCert }, "it is for hosts, not for people"},
		"critical option":   {line, ca, func(c *gossh.Certificate) { c.CriticalOptions = map[string]string{"force-command": "x"} }, `its option "force-command" can't be enforced here`},
		"verify-required":   {line, ca, func(c *gossh.Certificate) { c.CriticalOptions = map[string]string{"verify-required": ""} }, `its option "verify-required" can't be enforced here`},
		"source-address":    {line, ca, func(c *gossh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "10.0.0.0/8"} }, "address"},
		"bad source": {line, ca, func(c *gossh.Certificate) {
			c.CriticalOptions = map[string]string{"source-address": "192.0.2.7,nonsense"}
		}, "address"},
		"bob's nick": {line + "\n" + keyText(bob) + " carol", ca, nil, "carol is held by another key"},
		"sha1":       {"cert-authority " + keyText(sha1CA.PublicKey()), sha1Signer{sha1CA}, nil, "SHA-1"},
	} {
		cert := certificate(t, c.signer, c.change)
		h, err := NewChecker(registry(t, c.line), nil).Authenticate(cert, "carol", here)
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.why) || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%s: %+v, %v; want %q", name, h, err, c.why)
		}
	}
}

// sha1Signer is an authority of ten years ago.
type sha1Signer struct{ gossh.Signer }

func (s sha1Signer) Sign(r io.Reader, data []byte) (*gossh.Signature, error) {
	return s.Signer.(gossh.AlgorithmSigner).SignWithAlgorithm(r, data, gossh.KeyAlgoRSA)
}

func TestATamperedCertificate(t *testing.T) {
	ca := newSigner(t)
	checker := NewChecker(registry(t, "cert-authority "+keyText(ca.PublicKey())), nil)
	for name, change := range map[string]func(*gossh.Certificate){
		"principal": func(c *gossh.Certificate) { c.ValidPrincipals = []string{"bob"} },
		"key":       func(c *gossh.Certificate) { c.Key = newSigner(t).PublicKey() },
		"validity":  func(c *gossh.Certificate) { c.ValidBefore++ },
		"signature": func(c *gossh.Certificate) { c.Signature.Blob[5] ^= 1 },
	} {
		cert := certificate(t, ca, nil)
		change(cert)
		if h, err := checker.Authenticate(cert, "carol", here); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "its signature does not fit it; ask its issuer") {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
	if _, err := checker.Authenticate(newSigner(t).PublicKey(), "carol", here); !errors.Is(err, ErrRefused) {
		t.Errorf("a plain key: %v", err)
	}
}

func TestWhereCertificatesAreGood(t *testing.T) {
	ca := newSigner(t)
	cert := certificate(t, ca, func(c *gossh.Certificate) {
		c.CriticalOptions = map[string]string{"source-address": "10.0.0.1,192.0.2.0/24,2001:db8::/32"}
	})
	line := `from="192.0.2.0/24",principals="Carol",expiry-time="20990101Z",cert-authority ` + keyText(ca.PublicKey())
	checker := NewChecker(registry(t, line, keyText(cert.Key)+" carol"), nil) // the same key may hold the nick
	for _, addr := range []string{"192.0.2.7", "::ffff:192.0.2.9"} {
		if h, err := checker.Authenticate(cert, "x", netip.MustParseAddr(addr)); err != nil || h.Nick != "carol" {
			t.Errorf("%s: %+v, %v", addr, h, err)
		}
	}
	for _, addr := range []string{"10.0.0.1", "192.0.3.1", "2001:db8::1"} {
		if _, err := checker.Authenticate(cert, "x", netip.MustParseAddr(addr)); err == nil {
			t.Errorf("%s is let in", addr)
		}
	}
	if _, err := checker.Authenticate(cert, "x", netip.Addr{}); err == nil {
		t.Error("from nowhere")
	}
}
