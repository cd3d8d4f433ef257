//go:build !linux

package disk

import "errors"

func exchange(int, string, string) error { return errors.ErrUnsupported }
