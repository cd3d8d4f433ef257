// Bench measures whoelse over real ssh on the loopback interface, beside a
// floor: the least program that relays lines with golang.org/x/crypto/ssh.
//
//	go run ./bench fanout      what one delivered message costs
//	go run ./bench idle        what one idle session keeps
//	go run ./bench joins       what a crowd at the door costs
//	go run ./bench stuck       what those who stop reading do to the others
//	go run ./bench dm          how many direct messages are acknowledged
//	go run ./bench abuse       what attackers can take, and what others notice
//	go run ./bench storage     what histories on disk cost, without any server
//	go run ./bench all         all of it, as docs/measurements.md holds it
//
// The server is built from this module, unless --server names a command; it and
// the floor run as child processes, never at the same time, and what they cost
// is read from the kernel. Linux only.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// generatorGC lets the generator's heap grow, so that its collector takes less
// of the cores that it shares with the server. Servers keep Go's default.
const generatorGC = 400

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func rootCommand() *cobra.Command {
	o := &options{}
	root := &cobra.Command{
		Use:           "bench",
		Short:         "measure the server over real ssh, beside a floor",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			if cmd.Name() != floorName {
				debug.SetGCPercent(generatorGC)
			}
		},
	}
	o.addFlags(root)
	root.AddCommand(fanoutCommand(o), idleCommand(o), joinsCommand(o), stuckCommand(o),
		directCommand(o), abuseCommand(o), storageCommand(o), allCommand(o), floorCommand(), storageChildCommand(), canaryCommand())
	return root
}
