//go:build race

package adversarial

func init() {
	raceOn = true
	patience *= 2
}
