// Package cluster drives several servers over a NATS cluster, all of them processes of the built
// programs, while processes are killed, paused and cut off from each other.
package cluster

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds every expectation that has no limit of its own.
var patience = 40 * time.Second

// buildFlags has the race detector in the binary when it is in the tests.
var buildFlags []string

// binary and engineBinary are where TestMain has built the server, and the NATS server in the version of go.mod.
var binary, engineBinary string

// full has the tests do all that they can.
var full = os.Getenv("WHOELSE_TEST") == "full"

// onlyFull is for tests that take long.
func onlyFull(t *testing.T) {
	t.Helper()
	if !full {
		t.Skip("takes long; runs with WHOELSE_TEST=full")
	}
}

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "whoelse-cluster")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// A cluster is four processes or more, with elections that depend on the clock.
	if err := flag.Set("test.parallel", "3"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// build builds both programs in dir, side by side.
func build(dir string) error {
	binary, engineBinary = filepath.Join(dir, "whoelse"), filepath.Join(dir, "nats-server")
	results := make(chan error)
	for _, args := range [][]string{
		slices.Concat([]string{"build", "-o", binary}, buildFlags, []string{"whoelse"}),
		{"build", "-o", engineBinary, "github.com/nats-io/nats-server/v2"},
	} {
		go func() {
			out, err := exec.Command("go", args...).CombinedOutput()
			if err != nil {
				err = fmt.Errorf("go build: %w\n%s", err, out)
			}
			results <- err
		}()
	}
	return errors.Join(<-results, <-results)
}
