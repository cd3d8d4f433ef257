package storage

import (
	"errors"
	"os"
	"path/filepath"
)

// removeAll removes a folder and all in it. os.RemoveAll opens the folder again
// after every thousand names, for which some file systems step over all that
// was removed before: with a million files that takes minutes.
func removeAll(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		remove := os.Remove
		if entry.IsDir() {
			remove = removeAll
		}
		if err := remove(path); err != nil {
			return err
		}
	}
	return os.Remove(dir)
}
