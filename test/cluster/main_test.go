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
	if inside {
		if err := settle(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		name(os.Getenv(insideVariable))
		return run(m)
	}
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
	if os.Getenv("WHOELSE_JEPSEN") != "" {
		code, err := goInside(dir)
		if err == nil {
			return code
		}
		fmt.Fprintln(os.Stderr, "WHOELSE_JEPSEN: engine nodes are not cut off from each other:", err)
	}
	return run(m)
}

// run runs the tests.
func run(m *testing.M) int {
	parallel := "3" // a cluster is four processes or more, with elections that depend on the clock
	if inside {
		parallel = "1" // and answers may not be late at all
	}
	if err := flag.Set("test.parallel", parallel); err != nil {
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

// name notes where in dir the programs are.
func name(dir string) {
	binary, engineBinary = filepath.Join(dir, "whoelse"), filepath.Join(dir, "nats-server")
}

// build builds both programs in dir, side by side.
func build(dir string) error {
	name(dir)
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
