package sessions_test

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// full has the tests do all that they can, however long that takes.
var full = os.Getenv("WHOELSE_TEST") == "full"

// onlyFull is for tests that wait for long limits, of what others test with less.
func onlyFull(t *testing.T) {
	t.Helper()
	if !full {
		t.Skip("takes long; runs with WHOELSE_TEST=full")
	}
}

// TestMain lets the transcripts be played side by side on few cores too: they wait
// most of the time.
func TestMain(m *testing.M) {
	checks := "3"
	if full {
		checks = "20"
	}
	flag.Set("rapid.checks", checks) // unless another number is asked for
	flag.Parse()
	flag.Set("test.parallel", "32")
	goleak.VerifyTestMain(m)
}
