package disk

import (
	"encoding/json"
	"fmt"
	"path/filepath"
)

// Share sends changes of a file through a log that all servers of a cluster follow. Once this server has all
// changes so far, it calls change, which gives the proposal, or nil if there is nothing to change. If another server
// was faster, it does so again. It returns nil once the proposal was received on this server, or if there was nothing
// to do. A proposal that may have been accepted is not made again.
type Share func(change func() (data []byte, err error)) error

// editAttempts bounds how often a change waits for edits of this server's file that are shared before it.
const editAttempts = 20

// Change shares a change of what. proposal reports with edited that it gives an edit of this server's file instead, which has
// to be shared before; then it is called again.
func (s Share) Change(what string, proposal func() (data []byte, edited bool, err error)) error {
	for range editAttempts {
		edited := false
		err := s(func() (data []byte, err error) {
			data, edited, err = proposal()
			return data, err
		})
		if err != nil || !edited {
			return err
		}
	}
	return fmt.Errorf("%s: %w", what, ErrChanged)
}

// MaxProposal bounds a change of a file that is proposed to the other servers of a cluster, in bytes.
// Larger changes are proposed in parts, or refused: a line of the log has 128 KiB, and the change in base 64.
const MaxProposal = 90 << 10

// Proposal counts what is in a proposal.
type Proposal struct{ size int }

// Add reports whether the proposal has room for v, too, as JSON.
func (p *Proposal) Add(v any) bool {
	inJSON, _ := json.Marshal(v) // some characters become six bytes
	p.size += len(inJSON) + 10
	return p.Whole()
}

// Whole reports whether there was room for all.
func (p *Proposal) Whole() bool { return p.size < MaxProposal }

// Agreed is the path of a copy of the file at path, which all servers of a cluster share, as they last agreed on
// it. Where the file differs, it was edited here, and the others do not have the edit yet.
func Agreed(path string) string {
	return filepath.Join(filepath.Dir(path), "cluster", filepath.Base(path))
}

// WriteAgreed replaces the copy at Agreed(path), durably.
func (s Store) WriteAgreed(path string, data []byte) error {
	agreed := Agreed(path)
	if err := s.MakeDir(filepath.Dir(agreed)); err != nil {
		return err
	}
	return s.Write(agreed, data)
}
