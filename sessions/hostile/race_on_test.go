//go:build race

package hostile

func init() {
	raceOn = true
	patience *= 3
}
