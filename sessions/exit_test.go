package sessions_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// The library ends a channel with status 0 when its handler returns, which must not
// come before the session's own.
func TestExitStatusOfPipes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	times := 50
	if full {
		times = 300
	}
	conn := dialSSH(t, r.addr, "bob") // one for all, since a handshake takes longer than a session
	defer conn.Wait()
	defer conn.Close()
	defer time.AfterFunc(time.Duration(times)*patience, func() { conn.Close() }).Stop()
	stays, err := conn.NewSession() // a connection ends with its last session
	r.must(err)
	r.must(stays.Start("tail"))
	for range times {
		s := r.session(conn)
		s.Stdin = strings.NewReader("send zoe hello\n")
		r.must(s.Shell())
		err = s.Wait()
		if failed, ok := errors.AsType[*gossh.ExitError](err); !ok || failed.ExitStatus() != 1 {
			t.Fatalf("a line that was refused: %v", err)
		}
	}
}
