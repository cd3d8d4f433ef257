package keys

import (
	"errors"
	"fmt"
	"time"
)

// Errors to branch on, with errors.Is. Those with data are structs below.
var (
	// ErrKeyRefused is what every error of CheckKey is.
	ErrKeyRefused = errors.New("key refused")
	// ErrUnknownKey: no line of the file has this key, not even one that is
	// disabled. Only such a key may claim a nick.
	ErrUnknownKey = errors.New("this key is not known here")
	// ErrNotValid: the file has this key, but it does not let its owner in here and
	// now. See NotValidError.
	ErrNotValid = errors.New("this key is not valid here and now")
	// ErrHeld: another key holds the nick. See HeldError.
	ErrHeld = errors.New("the nick is held by another key")
	// ErrReserved: the nick is kept for a former holder. See ReservedError.
	ErrReserved = errors.New("the nick is reserved")
	// ErrConfusable: the nick reads like one that is held. See ConfusableError.
	ErrConfusable = errors.New("the nick reads like another")
	// ErrKeyKnown: the key is already in the file, for another nick or not in force.
	// See KeyKnownError.
	ErrKeyKnown = errors.New("the key is already known")
	// ErrNoSuchKey: no line is meant by what was given.
	ErrNoSuchKey = errors.New("no such key")
	// ErrLastKey: nothing would be left to log in with.
	ErrLastKey = errors.New("this is the last key")
	// ErrFull: the file has all the claims that it takes. The rest is for its operators.
	ErrFull = errors.New("no more nicks can be claimed here, since authorized_keys is full")
	// ErrUnsafeFile: a user other than root and ours can write the file, or owns it.
	ErrUnsafeFile = errors.New("unsafe permissions")
)

type keyError struct{ why string }

func (e keyError) Error() string        { return e.why }
func (e keyError) Is(target error) bool { return target == ErrKeyRefused }

// NotValidError (ErrNotValid) says why a key that the file has is not accepted here and
// now. Such a key is not unknown, and must not be let in as if it were.
type NotValidError struct {
	Nick   string // of its holder; empty where the line names nobody
	Line   int    // 0 where it is refused whatever the file says
	Reason string // for its owner and for the log
}

func (e *NotValidError) Error() string {
	if e.Line == 0 {
		return "this key is not accepted: " + e.Reason
	}
	return fmt.Sprintf("this key is listed on line %d, but %s", e.Line, e.Reason)
}

func (e *NotValidError) Is(target error) bool { return target == ErrNotValid }

// HeldError (ErrHeld) names the nick that another key holds.
type HeldError struct{ Nick string }

func (e *HeldError) Error() string        { return e.Nick + " is held by another key" }
func (e *HeldError) Is(target error) bool { return target == ErrHeld }

// ConfusableError (ErrConfusable) names the nick, or the reserved word, that the wanted one
// reads like.
type ConfusableError struct{ Nick, Like string }

func (e *ConfusableError) Error() string {
	return fmt.Sprintf("%s reads like %s, which is taken; choose a name that cannot be mistaken for it", e.Nick, e.Like)
}

func (e *ConfusableError) Is(target error) bool { return target == ErrConfusable }

// ReservedError (ErrReserved) names a nick that is kept for its former holder.
type ReservedError struct {
	Nick  string
	Until time.Time // zero where its last key went just now
}

func (e *ReservedError) Error() string {
	if e.Until.IsZero() {
		return fmt.Sprintf("%s has just lost its last key, and is not free yet; choose another name", e.Nick)
	}
	return fmt.Sprintf("%s is reserved until %s for whoever held it; choose another name, or, "+
		"if you held it, ask an operator to give it back (whoelse keys restore %s)",
		e.Nick, e.Until.UTC().Format("2 Jan 2006"), e.Nick)
}

func (e *ReservedError) Is(target error) bool { return target == ErrReserved }

// KeyKnownError (ErrKeyKnown) names the holder of the key. Reason is set where its line is
// not in force.
type KeyKnownError struct {
	Nick   string // empty where the line names nobody
	Line   int
	Reason string
}

func (e *KeyKnownError) Error() string {
	switch {
	case e.Nick == "":
		return fmt.Sprintf("this key is already listed on line %d, but %s", e.Line, e.Reason)
	case e.Reason != "":
		return fmt.Sprintf("this key is already listed for %s on line %d, but %s", e.Nick, e.Line, e.Reason)
	}
	return fmt.Sprintf("this key already holds %s", e.Nick)
}

func (e *KeyKnownError) Is(target error) bool { return target == ErrKeyKnown }
