package adversarial

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets the cases that only wait do so together on few cores, too.
func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.parallel", "8")
	goleak.VerifyTestMain(m)
}
