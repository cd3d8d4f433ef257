package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
)

// Small files beside the histories.
const (
	stateFile   = "state.json" // the greatest id
	versionFile = "version"    // of the layout of the folder
)

// readFile returns what is in a file; a missing one is empty.
func readFile(in folder, name string) ([]byte, error) {
	f, err := in.open(name, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.close() }() // it was only read
	st, err := f.stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, st.size)
	n, err := f.ReadAt(b, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:n], err
}

// writeFile replaces a file: after a crash it is the old one or the new one.
func writeFile(in folder, name string, text []byte) error {
	tmp := name + ".tmp"
	f, err := in.open(tmp, true)
	if err != nil {
		return err
	}
	err = f.truncate(0)
	if err == nil {
		_, err = f.WriteAt(text, 0)
	}
	if err == nil {
		err = f.sync()
	}
	if err = errors.Join(err, f.close()); err != nil {
		return err
	}
	if err := in.rename(tmp, name); err != nil {
		return err
	}
	return in.sync()
}

// savedLastID is the LastID that was saved when a journal was last removed.
func (s *Store) savedLastID() string {
	text, err := readFile(s.home().root, stateFile)
	if err == nil && len(text) == 0 {
		return ""
	}
	var state struct{ Last string }
	text = bytes.TrimSuffix(text, []byte("\n"))
	if err != nil || !sealed(text) || json.Unmarshal(text, &state) != nil {
		s.damaged.Add(1)
		if err == nil {
			err = errors.New("it can't be understood")
		}
		s.log.Warn("history: "+stateFile+" can't be read; the room's history is asked for the last id", "error", err)
		return ""
	}
	return state.Last
}

// saveLastID saves it, so that the journal that has it may go.
func (s *Store) saveLastID() error {
	id := s.LastID()
	if id == "" {
		return nil
	}
	return writeFile(s.home().root, stateFile, seal(appendString([]byte(`{"last":`), id), 0))
}
