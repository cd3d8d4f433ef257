package server

import (
	"net/netip"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/sessions"
)

// banned is what the doors ask of the list of bans, in their words.
type banned struct{ list *bans.List }

// Banned implements door.Bans.
func (b banned) Banned(a netip.Addr) (reason string, until time.Time, ok bool) {
	ban, ok := b.list.Address(a)
	return ban.Reason, ban.Until, ok
}

// who is sshd's question about a nick and a key.
func (b banned) who(nick string, key gossh.PublicKey, from netip.Addr) (words string, ok bool) {
	who := bans.Who{Nick: nick, Addr: from}
	if cert, ok := key.(*gossh.Certificate); ok {
		key = cert.Key
	}
	if key != nil {
		who.Key = keys.Fingerprint(key)
	}
	ban, ok := b.list.Find(who)
	if !ok {
		return "", false
	}
	return sessions.BanWords(ban.Until, ban.Reason), true
}
