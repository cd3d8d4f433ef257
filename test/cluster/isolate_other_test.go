//go:build !linux

package cluster

import (
	"errors"
	"os/exec"
)

func isolate(*exec.Cmd) {}

func prepare() error { return errors.New("only Linux has network namespaces") }
