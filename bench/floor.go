package main

import (
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"whoelse/bench/floor"
	"whoelse/bench/scenario"
	"whoelse/bench/target"
)

// floorName is the command under which this program is the floor.
const floorName = "floor"

func floorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   floorName,
		Short: "be the floor, on a free port of the loopback interface",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return fmt.Errorf("floor: %w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "floor listening on %s\n", listener.Addr())
			return floor.Serve(cmd.Context(), listener)
		},
	}
}

// floorSpec runs this very program as the floor.
func floorSpec(dir string) (target.Spec, error) {
	self, err := os.Executable()
	if err != nil {
		return target.Spec{}, fmt.Errorf("floor: %w", err)
	}
	return target.Spec{Name: scenario.FloorName, Argv: []string{self, floorName}, Base: dir}, nil
}
