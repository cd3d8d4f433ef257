// Package cluster drives several servers over a NATS cluster, all of them processes of the built
// programs, while processes are killed, paused and cut off from each other.
package cluster

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds every expectation that has no limit of its own.
var patience = 40 * time.Second

// buildFlags has the race detector in the binary when it is in the tests.
var buildFlags []string

// binary is where TestMain has built the server, and built is the folder.
var binary, built string

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
	built, binary = dir, filepath.Join(dir, "whoelse")
	build := exec.Command("go", append(append([]string{"build"}, buildFlags...), "-o", binary, "whoelse")...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
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

var buildEngine = sync.OnceValues(func() (string, error) {
	file := filepath.Join(built, "nats-server")
	out, err := exec.Command("go", "build", "-o", file, "github.com/nats-io/nats-server/v2").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %w\n%s", err, out)
	}
	return file, err
})

// engineBinary is the NATS server, in the version of go.mod, built when it is first needed.
func engineBinary(t testing.TB) string {
	t.Helper()
	file, err := buildEngine()
	if err != nil {
		t.Fatal(err)
	}
	return file
}
