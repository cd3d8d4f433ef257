package scenario

import (
	"context"
	"fmt"
	"time"

	"whoelse/bench/load"
	"whoelse/bench/target"
)

// Idle is a room full of people who say nothing.
type Idle struct {
	Sessions int
	Settle   time.Duration // between the last join and the measurement
}

// IdleRun is what one server keeps for them.
type IdleRun struct {
	Server   string  `json:"server"`
	Sessions int     `json:"sessions"`
	Before   float64 `json:"rss_before_kb"`
	After    float64 `json:"rss_after_kb"`
	Each     float64 `json:"rss_kb_per_session"`
	PeakEach float64 `json:"peak_kb_per_session"`
	CPU      float64 `json:"server_cpu_percent_while_settling"`
}

// Run measures all servers, one after the other.
func (i Idle) Run(ctx context.Context, env Env) (*Report, error) {
	var runs []IdleRun
	for _, spec := range env.Servers {
		env.Progress("idle: %d sessions: %s", i.Sessions, spec.Name)
		run := IdleRun{Server: spec.Name, Sessions: i.Sessions}
		err := env.with(ctx, spec, i.Sessions, func(server *target.Target) error {
			return i.once(ctx, env, server, &run)
		})
		if err != nil {
			return nil, fmt.Errorf("idle: %w", err)
		}
		runs = append(runs, run)
	}
	return i.report(runs), nil
}

func (i Idle) once(ctx context.Context, env Env, server *target.Target, run *IdleRun) error {
	if err := sleep(ctx, env.Calm/2); err != nil {
		return err
	}
	before, err := server.Usage()
	if err != nil {
		return fmt.Errorf("before: %w", err)
	}
	crowd, err := load.Gather(ctx, env.plan(server, 0, i.Sessions))
	if err != nil {
		return fmt.Errorf("gather: %w", err)
	}
	defer crowd.Close()
	spent, err := measure(server, func() error { return sleep(ctx, i.Settle) })
	if err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	after, err := server.Usage()
	if err != nil {
		return fmt.Errorf("after: %w", err)
	}
	if ended := crowd.Ended(); ended > 0 {
		return fmt.Errorf("%d of %d idle sessions were ended by the server", ended, i.Sessions)
	}
	run.Before, run.After = kilobytes(before.RSS), kilobytes(after.RSS)
	run.Each = kilobytes(after.RSS-before.RSS) / float64(i.Sessions)
	run.PeakEach = kilobytes(after.Peak-before.RSS) / float64(i.Sessions)
	run.CPU = 100 * spent.server.Seconds() / i.Settle.Seconds()
	return nil
}

// kilobytes counts as the kernel does, by 1,024.
func kilobytes(bytes int64) float64 { return float64(bytes) / 1024 }

func (i Idle) report(runs []IdleRun) *Report {
	report := &Report{
		Scenario: fmt.Sprintf("idle: %d sessions", i.Sessions),
		Command:  fmt.Sprintf("go run ./bench idle --sessions %d --settle %s", i.Sessions, i.Settle),
		Runs:     runs,
		Table: Table{Head: []string{"server", "RSS before KB", "RSS after KB", "KB/session",
			"peak KB/session", "CPU % while idle"}},
	}
	for _, r := range runs {
		report.Table.Add(r.Server, fmt.Sprintf("%.0f", r.Before), fmt.Sprintf("%.0f", r.After),
			fmt.Sprintf("%.1f", r.Each), fmt.Sprintf("%.1f", r.PeakEach), r.CPU)
		if r.Server == ServerName {
			report.Checks = append(report.Checks, Check{
				What:     fmt.Sprintf("%d idle sessions: memory of each", i.Sessions),
				Promised: fmt.Sprintf("at most %.0f KB", idleKilobytes),
				Measured: fmt.Sprintf("%.1f KB", r.Each),
				Met:      r.Each <= idleKilobytes,
			})
		}
	}
	return report
}
