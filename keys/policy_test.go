package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"
)

// rsaKey is a public key of that many bits. It need not have a private one.
func rsaKey(t testing.TB, bits int) PublicKey {
	t.Helper()
	n := new(big.Int).SetBit(big.NewInt(1), bits-1, 1)
	key, err := gossh.NewPublicKey(&rsa.PublicKey{N: n, E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ecdsaKey(t testing.TB, curve elliptic.Curve) PublicKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := gossh.NewPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// skKey is what a hardware key's public part looks like.
func skKey(t testing.TB) PublicKey {
	t.Helper()
	raw := gossh.Marshal(struct {
		Name, Key, App string
	}{gossh.KeyAlgoSKED25519, string(newKey(t).Marshal()[19:]), "ssh:"})
	key, err := gossh.ParsePublicKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// dsaKey is of 1024 bits; its numbers only have to have the right sizes.
func dsaKey(t testing.TB) PublicKey {
	t.Helper()
	p := new(big.Int).SetBit(big.NewInt(1), 1023, 1)
	q := new(big.Int).SetBit(big.NewInt(1), 159, 1)
	key, err := gossh.ParsePublicKey(gossh.Marshal(struct {
		Name       string
		P, Q, G, Y *big.Int
	}{typeDSA, p, q, big.NewInt(2), big.NewInt(4)}))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestCheckKeyAccepts(t *testing.T) {
	for name, key := range map[string]PublicKey{
		"ed25519": newKey(t), "sk-ed25519": skKey(t),
		"p256": ecdsaKey(t, elliptic.P256()), "p384": ecdsaKey(t, elliptic.P384()), "p521": ecdsaKey(t, elliptic.P521()),
		"rsa 2048": rsaKey(t, 2048), "rsa 3072": rsaKey(t, 3072), "rsa 4096": rsaKey(t, 4096),
		"wrapped rsa": wrapped{rsaKey(t, 2048)},
	} {
		if err := CheckKey(key); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// wrapped hides what kind of key it is, as a library may.
type wrapped struct{ PublicKey }

type odd struct {
	PublicKey
	name string
}

func (o odd) Type() string { return o.name }

func TestCheckKeyRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		key PublicKey
		why string
	}{
		"nil":         {nil, "no key"},
		"rsa 1024":    {rsaKey(t, 1024), "1024 bits is too weak"},
		"rsa 2047":    {rsaKey(t, 2047), "2047 bits is too weak"},
		"rsa 4097":    {rsaKey(t, 4097), "4097 bits is too long"},
		"rsa 16384":   {rsaKey(t, 16384), "16384 bits is too long"},
		"wrapped rsa": {wrapped{rsaKey(t, 1024)}, "too weak"},
		"dsa":         {dsaKey(t), "DSA"},
		"certificate": {&gossh.Certificate{Key: newKey(t)}, "certificate"},
		"odd":         {odd{newKey(t), "ssh-\x1b[2J"}, `"ssh-\x1b[2J"`},
	} {
		err := CheckKey(c.key)
		if !errors.Is(err, ErrKeyRefused) || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusedKeysClaimNothing(t *testing.T) {
	r := registry(t)
	if err := r.Claim("bob", rsaKey(t, 1024)); !errors.Is(err, ErrKeyRefused) {
		t.Error(err)
	}
	weak := registry(t, keyText(rsaKey(t, 1024))+" bob", keyText(dsaKey(t))+" carol")
	for _, e := range weak.List() {
		if !strings.Contains(e.Disabled, "too weak") {
			t.Errorf("%+v", e)
		}
	}
	if _, err := weak.Lookup(rsaKey(t, 1024), here); !errors.Is(err, ErrNotValid) {
		t.Error(err)
	}
}

func BenchmarkCheckKey(b *testing.B) {
	key := rsaKey(b, 16384)
	for b.Loop() {
		_ = CheckKey(key)
	}
}
