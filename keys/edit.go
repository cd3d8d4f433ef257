package keys

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"whoelse/internal/disk"
	"whoelse/keys/internal/sanitize"
	"whoelse/keys/nick"

	gossh "golang.org/x/crypto/ssh"
)

// editAttempts is how often change starts over because the file was saved by another program in
// the very moment in which we wrote it.
const editAttempts = 20

// change replaces the file by what edit makes of its newest version, under the lock
// that all processes that write it share, and puts that in force. edit is called again if an
// editor saves the file meanwhile, and may return t.raw as it is. Where servers share the file, the difference
// is proposed to them instead, and edit is called again if another one was faster.
func (r *Registry) change(edit func(t *table) ([]byte, error)) error {
	if r.share != nil {
		return r.share(func() ([]byte, error) { return r.proposal(edit) })
	}
	r.updating.Lock()
	defer r.release()
	return r.changeFile(edit)
}

// changeFile is change on this server alone. r.updating is held.
func (r *Registry) changeFile(edit func(t *table) ([]byte, error)) error {
	unlock, err := r.store.Lock(r.path + ".lock")
	if err != nil {
		return fmt.Errorf("authorized_keys: %w", err)
	}
	defer unlock()
	for range editAttempts {
		if err = r.tryEdit(edit); !errors.Is(err, disk.ErrChanged) {
			return err
		}
	}
	return fmt.Errorf("authorized_keys: %w", err)
}

func (r *Registry) tryEdit(edit func(t *table) ([]byte, error)) error {
	r.file.Settle()
	f, err := r.load()
	if err != nil {
		return err
	}
	data, err := edit(r.table)
	if err != nil || bytes.Equal(data, f.Data) && !r.unsynced {
		return err
	}
	stat, err := r.store.Replace(f, data)
	if err != nil && !errors.Is(err, disk.ErrUnsynced) {
		return err
	}
	r.unsynced = err != nil
	if err != nil {
		return fmt.Errorf("authorized_keys: %w", err)
	}
	r.install(disk.Content{Path: f.Path, Data: data, Stat: stat}, true)
	return nil
}

// Claim makes nick, as Parse gave it, the key's: a line is added to the file. When
// it returns nil that line is on the disk to stay; it also returns nil if the key
// held that nick already.
//
// Errors: ErrNotValid if the key is revoked; ErrHeld if another key holds the nick;
// otherwise Add's, and then nothing was claimed.
func (r *Registry) Claim(wanted string, key PublicKey) error {
	if err := r.checkRevoked(key); err != nil {
		return err
	}
	_, err := r.Add(wanted, []PublicKey{key}, AddOptions{How: "claimed", LeaveRoom: true, OnlyNew: true})
	return err
}

// keyLine is a line of the file without options and its end.
func keyLine(key PublicKey, comment string) string {
	return strings.TrimSuffix(string(gossh.MarshalAuthorizedKey(key)), "\n") + " " + comment
}

// AddOptions say how keys are added.
type AddOptions struct {
	How     string    // for the comment: "added", which is the default, "invited", "claimed" or "restored"
	Expires time.Time // unless zero, when the keys stop being valid, to the second
	From    string    // unless empty, the value of from=
	Labels  []string  // unless nil, those of the keys, as ParseKeys gave them
	Role    string    // unless empty, the value of ROLE=

	AllowConfusable bool // a new nick may read like another one
	LeaveRoom       bool // what a claim would be refused for is refused (ErrFull)
	OnlyNew         bool // a nick that another key holds is refused (ErrHeld)
	Restore         bool // a nick that is reserved is taken, too
	Pending         bool // nothing says that the keys' owners want this, so they have to confirm it
}

// Add makes all keys wanted's, also if that nick is held already: the caller has checked
// that it is for them to decide. It adds all or none, skips those that hold the nick already
// and are in force, and gives the lines added. Pending lines of the keys are replaced by these or, if the new
// ones are pending, stay.
//
// Errors: CheckKey's and Parse's; *KeyKnownError if a key is in the file for another
// nick, or not in force; ErrReserved if the nick is kept for a former holder;
// *ConfusableError if it reads like a held or reserved one; one about opt; the disk's.
func (r *Registry) Add(wanted string, list []PublicKey, opt AddOptions) ([]Entry, error) {
	n, err := nick.Parse(wanted)
	if err != nil {
		return nil, err
	}
	for _, key := range list {
		if err := CheckKey(key); err != nil {
			return nil, err
		}
	}
	var fresh []PublicKey
	err = r.change(func(t *table) (data []byte, err error) {
		data, fresh, err = r.withKeys(t, n, list, opt)
		return data, err
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(r.Keys(n), func(e Entry) bool { return e.key == nil || !contains(fresh, e.key) }), nil
}

// withKeys gives the file with lines for those of the keys that n does not have yet.
func (r *Registry) withKeys(t *table, n string, list []PublicKey, opt AddOptions) (
	data []byte, fresh []PublicKey, err error,
) {
	options, err := opt.Text()
	if err != nil {
		return nil, nil, err
	}
	text := ""
	var replaced []*line
	for i, key := range list {
		known := contains(fresh, key)
		for _, l := range t.find(key) {
			if l.Pending {
				switch {
				case !opt.Pending:
					replaced = append(replaced, l)
				case l.Nick == n:
					fresh, known = append(fresh, key), true // as good as new
				}
				continue
			}
			why := l.refusal(r.now())
			if why == "" && l.from != nil && opt.OnlyNew {
				why = "only for some addresses"
			}
			if why != "" || l.Nick != n {
				return nil, nil, &KeyKnownError{entries([]*line{l})[0], why}
			}
			known = true
		}
		if !known {
			fresh = append(fresh, key)
			label := ""
			if opt.Labels != nil {
				label = opt.Labels[i]
			}
			comment := commentFor(n, label, cmp.Or(opt.How, "added"), r.now())
			text += options + keyLine(key, comment) + "\n"
		}
	}
	if text == "" {
		return t.raw, fresh, nil
	}
	// A tenth of what can be read is left to operators: a full file could not even be mended.
	full := int64(len(t.raw)+len(text)) >= r.store.Max()/10*9
	err = r.available(n)
	switch {
	case errors.Is(err, ErrHeld) && opt.OnlyNew,
		errors.Is(err, ErrReserved) && !opt.Restore,
		errors.Is(err, ErrConfusable) && !opt.AllowConfusable:
		return nil, nil, err
	case opt.LeaveRoom && full:
		r.full.Do(func() { r.log.Error("authorized_keys is full: no more nicks can be claimed", "nick", n) })
		return nil, nil, ErrFull
	}
	rest := table{raw: t.without(replaced)}
	return rest.with(text), fresh, nil
}

// Confirm has a key that has signed for n count as n's, if it is pending for it, and for no other nick. It is on disk
// when it returns nil.
func (r *Registry) Confirm(n string, key PublicKey) error {
	return r.change(func(t *table) (data []byte, err error) {
		data = t.rewritten(func(l *line, text []byte) []byte {
			switch {
			case !l.Pending || l.Disabled != "" || !contains([]PublicKey{key}, l.key):
				return text
			case l.Nick != n:
				return nil
			}
			text, failed := confirmed(l, text)
			err = cmp.Or(err, failed)
			return text
		})
		return data, err
	})
}

// Text is what precedes a key in the file: nothing, or options and a space.
func (opt AddOptions) Text() (string, error) {
	var list []string
	if opt.Pending {
		list = append(list, pending)
	}
	if opt.Role != "" {
		list = append(list, `environment="ROLE=`+opt.Role+`"`)
	}
	if opt.From != "" {
		if _, err := parseAddressList(opt.From); err != nil {
			return "", err
		}
		if strings.ContainsAny(opt.From, "\"\\\r\n\x00") {
			return "", fmt.Errorf("from= cannot be %s", sanitize.Quote(opt.From))
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
