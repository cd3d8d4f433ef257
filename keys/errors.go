package keys

import (
	"errors"
	"fmt"
)

// Errors to branch on, with errors.Is. Those with data are structs below.
var (
	// ErrUnknownKey: no line of the file has this key, not even one that is
	// disabled. Only such a key may claim a nick.
	ErrUnknownKey = errors.New("this key is not known here")
	// ErrNotValid: the file has this key, but it does not let its owner in here and
	// now. See NotValidError.
	ErrNotValid = errors.New("this key is not valid here and now")
	// ErrHeld: another key holds the nick. See HeldError.
	ErrHeld = errors.New("the nick is held by another key")
	// ErrReserved: the nick was somebody's, and is kept for them. See ReservedError.
	ErrReserved = errors.New("the nick is reserved")
	// ErrConfusable: the nick reads like one that somebody holds. See ConfusableError.
	ErrConfusable = errors.New("the nick reads like another")
	// ErrKeyKnown: the key is already in the file, for another nick or not in force.
	// See KeyKnownError.
	ErrKeyKnown = errors.New("the key is already known")
	// ErrFull: the file has all the claims that it takes. What is left is for whoever
	// keeps it.
	ErrFull = errors.New("no more nicks can be claimed here, since authorized_keys is full")
	// ErrUnsafeFile: somebody who should not can write the file, or owns it.
	ErrUnsafeFile = errors.New("unsafe permissions")
)

// NotValidError says why a key that the file has is not accepted here and now. Such
// a key is not unknown, and must not be let in as if it were.
type NotValidError struct {
	Nick   string // who would hold it; empty where the line names nobody
	Line   int    // 0 where it is refused whatever the file says
	Reason string // for its owner and for the log
}

func (e *NotValidError) Error() string {
	if e.Line == 0 {
		return "this key is not accepted: " + e.Reason
	}
	return fmt.Sprintf("this key is listed on line %d, but %s", e.Line, e.Reason)
}

// Is makes every *NotValidError an ErrNotValid.
func (e *NotValidError) Is(target error) bool { return target == ErrNotValid }

// HeldError names the nick that another key holds.
type HeldError struct{ Nick string }

func (e *HeldError) Error() string { return e.Nick + " is held by another key" }

// Is makes every *HeldError an ErrHeld.
func (e *HeldError) Is(target error) bool { return target == ErrHeld }

// ConfusableError names the nick, or the reserved word, that the wanted one reads like.
type ConfusableError struct{ Nick, Like string }

func (e *ConfusableError) Error() string {
	return fmt.Sprintf("%s reads like %s, which is taken; choose a name that cannot be mistaken for it", e.Nick, e.Like)
}

// Is makes every *ConfusableError an ErrConfusable.
func (e *ConfusableError) Is(target error) bool { return target == ErrConfusable }

// KeyKnownError names whose the key already is. Reason is set where its line is not
// in force.
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

// Is makes every *KeyKnownError an ErrKeyKnown.
func (e *KeyKnownError) Is(target error) bool { return target == ErrKeyKnown }
