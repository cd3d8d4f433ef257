package admission

import (
	"fmt"
	"net/netip"
	"time"

	"whoelse/sessions/text"
)

// Why is a reason to keep somebody out.
type Why uint8

const (
	Banned             Why = iota // by an operator
	Penalised                     // for what the address did before
	TooManyFromAddress            // open connections
	TooManySessions               // in all
	TooManyHandshakes             // in all, or of one network
	TooFast                       // new connections of an address
	whys                          // how many there are
)

// String names w for logs.
func (w Why) String() string {
	names := [whys]string{"banned", "penalised", "per-address", "sessions", "handshakes", "rate"}
	if w >= whys {
		return "unknown"
	}
	return names[w]
}

// Refusal is the error that keeps somebody out. Its words are for the person who
// is kept out, and are clean: one line of plain text.
type Refusal struct {
	From   netip.Addr // the zero Addr where there is none
	Why    Why
	Until  time.Time // for Banned, Penalised and TooFast; zero means for good
	Reason string    // for Banned, as the operator gave it
	For    Failure   // for Penalised: the latest
	Limit  int       // what was reached, for the others
}

// Error says why, and when to try again where that is known.
func (r *Refusal) Error() string {
	switch r.Why {
	case Banned:
		return r.bannedWords()
	case Penalised:
		return penaltyWords(r.For) + "; try again in " + wait(time.Until(r.Until))
	case TooManyFromAddress:
		return fmt.Sprintf("too many connections from your address: %d at the same time are allowed", r.Limit)
	case TooManySessions:
		return fmt.Sprintf("the room is full: %d connections; try again later", r.Limit)
	case TooManyHandshakes:
		return "too many people are logging in at this moment; try again in a few seconds"
	case TooFast:
		return fmt.Sprintf("too many new connections from your address: %d a minute are allowed; try again in %s",
			r.Limit, wait(time.Until(r.Until)))
	}
	return "not allowed to connect"
}

func (r *Refusal) bannedWords() string {
	words := "your address is banned"
	if !r.Until.IsZero() {
		words += " until " + r.Until.UTC().Format("2 Jan 2006 15:04 UTC")
	}
	if reason := text.CleanLine(r.Reason); reason != "" {
		words += ": " + reason
	}
	return words
}

func penaltyWords(f Failure) string {
	switch f {
	case NoAuth:
		return "too many connections from your address that did not log in"
	case GraceExceeded:
		return "too many logins from your address that took too long"
	case Crashed:
		return "a connection from your address made the server fail"
	default:
		return "too many failed logins from your address"
	}
}

// wait says how long, rounded up: who comes back after that gets in.
func wait(d time.Duration) string {
	unit, name := time.Second, "second"
	if d > 2*time.Minute {
		unit, name = time.Minute, "minute"
	}
	n := max(1, int64((d+unit-1)/unit))
	if n > 1 {
		name += "s"
	}
	return fmt.Sprintf("%d %s", n, name)
}

// refuse counts r and makes it v's. The caller holds the lock.
func (d *Controller) refuse(v *Ticket, r *Refusal) error {
	r.From = v.from
	d.stats.refused[r.Why]++
	return r
}
