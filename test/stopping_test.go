package test

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// A command that runs when the server is stopped is told so, and its exit status is
// not ssh's own, which would say that there was no connection.
func TestShutdownWithACommand(t *testing.T) {
	t.Parallel()
	needClient(t, "ssh")
	s := startServer(t, t.TempDir())
	command := s.openSSH("dave", nil, nil, "say -")
	var told strings.Builder
	command.Stderr = &told
	input, err := command.StdinPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	for late := time.Now().Add(patience); ; { // its name is taken as long as it runs
		if out, _ := output(t, s.openSSH("dave", nil, nil, "nick"), ""); strings.Contains(out, "~dave2") {
			break
		}
		if time.Now().After(late) {
			t.Fatal("the command does not run")
		}
	}
	if err := s.signal(syscall.SIGTERM, patience); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	err = command.Wait()
	if command.ProcessState.ExitCode() != 75 || !strings.Contains(told.String(), "whoelse: the server is shutting down") {
		t.Errorf("%v: %q", err, told.String())
	}
}
