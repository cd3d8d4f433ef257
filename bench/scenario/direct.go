package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"whoelse/bench/load"
	"whoelse/bench/target"
)

const (
	// probeTime bounds the measurement of the disk.
	probeTime = 2 * time.Second
	// probeLine is about one record of a history.
	probeLine = 256
)

// Direct is pairs of people writing to each other in sessions without a
// terminal, each waiting for the receipt before it writes again. A receipt
// says that the message is on disk.
type Direct struct {
	Senders  []int
	Duration time.Duration
	Size     int
}

// DirectRun is one number of senders.
type DirectRun struct {
	Senders    int     `json:"senders"`
	Recipients string  `json:"recipients"` // online, or away from the server
	PerSecond  float64 `json:"acknowledged_per_second"`
	Delivered  int     `json:"delivered"`
	Kept       int     `json:"kept"`
	Refused    int     `json:"refused"`
	Unanswered int     `json:"unanswered"`
	Unshown    int     `json:"told_delivered_but_not_shown"`
	Duplicates int     `json:"duplicates"`
	CPU        float64 `json:"server_cpu_us_per_message"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	Max        float64 `json:"max_ms"`
	Others     float64 `json:"other_cpu_percent"`
}

// Run measures the server alone: the floor has neither names nor a disk.
func (d Direct) Run(ctx context.Context, env Env) (*Report, error) {
	report := d.report()
	var runs []DirectRun
	for _, spec := range env.Servers {
		if spec.Name != ServerName {
			continue
		}
		rate, err := probeDisk(spec.Base)
		if err != nil {
			return nil, err
		}
		report.Summary = append(report.Summary,
			fmt.Sprintf("one writer's bare write and fsync of %d bytes on the same disk: %.0f a second", probeLine, rate))
		for _, senders := range d.Senders {
			for _, recipients := range []string{"online", "away"} {
				run := DirectRun{Senders: senders, Recipients: recipients}
				env.Progress("dm: %d senders, recipients %s: %s", senders, recipients, spec.Name)
				err := env.with(ctx, spec, 2*senders, func(server *target.Target) error {
					return d.once(ctx, env, server, &run)
				})
				if err != nil {
					return nil, fmt.Errorf("dm: %w", err)
				}
				runs = append(runs, run)
			}
		}
	}
	d.fill(report, runs)
	return report, nil
}

func (d Direct) once(ctx context.Context, env Env, server *target.Target, run *DirectRun) error {
	plan := env.plan(server, 0, run.Senders)
	plan.Kind = load.Kind{}
	direct, err := load.GatherDirect(ctx, plan, run.Recipients == "away")
	if err != nil {
		return fmt.Errorf("gather: %w", err)
	}
	defer direct.Close()
	if err := sleep(ctx, env.Calm); err != nil {
		return err
	}
	var out *load.DirectOutcome
	spent, err := measure(server, func() (err error) {
		out, err = direct.Run(ctx, d.Duration, d.Size)
		return err
	})
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	run.PerSecond = float64(out.Acknowledged()) / out.Elapsed.Seconds()
	run.Delivered, run.Kept, run.Refused = out.Delivered, out.Kept, out.Refused
	run.Unanswered, run.Unshown, run.Duplicates = out.Unanswered, out.Unshown, out.Duplicates
	run.CPU = micros(spent.server, out.Acknowledged())
	run.P50, run.P99 = millis(out.Latency.Quantile(0.50)), millis(out.Latency.Quantile(0.99))
	run.Max, run.Others = millis(out.Latency.Max()), spent.others
	return nil
}

func (d Direct) report() *Report {
	return &Report{
		Scenario: "direct messages, each acknowledged before the next",
		Table: Table{Head: []string{"senders", "recipients", "acknowledged/s", "delivered", "kept", "refused",
			"unanswered", "not shown", "CPU us/message", "p50 ms", "p99 ms", "max ms", "others %"}},
	}
}

func (d Direct) fill(report *Report, runs []DirectRun) {
	list := ""
	for i, n := range d.Senders {
		if i > 0 {
			list += ","
		}
		list += fmt.Sprint(n)
	}
	report.Command = fmt.Sprintf("go run ./bench dm --senders %s --duration %s", list, d.Duration)
	report.Runs = runs
	missed, acknowledged := 0, 0
	for _, r := range runs {
		report.Table.Add(r.Senders, r.Recipients, fmt.Sprintf("%.0f", r.PerSecond), r.Delivered, r.Kept, r.Refused,
			r.Unanswered, r.Unshown, r.CPU, r.P50, r.P99, r.Max, r.Others)
		missed += r.Unanswered + r.Unshown + r.Refused
		acknowledged += r.Delivered + r.Kept
	}
	report.doubt(pick(runs, always[DirectRun], func(r DirectRun) float64 { return r.Others }))
	if len(runs) > 0 {
		report.Checks = []Check{{"direct messages: unanswered, refused or not shown", "0",
			fmt.Sprintf("%d of %d", missed, acknowledged+missed), missed == 0 && acknowledged > 0}}
	}
}

// probeDisk tells how often a second one record can be made durable here, which
// no server that keeps its word can beat without sharing an fsync.
func probeDisk(base string) (rate float64, err error) {
	file, err := os.CreateTemp(base, "whoelse-bench-disk-")
	if err != nil {
		return 0, fmt.Errorf("disk probe: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	line := make([]byte, probeLine)
	start, writes := time.Now(), 0
	for time.Since(start) < probeTime {
		if _, err := file.Write(line); err != nil {
			return 0, fmt.Errorf("disk probe: %w", err)
		}
		if err := file.Sync(); err != nil {
			return 0, fmt.Errorf("disk probe: %w", err)
		}
		writes++
	}
	return float64(writes) / time.Since(start).Seconds(), nil
}
