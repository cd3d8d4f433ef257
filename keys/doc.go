// Package keys knows who holds which nick.
//
// The registry is one file in OpenSSH's authorized_keys format, made to be edited
// by hand: the nick is the comment up to its first '@', or environment="NICK=bob"
// where that is given.
//
//	host, err := keys.HostKey(filepath.Join(data, "host_key"))
//	reg, err := keys.Open(filepath.Join(data, "authorized_keys"), log)
//	go reg.Watch(ctx)
//
//	err = keys.CheckKey(pub)                // weak and odd keys, before all else
//	h, err := reg.Lookup(pub, addr)         // whose key is this?
//	switch {
//	case err == nil:                        // h.Nick, whatever the username says
//	case errors.Is(err, keys.ErrUnknownKey) && !reg.Held(n):
//		err = reg.Claim(n, pub)         // from now on n is this key's
//	default:                                // errors.Is(err, keys.ErrNotValid): refuse
//	}
//
// A key that was only offered is not proven: Lookup says who would hold it, not who
// is there. Whoever asks has to ask about the key that signed.
//
// Every text of an error of this package is fit to be shown to a person and to be
// logged: what comes from the file or from a peer is quoted or cleaned, and cut.
package keys
