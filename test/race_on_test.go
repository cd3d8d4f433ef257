//go:build race

package test

const raceDetector = true

func init() {
	buildFlags = append(buildFlags, "-race")
	patience *= 2
	atOnce = "16"
}
