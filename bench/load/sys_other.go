//go:build !linux

package load

import "syscall"

// smallSocket needs Linux; elsewhere the measurements are refused before this.
func smallSocket(string, string, syscall.RawConn) error { return nil }
