package cluster

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"whoelse/room/cluster/natstest"
)

// must returns v, or fails the test.
func must[V any](t testing.TB) func(v V, err error) V {
	return func(v V, err error) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// newAuthority makes a certificate for 127.0.0.1 that signs itself, and a file that trusts it.
func newAuthority(t testing.TB) (cert tls.Certificate, file string) {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	file = filepath.Join(t.TempDir(), "ca.pem")
	write(t, file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func write(t testing.TB, file string, text []byte) {
	t.Helper()
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// secured are an engine with TLS and an operator, and files with credentials of its account.
type secured struct {
	*natstest.Engine
	ca      string
	account nkeys.KeyPair
}

func newSecured(t testing.TB) *secured {
	t.Helper()
	s := &secured{account: must[nkeys.KeyPair](t)(nkeys.CreateAccount())}
	public := func(pair nkeys.KeyPair) string { return must[string](t)(pair.PublicKey()) }
	operator := must[nkeys.KeyPair](t)(nkeys.CreateOperator())
	system := must[nkeys.KeyPair](t)(nkeys.CreateAccount())
	accounts := &natsd.MemAccResolver{}
	for _, account := range []nkeys.KeyPair{s.account, system} {
		claims := jwt.NewAccountClaims(public(account))
		if account == s.account {
			claims.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: -1, MemoryStorage: -1, Streams: -1, Consumer: -1}
		}
		if err := accounts.Store(public(account), must[string](t)(claims.Encode(operator))); err != nil {
			t.Fatal(err)
		}
	}
	cert, ca := newAuthority(t)
	s.ca = ca
	s.Engine = natstest.New(t, 1, func(o *natsd.Options) {
		o.TrustedOperators = []*jwt.OperatorClaims{jwt.NewOperatorClaims(public(operator))}
		o.AccountResolver, o.SystemAccount = accounts, public(system)
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	})
	return s
}

// creds makes a file with credentials of a new user.
func (s *secured) creds(t testing.TB, change func(*jwt.UserClaims)) (file string) {
	t.Helper()
	user := must[nkeys.KeyPair](t)(nkeys.CreateUser())
	claims := jwt.NewUserClaims(must[string](t)(user.PublicKey()))
	change(claims)
	text := must[[]byte](t)(jwt.FormatUserConfig(must[string](t)(claims.Encode(s.account)), must[[]byte](t)(user.Seed())))
	file = filepath.Join(t.TempDir(), "user.creds")
	write(t, file, text)
	return file
}

// TestSecure: with TLS and a user who may do no more than docs/cluster.md says, a server joins, also after the engine's
// restart. Without the right files it says at once which are wrong.
func TestSecure(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	url := strings.Replace(s.URLs()[0], "nats:", "tls:", 1)
	good := s.creds(t, func(u *jwt.UserClaims) {
		u.Permissions.Pub.Allow.Add("whoelse.>", "$JS.API.>", "$JS.FC.>", "$O.>", "_INBOX.>")
		u.Permissions.Sub.Allow.Add("whoelse.>", "_INBOX.>")
	})
	_, other := newAuthority(t)
	for _, wrong := range []struct{ url, creds, ca, is, way string }{
		{url, good, other, "certificate can't be verified", "--cluster-tls-ca"},
		{url, good, "", "certificate can't be verified", "--cluster-tls-ca"},
		{url, good, good, "not a file with certificates", "--cluster-tls-ca " + good},
		{url, "", s.ca, "refuses the credentials", "--cluster-creds"},
		{url, s.ca, s.ca, "not a file with credentials", "--cluster-creds " + s.ca},
		{url, s.creds(t, func(u *jwt.UserClaims) { u.Expires = 1 }), s.ca, "refuses the credentials", "--cluster-creds"},
		{
			url, s.creds(t, func(u *jwt.UserClaims) { u.Permissions.Pub.Deny.Add("$JS.API.STREAM.CREATE.>") }), s.ca,
			"STREAM.CREATE", "permit it whoelse.>",
		},
		{engine(t).URLs()[0], "", s.ca, "does not use TLS", "nats://"},
	} {
		opts := options([]string{wrong.url}, "a", &logs{})
		opts.Creds, opts.TLSCA = wrong.creds, wrong.ca
		ctx := withTimeout(t)
		_, err := Connect(ctx, opts)
		refuses(t, err, wrong.is, wrong.way)
		if ctx.Err() != nil {
			t.Errorf("late: %v", err)
		}
	}
	a := newServer(t, "a", url)
	a.opts.Creds, a.opts.TLSCA = good, s.ca
	a.start()
	a.say("1")
	a.entries(1)
	if err := a.KeepFiles(withTimeout(t), time.Hour); err != nil {
		t.Error(err)
	}
	if err := a.PutFile(withTimeout(t), "f", strings.NewReader(strings.Repeat("x", 1<<20))); err != nil {
		t.Error(err)
	}
	content := must[io.ReadCloser](t)(a.GetFile(withTimeout(t), "f"))
	if got, err := io.ReadAll(content); len(got) != 1<<20 || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	content.Close()
	if denied := a.denied.Load(); denied != nil {
		t.Error(*denied)
	}
	s.Restart(0)
	eventually(t, "it sends again", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), impatient)
		defer cancel()
		return a.Probe(ctx) == nil
	})
	a.say("2")
	a.entries(2)
}
