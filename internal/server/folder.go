package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// takeFolder makes the data folder, or sees that it may be used.
func takeFolder(data string) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	return mayServe(historyFolder(data))
}

// mayServe keeps root, who runs this by mistake, from writing files among somebody
// else's that those could not read then.
func mayServe(histories string) error {
	info, err := os.Stat(histories)
	if err != nil {
		return nil // it is made, or history.Open says what is wrong
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return serving(histories, os.Geteuid(), int(st.Uid))
}

func serving(histories string, me, owner int) error {
	if me != 0 || owner == 0 {
		return nil
	}
	return fmt.Errorf("%s belongs to uid %d, which could not use what root writes there; run this as that user, with sudo -u '#%d', or give root all of the data folder with chown -R",
		histories, owner, owner)
}

// checkKeysFile refuses to start without authorized_keys where nicks have histories:
// every nick would be free, for whoever comes first.
func (s *server) checkKeysFile() error {
	path := filepath.Join(s.cfg.Data, "authorized_keys")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil // the registry says what is wrong with it, if anything is
	}
	nicks, err := s.storage.histories.Nicks()
	if err != nil || len(nicks) == 0 {
		return err
	}
	return fmt.Errorf("%s is gone, and %s has the histories of nicks, which anybody could claim now; "+
		"restore the file from a backup, or make an empty one to start anew", path, filepath.Join(historyFolder(s.cfg.Data), "users"))
}
