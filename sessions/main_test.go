package sessions_test

import (
	"flag"
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
