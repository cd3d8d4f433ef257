package keys

import (
	"fmt"
	"strings"
	"time"

	"whoelse/keys/nick"
)

// AddOptions say how keys are added.
type AddOptions struct {
	// How says in the comment how it came about: "added", which is the default, or
	// "invited".
	How string
	// Expires, unless zero, is when the keys stop being valid, to the second.
	Expires time.Time
	// From, unless empty, is the value of from=.
	From string
	// Operator gives the keys ROLE=operator.
	Operator bool
	// AllowConfusable lets a new nick read like another one.
	AllowConfusable bool
	// LeaveRoom refuses (ErrFull) what a claim would be refused for.
	LeaveRoom bool
	// OnlyNew refuses a nick that is held already (ErrHeld).
	OnlyNew bool
	// Restore also takes a nick that is reserved.
	Restore bool
}

// Add makes all keys wanted's, also if somebody holds that nick already: whoever
// calls this has checked that it is for them to decide. It adds all or none, skips
// those that hold the nick already and are in force, and gives the lines added.
//
// Errors: CheckKey's and Parse's; *KeyKnownError if a key is in the file for another
// nick, or not in force; *ConfusableError; *ReservedError; one about opt; the disk's.
func (r *Registry) Add(wanted string, list []PublicKey, opt AddOptions) ([]Entry, error) {
	n, err := nick.Parse(wanted)
	if err != nil {
		return nil, err
	}
	options, err := opt.text()
	if err != nil {
		return nil, err
	}
	for _, key := range list {
		if err := CheckKey(key); err != nil {
			return nil, err
		}
	}
	if opt.How == "" {
		opt.How = "added"
	}
	comment := commentFor(n, opt.How, r.now())
	var fresh []PublicKey
	err = r.change(func(t *table, raw []byte) ([]byte, error) {
		fresh, err = r.addable(t, n, list, opt)
		if err != nil {
			return nil, err
		}
		var text strings.Builder
		for _, key := range fresh {
			text.WriteString(options + claimLine(key, comment) + "\n")
		}
		if opt.LeaveRoom && text.Len() > r.room(raw) {
			return nil, ErrFull
		}
		return appendLines(raw, text.String()), nil
	})
	if err != nil {
		return nil, err
	}
	return r.linesOf(n, fresh), nil
}

// change is edit for those who do not hold r.writing.
func (r *Registry) change(change func(t *table, raw []byte) ([]byte, error)) error {
	defer r.deliver()
	r.writing.Lock()
	defer r.writing.Unlock()
	return r.edit(change)
}

// addable gives those of the keys that n does not have yet.
func (r *Registry) addable(t *table, n string, list []PublicKey, opt AddOptions) ([]PublicKey, error) {
	held := len(t.byNick[n]) > 0
	if held && opt.OnlyNew {
		return nil, &HeldError{Nick: n}
	}
	if err := r.Reserved(n); err != nil && !held && !opt.Restore {
		return nil, err
	}
	if like, ok := t.confusable(n); ok && !held && !opt.AllowConfusable {
		return nil, &ConfusableError{Nick: n, Like: like}
	}
	var fresh []PublicKey
	for _, key := range list {
		known := false
		for _, l := range t.find(key) {
			known = true
			if why := l.refusal(r.now()); why != "" || l.nick != n {
				return nil, &KeyKnownError{Nick: l.nick, Line: l.num, Reason: why}
			}
		}
		if !known && !contains(fresh, key) {
			fresh = append(fresh, key)
		}
	}
	return fresh, nil
}

// linesOf gives n's lines that have one of the keys.
func (r *Registry) linesOf(n string, list []PublicKey) []Entry {
	var found []Entry
	for _, e := range r.Keys(n) {
		if e.key != nil && contains(list, e.key) {
			found = append(found, e)
		}
	}
	return found
}

// Check tells what Add would say about the options, before anything else is done.
func (opt AddOptions) Check() error {
	_, err := opt.text()
	return err
}

// text is what stands before the key: nothing, or options and a space.
func (opt AddOptions) text() (string, error) {
	var list []string
	if opt.How != "" && strings.Trim(opt.How, "abcdefghijklmnopqrstuvwxyz") != "" {
		return "", fmt.Errorf("how a key came about is one word, not %s", show(opt.How))
	}
	if opt.Operator {
		list = append(list, `environment="ROLE=`+roleOperator+`"`)
	}
	if opt.From != "" {
		if _, err := parseAddressList(opt.From); err != nil {
			return "", err
		}
		if strings.ContainsAny(opt.From, "\"\\\r\n\x00") {
			return "", fmt.Errorf("from= cannot be %s", show(opt.From))
		}
		list = append(list, `from="`+opt.From+`"`)
	}
	if !opt.Expires.IsZero() {
		list = append(list, `expiry-time="`+opt.Expires.UTC().Format(expiryForms[14])+`Z"`)
	}
	if len(list) == 0 {
		return "", nil
	}
	return strings.Join(list, ",") + " ", nil
}
