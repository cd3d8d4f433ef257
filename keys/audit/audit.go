// Package audit records what operators, and owners of rooms, did, one JSON object per line.
//
//	log, err := audit.Open(filepath.Join(data, "audit.jsonl"))
//	err = log.Append(audit.Entry{Who: "alice", What: "kick", Whom: "bob", Why: "spam"})
//
// Lines are only ever added, to one file: unlike room/log, it can't go on in another one after a failed sync, and
// accepts nothing more. The server owns the file while it runs; it may be read
// by anything, and moved away while the server is stopped.
package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"whoelse/internal/disk"
	"whoelse/keys/internal/sanitize"
)

// Entry is one thing done. Append cleans its text.
type Entry struct {
	When   time.Time `json:"when"` // set by Append
	Who    string    `json:"who"`
	What   string    `json:"what"`
	Whom   string    `json:"whom,omitempty"`
	Room   string    `json:"room,omitempty"` // in which, of owners' actions
	Why    string    `json:"why,omitempty"`
	For    string    `json:"for,omitempty"`    // how long
	Failed string    `json:"failed,omitempty"` // why it was not done after all
}

// Log is the file. Its methods may be called concurrently.
type Log struct {
	mu   sync.Mutex // owns all below; held while the disk works
	file disk.File
	size int64 // of the whole lines; anything behind them is cut off
	err  error // why nothing is accepted any more
}

// Open opens the log at path, or makes it. Anything but a regular file with one name is
// refused. A line that a crash left half written was never acknowledged, and is cut off.
func Open(path string) (*Log, error) {
	in, err := disk.OpenExisting(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("the audit log: %w", err)
	}
	l, err := open(in, filepath.Base(path))
	if err = errors.Join(err, in.Close()); err != nil {
		return nil, fmt.Errorf("the audit log: %w", err)
	}
	return l, nil
}

func open(in disk.Folder, name string) (*Log, error) {
	f, err := in.Open(name, true)
	if err != nil {
		return nil, err
	}
	l := &Log{file: f}
	if err = errors.Join(l.mend(name), in.Sync()); err != nil {
		err = errors.Join(err, f.Close())
	}
	return l, err
}

// tailMost bounds the last line that is looked for; an entry is a lot shorter.
const tailMost = 64 << 10

// mend finds the end of the last whole line and cuts off what is behind it. An end
// that is an object and only lacks its newline was left by an editor: it gets one.
func (l *Log) mend(name string) error {
	st, err := l.file.Stat()
	if err != nil {
		return err
	}
	l.size = st.Size
	tail := make([]byte, min(l.size, tailMost))
	if _, err := l.file.ReadAt(tail, l.size-int64(len(tail))); err != nil {
		return err
	}
	rest := tail[bytes.LastIndexByte(tail, '\n')+1:]
	switch {
	case len(rest) == 0:
		return nil
	case len(rest) == tailMost:
		return fmt.Errorf("%s does not end in a line of this log", name)
	case json.Valid(rest):
		return l.add([]byte("\n"))
	}
	l.size -= int64(len(rest))
	return errors.Join(l.file.Truncate(l.size), l.file.Sync())
}

// textMax bounds each text of an entry, in characters.
const textMax = 1000

// spaces puts text of several lines on one; the rest sanitize.Most makes fit for any
// screen that the log is read on.
var spaces = strings.NewReplacer("\n", " ", "\t", " ")

// Append puts e on record. When it returns nil, e is on disk.
func (l *Log) Append(e Entry) error {
	e.When = time.Now().UTC().Truncate(time.Millisecond)
	for _, s := range []*string{&e.Who, &e.What, &e.Whom, &e.Room, &e.Why, &e.For, &e.Failed} {
		*s = sanitize.Most(spaces.Replace(*s), textMax)
	}
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.add(line.Bytes())
}

// add writes a line whole or not at all. After a failed sync nobody knows what the
// disk has, so that nothing is acknowledged any more.
func (l *Log) add(line []byte) error {
	if l.err != nil {
		return l.err
	}
	if _, err := l.file.WriteAt(line, l.size); err != nil {
		err = fmt.Errorf("the audit log: %w", err)
		if cut := l.file.Truncate(l.size); cut != nil {
			l.err = fmt.Errorf("%w; and its end can't be mended: %w", err, cut)
		}
		return err
	}
	if err := l.file.Sync(); err != nil {
		l.err = fmt.Errorf("the audit log accepts nothing until a restart: %w", err)
		return l.err
	}
	l.size += int64(len(line))
	return nil
}

// Close releases the file. It may be called again.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.file.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
