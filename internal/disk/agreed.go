package disk

import (
	"encoding/json"
	"path/filepath"
)

// Share proposes a change of a file to all servers of a cluster, through the log that they follow. Once this server
// has all earlier changes, it calls change, which returns the proposal, or nil if there is nothing to change. If another
// server was faster, it calls change again. It returns nil once this server has received the proposal, or if there is
// nothing to change. A proposal that may have been accepted is not repeated.
type Share func(change func() (data []byte, err error)) error

// MaxProposal bounds a change of a file that is proposed to the other servers of a cluster, in bytes.
// Larger changes are proposed in parts, or refused: a line of the log has 128 KiB, and the change in base 64.
const MaxProposal = 90 << 10

// Proposal counts the bytes of a proposal, up to MaxProposal.
type Proposal struct{ size int }

// Add reports whether the proposal has room for v, too, as JSON.
func (p *Proposal) Add(v any) bool {
	inJSON, _ := json.Marshal(v) // some characters become six bytes
	p.size += len(inJSON) + 10
	return p.Whole()
}

// Whole reports whether everything that was added has room.
func (p *Proposal) Whole() bool { return p.size < MaxProposal }

// Agreed returns the path of a copy of the file at path: the version that the servers of a cluster last agreed on.
// A difference between the two is an edit on this server that the others do not have yet.
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
