package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// checkKeysFile refuses to start without authorized_keys where nicks have histories:
// every nick would be free, for whoever comes first.
func checkKeysFile(data string) error {
	path := filepath.Join(data, "authorized_keys")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil // the registry says what is wrong with it, if anything is
	}
	users := filepath.Join(data, "history", "users")
	files, err := os.ReadDir(users)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".jsonl") {
			return fmt.Errorf("%s is gone, and %s has the histories of nicks, which anybody could claim now; "+
				"restore the file from a backup, or make an empty one to start anew", path, users)
		}
	}
	return nil
}
