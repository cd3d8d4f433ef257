// Package certs lets in whoever holds an OpenSSH certificate of an authority that
// authorized_keys names, and knows which keys and certificates are revoked.
//
//	revoked, err := certs.OpenRevoked(path, log)   // --revoked-keys; optional
//	reg.Revoke(revoked.Key)
//	checker := certs.NewChecker(reg, revoked)
//
//	if keys.IsCertificate(pub) {
//		h, err := checker.Authenticate(pub, username, addr)
//	}
//
// As with plain keys, a certificate that was only offered proves nothing: ask about
// the one that signed.
package certs
