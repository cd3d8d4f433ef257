package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// takeFolder makes the data folder, or sees that it may be used.
func takeFolder(data string) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	return mayServe(filepath.Join(data, "history"))
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
