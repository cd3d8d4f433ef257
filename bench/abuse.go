package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"whoelse/bench/attack"
	"whoelse/bench/scenario"
	"whoelse/bench/target"
)

const (
	// abuseArgs are the server's own limits, held to on the loopback interface too.
	// The metrics tell its goroutines.
	abuseArgs = "serve --listen 127.0.0.1:0 --data " + target.DataWord + " --exempt none --metrics 127.0.0.1:0"
	// What a server may take before an attack is ended: a bench is not to bring its
	// machine down.
	abuseMemory = 6 << 30
	abuseDisk   = 6 << 30
)

// canaryName is the command under which this program is some people who chat.
const canaryName = "abuse-canary"

func abuseCommand(o *options) *cobra.Command {
	a := scenario.Abuse{Canary: self(canaryName), MaxMemory: abuseMemory, MaxDisk: abuseDisk}
	kinds := []string{}
	for _, kind := range attack.Kinds() {
		kinds = append(kinds, string(kind))
	}
	cmd := o.commandFor("abuse", "the most that one address, or many, can take, beside some people who chat", abuseArgs,
		func() (measurement, error) {
			var err error
			if a.Kinds, err = parseKinds(kinds); err != nil {
				return nil, err
			}
			numbers := []float64{a.Duration.Seconds(), a.Settle.Seconds()}
			for _, n := range a.Addresses {
				numbers = append(numbers, float64(n))
			}
			if a.PerAddress < 0 {
				return nil, fmt.Errorf("--per-address %d: a number of 0 or more is needed", a.PerAddress)
			}
			return a, positive(numbers...)
		})
	flags := cmd.Flags()
	flags.StringSliceVar(&kinds, "kinds", kinds, "how to attack, one run each")
	flags.IntSliceVar(&a.Addresses, "addresses", []int{1, 500}, "numbers of addresses, one run each")
	flags.IntVar(&a.PerAddress, "per-address", 0, "connections of each address; 0: 20, and fewer where that is more than 2,000 together")
	flags.DurationVar(&a.Duration, "duration", 20*time.Second, "how long one attack is, logins included")
	flags.DurationVar(&a.Settle, "settle", 15*time.Second, "pause between the attackers' end and the look at what is left")
	return cmd
}

func parseKinds(names []string) ([]attack.Kind, error) {
	var kinds []attack.Kind
	for _, name := range names {
		kind := attack.Kind(strings.TrimSpace(name))
		if !slices.Contains(attack.Kinds(), kind) {
			return nil, fmt.Errorf("--kinds %s: there are %v", name, attack.Kinds())
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

func canaryCommand() *cobra.Command {
	return &cobra.Command{
		Use:    canaryName,
		Short:  "be some people who chat, for the measurement of abuse",
		Hidden: true,
		RunE: func(cmd *cobra.Command, words []string) error {
			return scenario.Canary(cmd.Context(), os.Stdin, cmd.OutOrStdout(), words)
		},
	}
}

// self runs this very program with a command of its own.
func self(name string) []string {
	program, err := os.Executable()
	if err != nil {
		program = os.Args[0]
	}
	return []string{program, name}
}
