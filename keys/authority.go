package keys

import "net/netip"

// Authority is a cert-authority line in force: whoever has a certificate that its
// key signed may come in.
type Authority struct {
	Key        PublicKey
	Principals []string // which of a certificate's names count; none is all
	Role       string   // of everybody with such a certificate

	from addressList
}

// Allows tells whether the line lets anybody in who comes from there.
func (a Authority) Allows(from netip.Addr) bool { return a.from == nil || a.from.matches(from) }

// Authorities gives the lines that let in whoever has a certificate of theirs, but
// for the expired ones, in the file's order.
func (r *Registry) Authorities() []Authority {
	r.refresh()
	r.mu.RLock()
	lines := r.table.authorities
	r.mu.RUnlock()
	var list []Authority
	for _, l := range lines {
		if !l.opts.expires.IsZero() && !r.now().Before(l.opts.expires) {
			continue
		}
		list = append(list, Authority{Key: l.key, Principals: l.opts.principals, Role: l.opts.role, from: l.opts.from})
	}
	return list
}

// Revoke has f asked about each key: one that it knows is never accepted and claims
// nothing, whatever the file says. f has to be quick and safe to call concurrently.
func (r *Registry) Revoke(f func(PublicKey) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked = f
}

func (r *Registry) isRevoked(key PublicKey) bool {
	r.mu.RLock()
	f := r.revoked
	r.mu.RUnlock()
	return f != nil && f(key)
}
