//go:build race

package cluster

func init() {
	buildFlags, patience = []string{"-race"}, 2*patience
}
