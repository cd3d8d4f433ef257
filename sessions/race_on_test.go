//go:build race

package sessions_test

func init() { patience *= 3 }
