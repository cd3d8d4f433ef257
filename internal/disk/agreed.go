package disk

import "path/filepath"

// MaxProposal bounds a change of a file that is proposed to the other servers of a cluster, in bytes.
// Larger changes are proposed in parts, or refused: a line of the log has 128 KiB, and the change in base 64.
const MaxProposal = 90 << 10

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
