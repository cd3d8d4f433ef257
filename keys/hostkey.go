package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"

	"whoelse/internal/disk"

	gossh "golang.org/x/crypto/ssh"
)

// HostKey gives the server's own key from path, in OpenSSH's format, and makes one
// (ed25519, 0600, durable before it is returned) if there is no file. Two processes
// that race end up with the same key. The folder has to exist, and is not changed.
//
// A file that others can read is refused as ssh would: a key that others may have
// copied is not made good by a chmod. A file that cannot be read or parsed is an
// error and never overwritten, since people have this key in their known_hosts.
func HostKey(path string) (gossh.Signer, error) { return hostKey(disk.Store{}, path) }

func hostKey(store disk.Store, path string) (gossh.Signer, error) {
	f, err := store.Read(path)
	if err == nil && !f.Stat.Exists() {
		if err := makeHostKey(store, path); err != nil && !errors.Is(err, disk.ErrChanged) { // another process was first
			return nil, fmt.Errorf("making a host key: %w", err)
		}
		f, err = store.Read(path)
	}
	if err != nil {
		return nil, fmt.Errorf("host key: %w", err)
	}
	return signerOf(f)
}

func signerOf(f disk.Content) (gossh.Signer, error) {
	if perm := f.Stat.Mode.Perm(); perm&0o077 != 0 {
		return nil, fmt.Errorf("host key: %w: permissions %04o for %s are too open; "+
			"if nobody else can have read it: chmod 600 %s", ErrUnsafeFile, perm, f.Path, f.Path)
	}
	return parseHostKey(f.Path, f.Data)
}

func parseHostKey(name string, text []byte) (gossh.Signer, error) {
	signer, err := gossh.ParsePrivateKey(text)
	if _, locked := errors.AsType[*gossh.PassphraseMissingError](err); locked {
		return nil, fmt.Errorf("host key: %s has a passphrase; a server's key must not have one", name)
	} else if err != nil {
		return nil, fmt.Errorf("host key: %s is not a private key: %w", name, err)
	} else if err := CheckKey(signer.PublicKey()); err != nil {
		return nil, fmt.Errorf("host key: %s: %w", name, err)
	}
	return signer, nil
}

// ExportHostKey gives the private key at path, for ImportHostKey of another server, and its
// fingerprint. Without a file the error is fs.ErrNotExist.
func ExportHostKey(path string) (private []byte, fingerprint string, err error) {
	f, err := disk.Store{}.Read(path)
	if err != nil {
		return nil, "", fmt.Errorf("host key: %w", err)
	} else if !f.Stat.Exists() {
		return nil, "", fmt.Errorf("host key: %s: %w", path, fs.ErrNotExist)
	}
	signer, err := signerOf(f)
	if err != nil {
		return nil, "", err
	}
	return f.Data, gossh.FingerprintSHA256(signer.PublicKey()), nil
}

// ErrOtherHostKey says that a host key is not replaced by another one.
var ErrOtherHostKey = errors.New("there is another host key already")

// ImportHostKey makes a private key the server's own at path, durably, with mode 0600, and returns
// its fingerprint. Another key stays, and is [ErrOtherHostKey], unless force is set.
func ImportHostKey(path string, private []byte, force bool) (fingerprint string, err error) {
	signer, err := parseHostKey("the text", private)
	if err != nil {
		return "", err
	}
	fingerprint = gossh.FingerprintSHA256(signer.PublicKey())
	store := disk.Store{}
	f, err := store.Read(path)
	if err != nil {
		return "", fmt.Errorf("host key: %w", err)
	}
	if f.Stat.Exists() && !force {
		is, err := parseHostKey(path, f.Data)
		if err != nil || !bytes.Equal(is.PublicKey().Marshal(), signer.PublicKey().Marshal()) {
			return "", fmt.Errorf("%s: %w", path, ErrOtherHostKey)
		}
		return fingerprint, nil
	}
	if err = store.Write(path, private); err != nil {
		return "", fmt.Errorf("host key: %w", err)
	}
	return fingerprint, nil
}

func makeHostKey(store disk.Store, path string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := gossh.MarshalPrivateKey(key, "whoelse")
	if err != nil {
		return err
	}
	_, err = store.Replace(disk.Content{Path: path}, pem.EncodeToMemory(block))
	return err
}
