package keys

import (
	"bytes"
	"errors"
	"fmt"

	"whoelse/internal/atomicfile"
)

// edit changes the file to what change makes of its newest version, under the lock
// that all who write it share, and puts that in force. r.writing is held. change
// is called again if somebody saves the file meanwhile, and may return raw as it is.
func (r *Registry) edit(change func(t *table, raw []byte) ([]byte, error)) error {
	unlock, err := r.store.Lock(r.path + ".lock")
	if err != nil {
		return fmt.Errorf("authorized_keys: %w", err)
	}
	defer unlock()
	for range editAttempts {
		err = r.tryEdit(change)
		if !errors.Is(err, atomicfile.ErrChanged) {
			return err
		}
	}
	return fmt.Errorf("authorized_keys: %w", err)
}

// editAttempts is how often somebody may save the file in the very moment in which
// we do, until we give up.
const editAttempts = 20

func (r *Registry) tryEdit(change func(t *table, raw []byte) ([]byte, error)) error {
	r.awaitSettled()
	f, t, err := r.current()
	if err != nil {
		return err
	}
	data, err := change(t, f.Data)
	if err != nil || bytes.Equal(data, f.Data) && !r.unsynced {
		return err
	}
	stamp, err := r.store.Replace(f, data)
	if err != nil && !errors.Is(err, atomicfile.ErrUnsynced) {
		return err
	}
	r.unsynced = err != nil
	if err != nil {
		return fmt.Errorf("authorized_keys: %w", err)
	}
	r.adopt(t, f.Data, atomicfile.File{Path: f.Path, Data: data, Stamp: stamp})
	return nil
}

// current reads the file anew and puts it in force if it is not.
func (r *Registry) current() (atomicfile.File, *table, error) {
	r.loading.Lock()
	defer r.loading.Unlock()
	f, err := r.read()
	if err != nil {
		return f, nil, err
	}
	r.install(f)
	r.mu.RLock()
	defer r.mu.RUnlock()
	return f, r.table, nil
}

// adopt puts what was written in force: t with some lines more, where old was only
// added to, and otherwise all of it anew.
func (r *Registry) adopt(t *table, old []byte, f atomicfile.File) {
	r.loading.Lock()
	defer r.loading.Unlock()
	r.mu.RLock()
	overtaken := r.table != t
	r.mu.RUnlock()
	if overtaken {
		return // somebody has read the new file already
	}
	if text, ok := appended(old, f.Data); ok {
		r.extend(t, text, f)
		return
	}
	r.install(f)
}

func (r *Registry) extend(t *table, text []byte, f atomicfile.File) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var c Change
	t.raw = f.Data
	r.file.Read(f.Stamp)
	for one := range textLines(text) {
		t.lines++
		l := parseLine(t.lines, one)
		t.add(l)
		t.list(l)
		delete(r.departed, l.nick)
		c.Added = append(c.Added, l.entry())
	}
	r.untold = append(r.untold, c)
}

// appendLines adds text to a file whose last line may lack its end.
func appendLines(old []byte, text string) []byte {
	if text == "" {
		return old
	}
	data := make([]byte, 0, len(old)+len(text)+1)
	data = append(data, old...)
	if unfinished(data) {
		data = append(data, '\n')
	}
	return append(data, text...)
}

// appended is the inverse of appendLines.
func appended(old, data []byte) (text []byte, ok bool) {
	text, ok = bytes.CutPrefix(data, old)
	if ok && unfinished(old) {
		text, ok = bytes.CutPrefix(text, []byte("\n"))
	}
	return text, ok
}

func unfinished(data []byte) bool { return len(data) > 0 && data[len(data)-1] != '\n' }
