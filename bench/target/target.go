// Package target runs a server to be measured as a child process, in a data
// folder of its own, and reads what it costs from the kernel.
//
//	server, err := target.Start(ctx, target.Spec{Name: "server", Argv: argv})
//	before, err := server.Usage()
package target

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// DataWord in a command stands for the data folder made for the run.
	DataWord = "{data}"
	// startTime is how long a server may take to tell its address.
	startTime = 15 * time.Second
	// stopTime is how long it may take to end after SIGTERM.
	stopTime = 10 * time.Second
)

// Spec says what to run.
type Spec struct {
	Name string
	Argv []string // DataWord in it is replaced
	Env  []string // added to this process's own
	Base string   // where the data folder is made; "" is the system's temp folder
	Keys []byte   // becomes authorized_keys in the data folder, if not empty
	// Prepare, if not nil, fills the data folder before the server is started.
	Prepare func(data string) error
}

// Target is a running server. Usage may be called at any time before Stop.
type Target struct {
	Name string
	Addr string // always on the loopback interface

	data    string
	command *exec.Cmd
	output  *output
	ended   chan struct{} // closed when the process is gone
	waiter  sync.WaitGroup
}

// Start runs the server and waits for the address it prints.
func Start(ctx context.Context, spec Spec) (*Target, error) {
	data, err := os.MkdirTemp(spec.Base, "whoelse-bench-")
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	t := &Target{Name: spec.Name, data: data, output: newOutput(), ended: make(chan struct{})}
	if err := t.start(ctx, spec); err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, errors.Join(err, os.RemoveAll(data)))
	}
	return t, nil
}

func (t *Target) start(ctx context.Context, spec Spec) error {
	if len(spec.Keys) > 0 {
		if err := os.WriteFile(filepath.Join(t.data, "authorized_keys"), spec.Keys, 0o600); err != nil {
			return fmt.Errorf("known keys: %w", err)
		}
	}
	if spec.Prepare != nil {
		if err := spec.Prepare(t.data); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
	}
	argv := make([]string, len(spec.Argv))
	for i, word := range spec.Argv {
		argv[i] = strings.ReplaceAll(word, DataWord, t.data)
	}
	t.command = exec.Command(argv[0], argv[1:]...)
	t.command.Env = append(os.Environ(), spec.Env...)
	t.command.Stdout = t.output
	t.command.Stderr = t.output
	t.command.WaitDelay = time.Second
	if err := t.command.Start(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	t.waiter.Go(func() {
		_ = t.command.Wait() // how it ended matters only if it did too early
		close(t.ended)
	})
	return t.awaitAddress(ctx)
}

func (t *Target) awaitAddress(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	select {
	case port := <-t.output.port:
		t.Addr = "127.0.0.1:" + port
		return nil
	case <-t.ended:
		return fmt.Errorf("ended before it listened: %s", t.output.tail())
	case <-ctx.Done():
		_ = t.kill()
		return fmt.Errorf("no address in its output: %s", t.output.tail())
	}
}

// Stop asks the server to end, waits, and removes its data. An error tells that
// it had ended by itself, or had to be killed.
func (t *Target) Stop() error {
	var problem error
	select {
	case <-t.ended:
		problem = fmt.Errorf("%s ended by itself: %s", t.Name, t.output.tail())
	default:
		problem = t.terminate()
	}
	return errors.Join(problem, os.RemoveAll(t.data))
}

func (t *Target) terminate() error {
	if err := t.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return errors.Join(fmt.Errorf("%s: %w", t.Name, err), t.kill())
	}
	select {
	case <-t.ended:
		t.waiter.Wait()
		return nil
	case <-time.After(stopTime):
		return errors.Join(fmt.Errorf("%s did not end on SIGTERM", t.Name), t.kill())
	}
}

func (t *Target) kill() error {
	err := t.command.Process.Kill()
	t.waiter.Wait()
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill: %w", err)
	}
	return nil
}
