package jsonfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"whoelse/internal/disk"
)

// delta is a change of a list, as it is proposed. Receiving it again changes nothing.
type delta[K comparable, E any] struct {
	Remove []K `json:"remove,omitempty"`
	Set    []E `json:"set,omitempty"` // each takes the place of the entry with its key, if there is any, at the list's end
}

// Share has changes of the list shared by all servers of a cluster: a change is proposed with share, and not written
// to the file here. Then share has Receive called with it on each server.
//
// Share is called before the list is used. The first time on a server, the content of its file counts as
// shared; later, edits since the server stopped are proposed, see ShareEdits.
func (l *List[K, T]) Share(share disk.Share) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	agreed, err := l.readFile(disk.Agreed(l.path))
	if agreed == nil && err == nil { // the first time
		if agreed, err = l.readFile(l.path); err == nil {
			err = l.writeAgreed(agreed)
		}
	}
	l.agreed = agreed
	var all []item[K, T]
	if err == nil {
		all, err = l.read()
	}
	if err != nil {
		return fmt.Errorf("sharing %s: %w", l.what, err)
	}
	l.put(values(all)) // they differ if the file was lost
	l.share = share
	l.file.Path, l.file.Now = l.path, time.Now
	return nil
}

func texts[K comparable, T Entry[K]](items []item[K, T]) []json.RawMessage {
	all := make([]json.RawMessage, len(items))
	for i, one := range items {
		all[i] = one.text
	}
	return all
}

func (l *List[K, T]) writeAgreed(items []item[K, T]) error {
	text, err := json.Marshal(texts(items))
	if err != nil {
		return err
	}
	return l.Disk.WriteAgreed(l.path, text)
}

// Receive applies a change that a server proposed, this or another one, and puts it in force; it is on disk
// when Receive returns nil. One goroutine calls it with all changes in order, and again with the last
// ones after a crash. An error is the disk's, and worth another try. A change that is not understood is
// logged and skipped.
func (l *List[K, T]) Receive(data []byte) error {
	var d delta[K, json.RawMessage]
	err := json.Unmarshal(data, &d)
	set := make([]item[K, T], len(d.Set))
	for i := 0; i < len(set) && err == nil; i++ {
		set[i], err = l.parse(d.Set[i])
	}
	if err != nil {
		slog.Error("a change by another server can't be understood, and is passed over; does that have a newer version?",
			"of", l.what, "err", err)
		return nil
	}
	l.changing.Lock()
	defer l.changing.Unlock()
	if err := l.apply(delta[K, item[K, T]]{d.Remove, set}); err != nil {
		return fmt.Errorf("%s: %w", l.what, err)
	}
	return nil
}

// apply applies d to the copy first. If only that is on disk when the server dies, d is received again.
func (l *List[K, T]) apply(d delta[K, item[K, T]]) error {
	unlock, err := l.Disk.Lock(l.path + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	all, err := l.read()
	if err != nil {
		all = slices.Clone(l.agreed)
		slog.Error("a file can't be used: it is set aside as FILE.unusable, and written again as all servers have it",
			"err", err)
		if err = l.Disk.Move(l.path, l.path+".unusable"); err != nil {
			return err
		}
	}
	now := time.Now()
	agreed := changed(l.agreed, d, now)
	all = changed(all, d, now)
	if err := l.writeAgreed(agreed); err != nil {
		return err
	}
	if err := Save(l.Disk, l.path, texts(all), "  "); err != nil {
		return err
	}
	l.agreed = agreed
	l.put(values(all))
	return nil
}

func changed[K comparable, T Entry[K]](items []item[K, T], d delta[K, item[K, T]], now time.Time) []item[K, T] {
	gone := make(map[K]bool, len(d.Remove)+len(d.Set))
	for _, key := range d.Remove {
		gone[key] = true
	}
	for _, one := range d.Set {
		gone[one.value.Key()] = true
	}
	kept := slices.DeleteFunc(slices.Clone(items), func(one item[K, T]) bool { return gone[one.value.Key()] })
	return unexpired(append(kept, d.Set...), now)
}

// proposal gives the delta that change makes, nil for none. An edit of this server's file that the others do not have
// yet is a part of it: change has decided on that.
func (l *List[K, T]) proposal(change func([]T) ([]T, error)) ([]byte, error) {
	l.changing.Lock()
	defer l.changing.Unlock()
	items, err := l.read()
	if err != nil {
		return nil, err
	}
	after, err := edited(items, change)
	if err != nil {
		return nil, err
	}
	data, whole, err := difference(after, unexpired(slices.Clone(l.agreed), time.Now()), items)
	if err == nil && !whole {
		err = fmt.Errorf("%s: %w", l.what, disk.ErrTooLarge)
	}
	if err == nil && data == nil {
		l.put(values(after)) // an edit that was undone may still be in force
	}
	return data, err
}

// difference gives the delta that makes after of each of some lists, nil for none; or a part of it, if it is too large
// for one proposal.
func difference[K comparable, T Entry[K]](after []item[K, T], before ...[]item[K, T]) (data []byte, whole bool, err error) {
	last, set, gone := make(map[K]int, len(after)), make(map[K]bool), make(map[K][]byte)
	for i, one := range after {
		last[one.value.Key()] = i // of several with one key, which are an editor's, the last one is in force
	}
	for _, items := range before {
		old := make(map[K][]byte, len(items))
		for _, one := range items {
			old[one.value.Key()] = one.text
		}
		for key, i := range last {
			if text, ok := old[key]; !ok || !sameJSON(text, after[i].text) {
				set[key] = true
			}
		}
		for key, text := range old {
			if _, kept := last[key]; !kept {
				gone[key] = text
			}
		}
	}
	var d delta[K, json.RawMessage]
	var size disk.Proposal
	for i, one := range after {
		if key := one.value.Key(); set[key] && i == last[key] && size.Add(one.text) {
			d.Set = append(d.Set, one.text)
		}
	}
	for key, text := range gone {
		if size.Add(text) { // which has the key in it
			d.Remove = append(d.Remove, key)
		}
	}
	if len(d.Set)+len(d.Remove) > 0 {
		data, err = json.Marshal(d)
	}
	return data, size.Whole(), err
}

// sameJSON compares two values but for white space.
func sameJSON(a, b []byte) bool {
	var x, y bytes.Buffer
	return errors.Join(json.Compact(&x, a), json.Compact(&y, b)) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

// ShareEdits shares an edit of this server's file, by an editor or another process, if there is one. It costs a stat if
// the file has not changed. A large edit takes several calls. If the cluster has changed the same entry meanwhile, the
// cluster's change wins.
func (l *List[K, T]) ShareEdits() error {
	if l.edit() == nil {
		return nil
	}
	return l.share(func() ([]byte, error) { return l.edit(), nil }) // asked again, since this server may have been behind
}

// edit gives a proposal to share an edit, nil for none.
func (l *List[K, T]) edit() []byte {
	file := &l.file
	if !file.Due() {
		return nil
	}
	l.changing.Lock()
	defer l.changing.Unlock()
	state := file.Look()
	all, err := l.read()
	var data []byte
	whole := true
	if err == nil {
		data, whole, err = difference(all, unexpired(slices.Clone(l.agreed), time.Now()))
	}
	if err == nil && data == nil && !whole {
		err = fmt.Errorf("%s: an entry has over %d bytes", l.path, disk.MaxProposal)
	}
	switch {
	case err != nil:
		if again := file.Failed(state, err); !again {
			slog.Error("a file can't be used; what was last read stays in force", "err", err)
		}
	case data == nil:
		l.put(values(all)) // an edit that was undone may still be in force
		file.Read(state)
	}
	return data
}
