package load

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// smallReceive is asked for before connecting, so that the window that is
	// announced is small from the start.
	smallReceive = 4 << 10
	// smallSegment is an ordinary line's. On loopback a segment has 64 KiB, and
	// the kernel then gives the server's side megabytes of send buffer, which
	// would hide a client that does not read for minutes.
	smallSegment = 1400
)

// smallSocket makes a client's socket like one at the end of a real line.
func smallSocket(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = errors.Join(
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, smallReceive),
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, smallSegment),
		)
	})
	if err := errors.Join(err, failed); err != nil {
		return fmt.Errorf("small socket: %w", err)
	}
	return nil
}
