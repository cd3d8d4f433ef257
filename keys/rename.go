package keys

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"whoelse/keys/nick"
)

// Rename gives all keys of one nick to another one, that nobody may hold. Nothing
// else of their lines changes. It gives the lines as they are now.
//
// Errors: Parse's; ErrNoSuchKey if nobody holds the old one; *HeldError, *ReservedError and
// *ConfusableError about the new one; one that names the line if the file says it in a
// way that cannot be changed mechanically; the disk's.
func (r *Registry) Rename(from, to string) ([]Entry, error) {
	from, err := nick.Parse(from)
	if err != nil {
		return nil, err
	}
	if to, err = nick.Parse(to); err != nil {
		return nil, err
	}
	err = r.change(func(t *table, raw []byte) ([]byte, error) {
		if err := r.renamable(t, from, to); err != nil {
			return nil, err
		}
		return renameLines(t, raw, from, to)
	})
	if err != nil {
		return nil, err
	}
	return r.Keys(to), nil
}

func (r *Registry) renamable(t *table, from, to string) error {
	if len(t.byNick[from]) == 0 {
		return fmt.Errorf("%w: nobody holds %s", ErrNoSuchKey, from)
	}
	err := r.available(t, to)
	if like, ok := errors.AsType[*ConfusableError](err); ok && like.Like == from {
		return nil
	}
	return err
}

func renameLines(t *table, raw []byte, from, to string) ([]byte, error) {
	named := make(map[int]*line)
	for _, l := range t.byNick[from] {
		named[l.num] = l
	}
	var failed error
	out := mapLines(raw, func(num int, text []byte) []byte {
		l := named[num]
		if l == nil {
			return text
		}
		renamed, err := renameLine(l, text, to)
		failed = first(failed, err)
		return renamed
	})
	return out, failed
}

// renameLine changes one line and then reads it: whatever is odd about its text, it
// has to mean the same as before for another nick, or it is left to a human.
func renameLine(l *line, text []byte, to string) ([]byte, error) {
	body := bytes.TrimRight(text, "\r\n")
	var renamed []byte
	if l.nick != "" && l.opts.nick != "" {
		renamed = renameOption(body, l.nick, to)
	} else if l.nick != "" {
		renamed = renameComment(body, l.comment, to)
	}
	now := parseLine(l.num, renamed)
	want := *l
	want.nick = to
	if now.key == nil || now.disabled != l.disabled || !now.equivalent(&want) || !bytes.Equal(now.key.Marshal(), l.key.Marshal()) {
		return nil, fmt.Errorf("line %d cannot be renamed by itself; edit it by hand", l.num)
	}
	return append(renamed, text[len(body):]...), nil
}

func renameComment(body []byte, comment, to string) []byte {
	i := bytes.LastIndex(body, []byte(comment))
	if i < 0 {
		return nil
	}
	rest := ""
	if at := strings.IndexByte(comment, '@'); at >= 0 {
		rest = comment[at:]
	}
	return append(bytes.Clone(body[:i]), to+rest+string(body[i+len(comment):])...)
}

func renameOption(body []byte, from, to string) []byte {
	const before = `"NICK=`
	i := bytes.Index(body, []byte(before))
	if i < 0 {
		return nil
	}
	value := body[i+len(before):]
	end := bytes.IndexByte(value, '"')
	if end < 0 || !strings.EqualFold(string(value[:end]), from) {
		return nil
	}
	return append(bytes.Clone(body[:i+len(before)]), to+string(value[end:])...)
}
