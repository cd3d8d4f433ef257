package keys

import (
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"whoelse/internal/disk"
	"whoelse/internal/sharetest"
	"whoelse/keys/nick"

	gossh "golang.org/x/crypto/ssh"
)

// crowded is a file of that many lines, and the key of one of them.
func crowded(tb testing.TB, crowd int) (path string, one PublicKey) {
	tb.Helper()
	var b strings.Builder
	for i := range crowd {
		raw := make([]byte, ed25519.PublicKeySize)
		copy(raw, fmt.Sprintf("%032d", i))
		key, err := gossh.NewPublicKey(ed25519.PublicKey(raw))
		if err != nil {
			tb.Fatal(err)
		}
		if i == crowd/2 {
			one = key
		}
		fmt.Fprintf(&b, "%s p%d@claimed-2026-11-21\n", keyText(key), i)
	}
	path = filepath.Join(tb.TempDir(), "authorized_keys")
	write(tb, path, b.String())
	return path, one
}

func TestALargeFile(t *testing.T) {
	t.Parallel()
	const crowd = 10_000
	path, one := crowded(t, crowd)
	r := reopen(t, path, disk.Store{})
	r.wantHolder(one, fmt.Sprintf("p%d", crowd/2))
	var wg sync.WaitGroup
	for i := range 50 {
		key := newKey(t)
		wg.Go(func() {
			n := fmt.Sprintf("q%d", i)
			if err := r.Claim(n, key); err != nil {
				t.Error(err)
			}
			r.wantHolder(key, n)
		})
	}
	wg.Wait()
	if n := len(r.NicksAround("", 0, 2*crowd)); n != crowd+50 {
		t.Errorf("%d nicks", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	path, one := crowded(b, 100_000)
	r := reopen(b, path, disk.Store{})
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := r.Lookup(one, here); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkComplete is what a press of Tab asks for.
func BenchmarkComplete(b *testing.B) {
	path, _ := crowded(b, 100_000)
	r := reopen(b, path, disk.Store{})
	for b.Loop() {
		r.NicksAround("p5", 0, 200)
	}
}

// BenchmarkSuggest is what a line with a name that nobody has asks for.
func BenchmarkSuggest(b *testing.B) {
	path, _ := crowded(b, 100_000)
	r := reopen(b, path, disk.Store{})
	for b.Loop() {
		if _, ok := nick.Nearest("p55000x", r.NicksAround("p55000x", 2000, 2000)); !ok {
			b.Fatal("nobody is near")
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	path, _ := crowded(b, 100_000)
	for b.Loop() {
		reopen(b, path, disk.Store{})
	}
}

func BenchmarkClaim(b *testing.B) {
	path, _ := crowded(b, 100_000)
	r := reopen(b, path, disk.Store{})
	for i := 0; b.Loop(); i++ {
		if err := r.Claim(fmt.Sprintf("q%d", i), newKey(b)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSharedClaim is a claim on one server of a cluster; the other ones do the same but for the question.
func BenchmarkSharedClaim(b *testing.B) {
	path, _ := crowded(b, 100_000)
	n := &node{Server: &sharetest.Server{Log: &sharetest.Log{}}, at: path}
	n.open(b)
	for i := 0; b.Loop(); i++ {
		if err := n.Claim(fmt.Sprintf("q%d", i), newKey(b)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSharedRemove is a key that is removed on one server of a cluster.
func BenchmarkSharedRemove(b *testing.B) {
	path, _ := crowded(b, 100_000)
	n := &node{Server: &sharetest.Server{Log: &sharetest.Log{}}, at: path}
	n.open(b)
	for i := 0; b.Loop(); i++ {
		if _, err := n.Remove(Selector{Nick: fmt.Sprintf("p%d", i)}); err != nil {
			b.Fatal(err)
		}
	}
}
