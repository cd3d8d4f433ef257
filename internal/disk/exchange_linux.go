package disk

import (
	"errors"

	"golang.org/x/sys/unix"
)

func exchange(folder int, a, b string) error {
	err := unix.Renameat2(folder, a, folder, b, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) {
		return errors.ErrUnsupported
	}
	return err // of ENOSYS, errors.Is says ErrUnsupported by itself
}
