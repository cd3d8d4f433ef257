//go:build race

package cluster

// What takes minutes runs without the race detector: .ci/run does both.
func init() {
	buildFlags, patience, full = []string{"-race"}, 2*patience, false
}
