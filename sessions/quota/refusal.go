package quota

import (
	"fmt"
	"time"
)

// Scope is whose limit it is.
type Scope int

const (
	Nick Scope = iota
	Address
	Network
	All
)

// String is the scope as metrics name it.
func (s Scope) String() string { return [...]string{"nick", "address", "network", "all"}[s] }

// Refusal says which limit is reached. Its text is for the person.
type Refusal struct {
	Scope  Scope
	Within time.Duration // the limit's: a minute or a day
	Wait   time.Duration // until as much fits
}

func (r *Refusal) Error() string {
	within := " limit for one minute"
	if r.Within > time.Minute {
		within = " limit for one day"
	}
	who := [...]string{
		"you have reached your", "your address has reached its", "your network has reached its", "the room has reached its",
	}[r.Scope]
	return who + within + "; try again in " + wordsWait(r.Wait)
}

// wordsWait rounds up, so that who comes back then is in time.
func wordsWait(d time.Duration) string {
	unit, name := time.Second, "second"
	switch {
	case d > 2*time.Hour:
		unit, name = time.Hour, "hour"
	case d > 2*time.Minute:
		unit, name = time.Minute, "minute"
	}
	n := max(1, (d+unit-1)/unit)
	if n > 1 {
		name += "s"
	}
	return fmt.Sprintf("%d %s", n, name)
}
