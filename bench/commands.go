package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"whoelse/bench/scenario"
)

// messageSize is an ordinary chat line.
const messageSize = 40

// measurement is what every scenario is.
type measurement interface {
	Run(ctx context.Context, env scenario.Env) (*scenario.Report, error)
}

// command wraps one measurement. Its flags are set before choose is called.
func (o *options) command(name, short string, choose func() (measurement, error)) *cobra.Command {
	return o.commandFor(name, short, serverArgs, choose)
}

// commandFor is command for a server that is run with other arguments.
func (o *options) commandFor(name, short, args string, choose func() (measurement, error)) *cobra.Command {
	return &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := choose()
			if err != nil {
				return err
			}
			return o.with(cmd.Context(), args, func(env scenario.Env) error {
				report, err := m.Run(cmd.Context(), env)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				return o.print(cmd.OutOrStdout(), report)
			})
		},
	}
}

// print shows a report and, alone, how it stands against what is promised.
func (o *options) print(w io.Writer, report *scenario.Report) error {
	if o.json {
		return json.NewEncoder(w).Encode(report)
	}
	_, err := fmt.Fprintln(w, report)
	if err == nil && len(report.Checks) > 0 {
		_, err = fmt.Fprintln(w, scenario.CheckTable(report.Checks))
	}
	return err
}

// positive refuses numbers that would measure nothing.
func positive(numbers ...float64) error {
	for _, n := range numbers {
		if n <= 0 {
			return errors.New("sessions, rates, rounds and durations have to be above 0")
		}
	}
	return nil
}

func fanoutCommand(o *options) *cobra.Command {
	f := scenario.Fanout{}
	cmd := o.command("fanout", "everyone talks in turn, everyone hears all", func() (measurement, error) {
		return f, positive(float64(f.Sessions), f.Rate, f.Duration.Seconds(), float64(f.Rounds), float64(f.Size))
	})
	cmd.Flags().IntVar(&f.Sessions, "sessions", 300, "sessions in the room")
	cmd.Flags().Float64Var(&f.Rate, "rate", 250, "messages a second, of all together")
	cmd.Flags().DurationVar(&f.Duration, "duration", 10*time.Second, "how long they talk")
	cmd.Flags().IntVar(&f.Rounds, "rounds", 3, "how often each server is measured, in turn")
	cmd.Flags().IntVar(&f.Size, "size", messageSize, "bytes of one message")
	return cmd
}

func idleCommand(o *options) *cobra.Command {
	i := scenario.Idle{}
	cmd := o.command("idle", "memory of sessions that say nothing", func() (measurement, error) {
		return i, positive(float64(i.Sessions), i.Settle.Seconds())
	})
	cmd.Flags().IntVar(&i.Sessions, "sessions", 2000, "sessions in the room")
	cmd.Flags().DurationVar(&i.Settle, "settle", 20*time.Second, "pause between the last join and the measurement")
	return cmd
}

func joinsCommand(o *options) *cobra.Command {
	j := scenario.Joins{}
	cmd := o.command("joins", "a crowd comes in, --parallel at a time", func() (measurement, error) {
		return j, positive(float64(j.Sessions), float64(j.Rounds))
	})
	cmd.Flags().IntVar(&j.Sessions, "sessions", 2000, "sessions that come")
	cmd.Flags().IntVar(&j.Rounds, "rounds", 3, "how often each server is measured, in turn")
	return cmd
}

func stuckCommand(o *options) *cobra.Command {
	s := scenario.Stuck{}
	cmd := o.command("stuck", "some sessions stop reading", func() (measurement, error) {
		return s, positive(float64(s.Sessions), float64(s.Stuck), s.Rate, s.Duration.Seconds(), float64(s.Rounds))
	})
	cmd.Flags().IntVar(&s.Sessions, "sessions", 100, "sessions that talk and read")
	cmd.Flags().IntVar(&s.Stuck, "stuck", 3, "sessions that stop reading")
	cmd.Flags().Float64Var(&s.Rate, "rate", 100, "messages a second, of all together")
	cmd.Flags().DurationVar(&s.Duration, "duration", 10*time.Second, "how long one stage is")
	cmd.Flags().IntVar(&s.Rounds, "rounds", 5, "stages without and with the stuck, in turn")
	cmd.Flags().IntVar(&s.Size, "size", stuckSize, "bytes of one message, enough to fill what is not read")
	return cmd
}

func directCommand(o *options) *cobra.Command {
	d := scenario.Direct{}
	cmd := o.command("dm", "direct messages, each acknowledged before the next", func() (measurement, error) {
		for _, n := range d.Senders {
			if err := positive(float64(n)); err != nil {
				return nil, err
			}
		}
		return d, positive(d.Duration.Seconds())
	})
	cmd.Flags().IntSliceVar(&d.Senders, "senders", []int{1, 32, 300}, "numbers of senders, one run each")
	cmd.Flags().DurationVar(&d.Duration, "duration", 5*time.Second, "how long they send")
	cmd.Flags().IntVar(&d.Size, "size", messageSize, "bytes of one message")
	return cmd
}
