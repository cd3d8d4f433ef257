package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"whoelse/internal/disk"
)

// delta is a change of the file's lines, as it is proposed to the servers that share it. Receiving it again
// changes nothing. Comments, blank lines and the order of lines are each server's own.
type delta struct {
	Remove []string `json:"remove,omitempty"`
	Add    []string `json:"add,omitempty"` // those that are not there, at the end
}

// Share has changes of the file shared by all servers of a cluster: a change is proposed with share, and not written
// here. Then share has Receive called with it on each server. Share is called before the registry is used.
func (r *Registry) Share(share disk.Share) error {
	r.updating.Lock()
	defer r.release()
	r.agreed = r.table.raw
	copied, err := r.store.Read(disk.Agreed(r.path))
	if err == nil && !copied.Stat.Exists() {
		err = r.store.WriteAgreed(r.path, r.agreed)
	} else if err == nil && !bytes.Equal(copied.Data, r.agreed) {
		r.agreed = copied.Data
	}
	if err != nil {
		return fmt.Errorf("sharing authorized_keys: %w", err)
	}
	r.share = share
	r.unsynced = true   // a crash may have come between writing the file and syncing its folder
	_ = r.restoreLost() // logged there
	return nil
}

// sharedLines gives the file in lines, each with the text that is shared of it: "" for comments, blank lines, and
// what is longer than any line in force; otherwise valid UTF-8, as JSON has it.
func sharedLines(file []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for whole := range bytes.Lines(file) {
			text := ""
			if t := bytes.TrimPrefix(withoutEnd(whole), bom); hasEntry(t) && len(t) <= lineMax {
				text = strings.ToValidUTF8(string(t), "\ufffd")
			}
			// One that would be read otherwise than it is written would be an edit again and again.
			if len(text) > lineMax || strings.HasPrefix(text, string(bom)) || strings.HasSuffix(text, "\r") {
				text = ""
			}
			if !yield(text, whole) {
				return
			}
		}
	}
}

func lineSet(file []byte) map[string]bool {
	set := make(map[string]bool, bytes.Count(file, []byte("\n")))
	for text := range sharedLines(file) {
		set[text] = true
	}
	delete(set, "")
	return set
}

// difference gives the change that turns the lines of each of some files into those of after; or, if it is too large
// for one proposal, a part of it.
func difference(after []byte, before ...[]byte) (d delta, whole bool) {
	var size disk.Proposal
	proposed := make(map[string]bool)
	propose := func(list *[]string, from []byte, except map[string]bool) {
		for text := range sharedLines(from) {
			if text != "" && !except[text] && !proposed[text] && size.Add(text) {
				*list = append(*list, text)
				proposed[text] = true
			}
		}
	}
	for _, old := range slices.CompactFunc(before, bytes.Equal) { // as a rule they are the same
		fresh := after
		if bytes.HasSuffix(old, []byte("\n")) && bytes.HasPrefix(after, old) { // as with each claim
			old, fresh = nil, after[len(old):]
		}
		propose(&d.Remove, old, lineSet(fresh))
		propose(&d.Add, fresh, lineSet(old))
	}
	return d, size.Whole()
}

func (d delta) empty() bool { return len(d.Remove)+len(d.Add) == 0 }

// applied gives the file with d's changes.
func (d delta) applied(file []byte) []byte {
	gone, missing := make(map[string]bool, len(d.Remove)), make(map[string]bool, len(d.Add))
	for _, text := range d.Remove {
		gone[text] = true
	}
	for _, text := range d.Add {
		missing[text] = true
	}
	t := table{raw: make([]byte, 0, len(file))}
	for text, whole := range sharedLines(file) {
		if !gone[text] {
			t.raw = append(t.raw, whole...)
			delete(missing, text)
		}
	}
	var fresh strings.Builder
	for _, text := range d.Add {
		if missing[text] {
			fresh.WriteString(text + "\n")
			delete(missing, text)
		}
	}
	if fresh.Len() == 0 {
		return t.raw
	}
	return t.with(fresh.String())
}

// proposal gives the change that edit makes, nil for none. An edit of this server's file that the others do not have
// yet is a part of it: edit has decided on that.
func (r *Registry) proposal(edit func(t *table) ([]byte, error)) ([]byte, error) {
	r.updating.Lock()
	defer r.release()
	r.file.Settle()
	_, _ = r.load() // logged there; what is in force counts, and Receive makes the file again
	if err := r.restoreLost(); err != nil {
		return nil, err
	}
	data, err := edit(r.table)
	if err != nil {
		return nil, err
	}
	d, whole := difference(data, r.agreed, r.table.raw)
	if !whole {
		return nil, errors.New("authorized_keys: too many lines for one change; change fewer at once or, " +
			"after a large edit of the file, try again in a minute")
	}
	if d.empty() {
		return nil, nil
	}
	return json.Marshal(d)
}

// Receive applies a change that a server proposed, this or another one, and puts it in force; it is on disk
// when Receive returns nil. One goroutine calls it with all changes in order, and again with the last
// ones after a crash. An error is the disk's, and worth another try. A change that is not understood is
// logged and skipped.
//
// A line that was edited into this server's file for a nick that nobody held, and that a change gives to
// another key before the others have that line, is dropped. The log names it.
func (r *Registry) Receive(data []byte) error {
	var d delta
	err := json.Unmarshal(data, &d)
	for _, text := range slices.Concat(d.Remove, d.Add) {
		if err == nil && (strings.Contains(text, "\n") || !hasEntry([]byte(text))) {
			err = errors.New("it has an invalid line")
		}
	}
	if err != nil {
		r.log.Error("authorized_keys: a change by another server can't be understood, and is passed over", "err", err)
		return nil
	}
	r.updating.Lock()
	defer r.release()
	// The copy comes first: if only that is on disk when the server dies, d is received again.
	agreed := d.applied(r.agreed)
	if err := r.store.WriteAgreed(r.path, agreed); err != nil {
		return fmt.Errorf("authorized_keys: %w", err)
	}
	edit := func(t *table) ([]byte, error) {
		if bytes.Equal(t.raw, r.agreed) {
			return agreed, nil
		}
		return r.overtaken(t, agreed, d).applied(d.applied(t.raw)), nil
	}
	err = r.changeFile(edit)
	if err != nil && r.file.Failing() {
		if err = r.replaceUnusable(); err == nil {
			err = r.changeFile(edit)
		}
	}
	if err != nil {
		return err
	}
	if r.agreed = agreed; bytes.Equal(agreed, r.table.raw) {
		r.agreed = r.table.raw // once in memory
	}
	return nil
}

// overtaken gives the lines of t to drop, which agreed does not have, since d gives their nick or key to others.
func (r *Registry) overtaken(t *table, agreed []byte, d delta) (dropped delta) {
	own, shared := lineSet(t.raw), lineSet(agreed)
	// A line of d that is in t is this server's, and a part of a large edit: that does not overtake itself.
	fresh := slices.DeleteFunc(slices.Clone(d.Add), func(text string) bool { return own[text] })
	given := parseTable([]byte(strings.Join(fresh, "\n")))
	var before *table // parsed when it is needed, which takes long
	for text, whole := range sharedLines(t.raw) {
		if shared[text] || text == "" {
			continue
		}
		l := parseLine(0, withoutEnd(whole))
		if l.key == nil || l.Nick == "" {
			continue
		}
		others := slices.DeleteFunc(slices.Clone(given.find(l.key)), func(o *line) bool { return o.Nick == l.Nick || o.Pending })
		if len(given.find(l.key)) == 0 && len(given.byNick[l.Nick]) > 0 {
			if before == nil {
				before = parseTable(delta{Remove: d.Add}.applied(r.agreed)) // which may have d already
			}
			if len(before.byNick[l.Nick]) == 0 { // several keys of one nick are an operator's decision
				others = slices.DeleteFunc(slices.Clone(given.byNick[l.Nick]), func(o *line) bool { return o.key == nil })
			}
		}
		if len(others) > 0 {
			r.log.Error("authorized_keys: a line that was added by hand is dropped: another server gave its nick, or its key, "+
				"to somebody else before all servers had the line", "nick", l.Nick, "key", Fingerprint(l.key),
				"instead", others[0].Nick+" "+Fingerprint(others[0].key))
			dropped.Remove = append(dropped.Remove, text)
		}
	}
	return dropped
}

// replaceUnusable sets the file aside if it can't be read or is not safe, and writes it again with what is in force.
// r.updating is held.
func (r *Registry) replaceUnusable() error {
	r.log.Error("authorized_keys: the file can't be used: it is set aside as authorized_keys.unusable, " +
		"and written again with the keys in force")
	err := r.store.Move(r.path, r.path+".unusable")
	if err == nil {
		err = r.store.Write(r.path, r.table.raw)
	}
	if err != nil {
		return fmt.Errorf("authorized_keys: %w", err)
	}
	return nil
}

// ShareEdits shares an edit of this server's file, by an editor or another process, if there is one. It costs a stat if
// the file has not changed. A large edit takes several calls.
//
// A file that is gone, or has no line any more where it had several nicks, is taken for an accident, such as an
// editor on a full disk, and gets the lines that all servers have.
func (r *Registry) ShareEdits() error {
	if r.edited() == nil {
		return nil
	}
	// Asked again, since this server may have been behind: a line for a nick that was claimed meanwhile is not shared.
	return r.share(func() ([]byte, error) { return r.edited(), nil })
}

// edited gives a proposal to share an edit, nil for none.
func (r *Registry) edited() []byte {
	r.refresh()
	r.updating.Lock()
	defer r.release()
	if r.file.Failing() || bytes.Equal(r.agreed, r.table.raw) {
		return nil
	}
	if r.restoreLost() != nil { // logged there
		return nil
	}
	d, _ := difference(r.table.raw, r.agreed)
	if d.empty() {
		r.agreed = r.table.raw
		return nil
	}
	data, err := json.Marshal(d)
	if err != nil {
		r.log.Error("authorized_keys: an edit can't be shared", "err", err)
		return nil
	}
	return data
}

// restoreLost writes the file again if it is gone, or has no line any more. r.updating is held.
func (r *Registry) restoreLost() error {
	if len(r.table.entries) > 0 || len(lineSet(r.agreed)) == 0 || r.file.Existed() && len(parseTable(r.agreed).byNick) == 1 {
		return nil
	}
	err := r.changeFile(func(t *table) ([]byte, error) {
		if len(t.entries) > 0 { // an editor was faster
			return t.raw, nil
		}
		return r.agreed, nil
	})
	r.lost.Do(func() {
		r.log.Error("authorized_keys has no lines left, and gets the lines of the other servers again; "+
			"to remove keys, use whoelse keys remove", "err", err)
	})
	return err
}
