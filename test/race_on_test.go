//go:build race

package test

func init() {
	buildFlags = []string{"-race"}
	patience *= 3
	stopLimit *= 3
}
