package certs

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"whoelse/keys"

	gossh "golang.org/x/crypto/ssh"
)

func revoked(t testing.TB, text string) *Revoked {
	t.Helper()
	path := filepath.Join(t.TempDir(), "revoked")
	write(t, path, text)
	r, err := OpenRevoked(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTheListRevokes(t *testing.T) {
	ca := newSigner(t)
	cert := certificate(t, ca, nil)
	for name, text := range map[string]string{
		"key":             keyText(cert.Key) + " carol",
		"fingerprint":     keys.Fingerprint(cert.Key) + "  # lost",
		"authority":       keyText(ca.PublicKey()),
		"the certificate": keyText(cert),
		"serial":          "serial: 17",
		"id":              "id: carol's laptop",
		"among others":    "\xef\xbb\xbf# lost\r\n\r\nserial: 1\r\nid:carol's laptop\r\n",
	} {
		r := revoked(t, text+"\n")
		if !r.Key(cert) {
			t.Errorf("%s: not revoked", name)
		}
		if other := certificate(t, newSigner(t), func(c *gossh.Certificate) { c.Serial, c.KeyId = 9, "x" }); r.Key(other) {
			t.Errorf("%s: another one is revoked", name)
		}
		if none := certificate(t, newSigner(t), func(c *gossh.Certificate) { c.Serial, c.KeyId = 0, "" }); r.Key(none) {
			t.Errorf("%s: one without a serial is revoked", name)
		}
		reg := registry(t, "cert-authority "+keyText(ca.PublicKey()))
		if _, err := NewChecker(reg, r).Authenticate(cert, "carol", here); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "revoked") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARevokedPlainKey(t *testing.T) {
	key := newSigner(t).PublicKey()
	reg := registry(t, keyText(key)+" bob")
	reg.Revoke(revoked(t, keys.Fingerprint(key)).Key)
	if _, err := reg.Lookup(key, here); !errors.Is(err, keys.ErrNotValid) || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("%v", err)
	}
	stranger := newSigner(t).PublicKey()
	reg.Revoke(revoked(t, keyText(stranger)).Key)
	if _, err := reg.Lookup(stranger, here); !errors.Is(err, keys.ErrNotValid) {
		t.Errorf("%v", err)
	}
	if err := reg.Claim("eve", stranger); !errors.Is(err, keys.ErrNotValid) {
		t.Errorf("%v", err)
	}
	if _, err := reg.Lookup(key, here); err != nil {
		t.Errorf("%v", err)
	}
	var none *Revoked
	if none.Key(key) || none.Key(certificate(t, newSigner(t), nil)) || none.Reload() != nil {
		t.Error("nil revokes")
	}
}

func TestALineThatIsNotUnderstoodSpoilsTheList(t *testing.T) {
	for text, why := range map[string]string{
		"nonsense": "line 1", "serial: 1\nserial: x": "line 2", "serial: 5-9": "a KRL", "serial: 0": "serial",
		"SHA256:short": "43 characters", "key: x": "not a key", "id:": "names no certificate",
		"no-pty ssh-ed25519 AAAA": "not a key", "\x1b[2J": "not a key", "a\x00b": "neither text", "serial: 18446744073709551616": "serial",
		"MD5:00:11": "not a key",
	} {
		path := filepath.Join(t.TempDir(), "revoked")
		write(t, path, text)
		if _, err := OpenRevoked(path, nil); err == nil || !strings.Contains(err.Error(), why) || strings.ContainsAny(err.Error(), "\x1b\n\x00") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := OpenRevoked(filepath.Join(t.TempDir(), "none"), nil); err == nil {
		t.Error("no file, and no error")
	}
	if _, err := OpenRevoked(t.TempDir(), nil); err == nil {
		t.Error("a folder, and no error")
	}
}

func TestTheListIsReadAnew(t *testing.T) {
	key := newSigner(t).PublicKey()
	r := revoked(t, "# none\n")
	if r.Key(key) {
		t.Fatal("revoked by nothing")
	}
	settled := time.Now().Add(-time.Hour)
	save := func(text string) {
		t.Helper()
		write(t, r.path+"~", text)
		if err := errors.Join(os.Chtimes(r.path+"~", settled, settled), os.Rename(r.path+"~", r.path)); err != nil {
			t.Fatal(err)
		}
	}
	save(keyText(key) + "\n")
	if !r.Key(key) {
		t.Error("not noticed")
	}
	save("nonsense\n")
	if !r.Key(key) {
		t.Error("a list that cannot be read frees a key")
	}
	if err := r.Reload(); err == nil {
		t.Error("no error")
	}
	write(t, r.path, "")                // an editor is about to write it
	future := time.Now().Add(time.Hour) // else it has settled where this machine is slow
	if err := os.Chtimes(r.path, future, future); err != nil {
		t.Fatal(err)
	}
	if !r.Key(key) {
		t.Error("read while being written")
	}
	if err := os.Remove(r.path); err != nil {
		t.Fatal(err)
	}
	if !r.Key(key) {
		t.Error("a list that is gone frees a key")
	}
	save("# none\n")
	if r.Key(key) {
		t.Error("still revoked")
	}
}

// Only a list that was read before can stay in force, and only of that the log tells.
func TestTheLogOfTheList(t *testing.T) {
	var log strings.Builder
	path := filepath.Join(t.TempDir(), "revoked")
	open := func() (*Revoked, error) { return OpenRevoked(path, slog.New(slog.NewTextHandler(&log, nil))) }
	if _, err := open(); err == nil || !strings.Contains(err.Error(), "touch "+path) || log.Len() > 0 {
		t.Errorf("no file at the start: %v, in the log: %q", err, &log)
	}
	write(t, path, "# none\n")
	r, err := open()
	if err != nil || log.Len() > 0 {
		t.Fatalf("%v, in the log: %q", err, &log)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it is said once
		if err := r.Reload(); err == nil {
			t.Error("no error")
		}
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "stays revoked") || !strings.Contains(got, path+" is not there") {
		t.Errorf("in the log: %q", got)
	}
}

// krl builds one by hand.
func krl(sections ...[]byte) []byte {
	b := []byte(krlMagic)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = append(b, make([]byte, 8*3+4+4)...)
	for _, s := range sections {
		b = append(b, s...)
	}
	return b
}

func part(kind byte, body ...byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body))), body...)
}

func TestKRLsThatAreRefused(t *testing.T) {
	authority := make([]byte, 8) // any, and what is reserved
	good := krl(part(krlCertificates, append(authority, part(krlSerials, 0, 0, 0, 0, 0, 0, 0, 17)...)...))
	if s, err := parseKRL(good); err != nil || !s.certs[""].serials[17] {
		t.Fatalf("%+v, %v", s, err)
	}
	for name, data := range map[string][]byte{
		"signed":    krl(part(krlSignature, 0, 0, 0, 0)),
		"unknown":   krl(part(77)),
		"part":      krl(part(krlCertificates, append(authority, part(0x77)...)...)),
		"critical":  krl(part(krlExtension, 0, 0, 0, 1, 'x', 1, 0, 0, 0, 0)),
		"sha1 size": krl(part(krlSHA1, 0, 0, 0, 1, 'x')),
		"size":      krl(part(krlSHA256, 0, 0, 0, 1, 'x')),
		"version":   append([]byte(krlMagic), 0, 0, 0, 2),
	} {
		if s, err := parse(data); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
	for n := len(krlMagic); n < len(good); n++ {
		if n == len(good)-len(part(krlCertificates, append(authority, part(krlSerials, make([]byte, 8)...)...)...)) {
			continue // whole, and empty
		}
		if _, err := parse(good[:n]); err == nil {
			t.Errorf("cut after %d of %d bytes", n, len(good))
		}
	}
	if _, err := parse(krl(part(krlExtension, 0, 0, 0, 1, 'x', 0, 0, 0, 0, 0))); err != nil {
		t.Errorf("an extension that may be skipped: %v", err)
	}
}

func FuzzRevoked(f *testing.F) {
	f.Add([]byte("serial: 1-5\nid: x\n"))
	f.Add(krl(part(krlSHA256, 0, 0, 0, 1, 'x')))
	f.Add(krl(part(krlCertificates, append(make([]byte, 8), part(krlSerialBitmap, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0xff)...)...)))
	cert := certificate(f, newSigner(f), nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parse(data)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\x1b\n\x00") {
				t.Errorf("unsafe: %q", err)
			}
			return
		}
		s.certificate(cert)
	})
}
