package keys

import (
	"errors"
	"fmt"
)

// Errors to branch on, with errors.Is.
var (
	ErrKeyRefused = errors.New("key refused")                        // by CheckKey
	ErrUnknownKey = errors.New("this key is not known here")         // no line has it, not even a disabled one
	ErrNotValid   = errors.New("this key is not valid here and now") // a line has it, and does not let it in
	ErrHeld       = errors.New("the nick is held by another key")    // see Held
	ErrReserved   = errors.New("the nick is reserved")               // for its former holder
	ErrConfusable = errors.New("the nick reads like another")        // see ConfusableError
	ErrKeyKnown   = errors.New("the key is already known")           // see KeyKnownError
	ErrNoSuchKey  = errors.New("no such key")                        // no line is meant by what was given
	ErrLastKey    = errors.New("this is the last key")               // nothing would be left to log in with
	ErrUnsafeFile = errors.New("unsafe permissions")                 // others can write the file, or own it

	// ErrFull: the file has all the claims that it takes. The rest is for its operators.
	ErrFull = errors.New("no more nicks can be claimed here, since authorized_keys is full")
)

// refusal is one of the errors above with words of its own.
type refusal struct {
	kind error
	text string
}

func (e *refusal) Error() string        { return e.text }
func (e *refusal) Is(target error) bool { return target == e.kind }

func refuse(kind error, format string, args ...any) error {
	return &refusal{kind, fmt.Sprintf(format, args...)}
}

// Held is an ErrHeld that names the nick.
func Held(nick string) error { return refuse(ErrHeld, "%s is held by another key", nick) }

// ConfusableError (ErrConfusable) names the nick, or the reserved word, that the wanted one
// reads like.
type ConfusableError struct{ Nick, Like string }

func (e *ConfusableError) Error() string {
	const text = "%s reads like %s, which is taken; choose a name that cannot be mistaken for it"
	return fmt.Sprintf(text, e.Nick, e.Like)
}

func (e *ConfusableError) Is(target error) bool { return target == ErrConfusable }

// KeyKnownError (ErrKeyKnown): the key is in the file already, for another nick or, where
// Reason is set, not in force. Nick is empty where the line names none.
type KeyKnownError struct {
	Entry
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
