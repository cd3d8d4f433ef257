package sessions_test

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets the transcripts be played side by side on few cores too: they wait
// most of the time.
func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.parallel", "16")
	goleak.VerifyTestMain(m)
}

// onlyFull is for tests that wait for long limits. What they are about is tested without waiting in
// package room; these show it with real connections.
func onlyFull(t *testing.T) {
	t.Helper()
	if os.Getenv("WHOELSE_TEST") != "full" {
		t.Skip("takes long; runs with WHOELSE_TEST=full")
	}
}
