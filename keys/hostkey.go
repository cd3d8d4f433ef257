package keys

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"

	"whoelse/internal/atomicfile"

	gossh "golang.org/x/crypto/ssh"
)

// HostKey gives the server's own key from path, in OpenSSH's format, and makes one
// (ed25519, 0600, durable before it is returned) if there is no file. Two processes
// that race end up with the same key. The folder has to exist, and is not changed.
//
// A file that others can read is refused as ssh would: a key that others may have
// copied is not made good by a chmod. A file that cannot be read or parsed is an
// error and never overwritten, since people have this key in their known_hosts.
func HostKey(path string) (gossh.Signer, error) { return hostKey(atomicfile.Store{}, path) }

func hostKey(store atomicfile.Store, path string) (gossh.Signer, error) {
	f, err := store.Read(path)
	if err == nil && !f.Stamp.Exists() {
		if err := makeHostKey(store, path); err != nil && !errors.Is(err, atomicfile.ErrChanged) { // another process was first
			return nil, fmt.Errorf("making a host key: %w", err)
		}
		f, err = store.Read(path)
	}
	if err != nil {
		return nil, fmt.Errorf("host key: %w", err)
	}
	if perm := f.Stamp.Perm(); perm&0o077 != 0 {
		return nil, fmt.Errorf("host key: %w: permissions %04o for %s are too open; "+
			"if nobody else can have read it: chmod 600 %s", ErrUnsafeFile, perm, path, path)
	}
	signer, err := gossh.ParsePrivateKey(f.Data)
	if _, locked := errors.AsType[*gossh.PassphraseMissingError](err); locked {
		return nil, fmt.Errorf("host key: %s has a passphrase; a server's key must not have one", path)
	} else if err != nil {
		return nil, fmt.Errorf("host key: %s is not a private key: %w", path, err)
	}
	return signer, nil
}

func makeHostKey(store atomicfile.Store, path string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := gossh.MarshalPrivateKey(key, "whoelse")
	if err != nil {
		return err
	}
	_, err = store.Replace(atomicfile.File{Path: path}, pem.EncodeToMemory(block))
	return err
}
