//go:build race

package test

const raceDetector = true

func init() {
	buildFlags = []string{"-race"}
	patience *= 3
	stopLimit *= 3
}
