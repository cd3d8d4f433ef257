package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"whoelse/bench/load"
	"whoelse/bench/scenario"
)

// stuckSize fills the buffers of a session that does not read, the kernel's and
// the server's own, within one stage.
const stuckSize = 600

// step is one measurement of the whole set.
type step struct {
	measurement
	auth       load.Auth // where it is not the flag's
	serverOnly bool
}

func allCommand(o *options) *cobra.Command {
	var quick bool
	cmd := &cobra.Command{
		Use:   "all",
		Short: "the whole set, as markdown for docs/measurements.md",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			steps := fullSet()
			if quick {
				steps = quickSet()
			}
			return o.with(cmd.Context(), serverArgs, func(env scenario.Env) error {
				reports, err := runAll(cmd.Context(), env, steps)
				if err != nil {
					return err
				}
				return o.printAll(cmd.OutOrStdout(), reports, !quick)
			})
		},
	}
	cmd.Flags().BoolVar(&quick, "quick", false, "small numbers, to see that all of it runs; the figures mean little")
	return cmd
}

// fullSet is what the promises speak of. The faster room is not put to the
// floor, which cannot keep up there and would only be seen to drown.
func fullSet() []step {
	return []step{
		{measurement: scenario.Fanout{Sessions: 300, Rate: 250, Duration: 10 * time.Second, Rounds: 3, Size: messageSize}},
		{measurement: scenario.Fanout{Sessions: 300, Rate: 1000, Duration: 10 * time.Second, Rounds: 3, Size: messageSize}, serverOnly: true},
		{measurement: scenario.Idle{Sessions: 2000, Settle: 20 * time.Second}},
		{measurement: scenario.Joins{Sessions: 2000, Rounds: 3}},
		{measurement: scenario.Joins{Sessions: 2000, Rounds: 1}, auth: load.AuthNew},
		{measurement: scenario.Stuck{Sessions: 100, Stuck: 3, Rate: 100, Duration: 10 * time.Second, Rounds: 5, Size: stuckSize}},
		{measurement: scenario.Direct{Senders: []int{1, 32, 300}, Duration: 5 * time.Second, Size: messageSize}, serverOnly: true},
		{measurement: fullStorage(), serverOnly: true},
	}
}

func quickSet() []step {
	return []step{
		{measurement: scenario.Fanout{Sessions: 20, Rate: 100, Duration: time.Second, Rounds: 1, Size: messageSize}},
		{measurement: scenario.Idle{Sessions: 50, Settle: time.Second}},
		{measurement: scenario.Joins{Sessions: 50, Rounds: 1}},
		{measurement: scenario.Joins{Sessions: 50, Rounds: 1}, auth: load.AuthNew},
		{measurement: scenario.Stuck{Sessions: 10, Stuck: 2, Rate: 50, Duration: time.Second, Rounds: 1, Size: stuckSize}},
		{measurement: scenario.Direct{Senders: []int{1, 4}, Duration: time.Second, Size: messageSize}, serverOnly: true},
		{measurement: quickStorage(), serverOnly: true},
	}
}

func runAll(ctx context.Context, env scenario.Env, steps []step) ([]*scenario.Report, error) {
	var reports []*scenario.Report
	for _, s := range steps {
		report, err := s.run(ctx, env)
		if err != nil {
			return nil, err
		}
		if report != nil {
			reports = append(reports, report)
		}
	}
	return reports, nil
}

// run returns no report where the set leaves nothing to measure.
func (s step) run(ctx context.Context, env scenario.Env) (*scenario.Report, error) {
	if s.auth != "" {
		env.Auth = s.auth
	}
	if s.serverOnly {
		env.Servers = env.Servers[len(env.Servers)-1:]
		if env.Servers[0].Name != scenario.ServerName {
			return nil, nil
		}
	}
	report, err := s.Run(ctx, env)
	if err != nil {
		return nil, fmt.Errorf("all: %w", err)
	}
	return report, nil
}

// printAll judges the figures only where the numbers are those that the
// promises speak of.
func (o *options) printAll(w io.Writer, reports []*scenario.Report, judge bool) error {
	if o.json {
		return json.NewEncoder(w).Encode(struct {
			Machine facts              `json:"machine"`
			Reports []*scenario.Report `json:"reports"`
		}{machineFacts(), reports})
	}
	_, err := fmt.Fprintf(w, "%s\n\n", machineFacts())
	var checks []scenario.Check
	for _, report := range reports {
		checks = append(checks, report.Checks...)
	}
	if err == nil && judge && len(checks) > 0 {
		_, err = fmt.Fprintf(w, "%s\n", scenario.CheckTable(checks))
	}
	for _, report := range reports {
		if err == nil {
			_, err = fmt.Fprintf(w, "%s\n", report)
		}
	}
	return err
}
