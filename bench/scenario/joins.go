package scenario

import (
	"context"
	"fmt"
	"time"

	"whoelse/bench/load"
	"whoelse/bench/target"
)

// Joins is a crowd that comes all at once, and stays.
type Joins struct {
	Sessions int
	Rounds   int
}

// JoinsRun is one server's door, once.
type JoinsRun struct {
	Server       string  `json:"server"`
	Round        int     `json:"round"`
	Sessions     int     `json:"sessions"`
	Seconds      float64 `json:"seconds"`
	CPU          float64 `json:"server_cpu_us_per_join"`
	GeneratorCPU float64 `json:"generator_cpu_us_per_join"`
	Ended        int     `json:"ended"`
	Others       float64 `json:"other_cpu_percent"`
}

// Run measures all servers in turn.
func (j Joins) Run(ctx context.Context, env Env) (*Report, error) {
	var runs []JoinsRun
	for round := range j.Rounds {
		for _, spec := range env.Servers {
			env.Progress("joins: %d sessions, %d at a time, round %d: %s", j.Sessions, env.Parallel, round+1, spec.Name)
			run := JoinsRun{Server: spec.Name, Round: round + 1, Sessions: j.Sessions}
			err := env.with(ctx, spec, j.Sessions, func(server *target.Target) error {
				return j.once(ctx, env, server, &run)
			})
			if err != nil {
				return nil, fmt.Errorf("joins: %w", err)
			}
			runs = append(runs, run)
		}
	}
	return j.report(env, runs), nil
}

// once counts a join as done when the session has been shown something. What
// the server still has to tell the others about it comes out of its CPU.
func (j Joins) once(ctx context.Context, env Env, server *target.Target, run *JoinsRun) error {
	var crowd *load.Crowd
	var elapsed time.Duration
	spent, err := measure(server, func() (err error) {
		start := time.Now()
		crowd, err = load.Gather(ctx, env.plan(server, 0, j.Sessions))
		elapsed = time.Since(start)
		return err
	})
	if err != nil {
		return fmt.Errorf("gather: %w", err)
	}
	defer crowd.Close()
	run.Seconds = elapsed.Seconds()
	run.CPU = micros(spent.server, j.Sessions)
	run.GeneratorCPU = micros(spent.generator, j.Sessions)
	run.Ended, run.Others = crowd.Ended(), spent.others
	return nil
}

func (j Joins) report(env Env, runs []JoinsRun) *Report {
	report := &Report{
		Scenario: fmt.Sprintf("joins: %d sessions, %d at a time, %s keys", j.Sessions, env.Parallel, env.Auth),
		Command: fmt.Sprintf("go run ./bench joins --sessions %d --parallel %d --auth %s --rounds %d",
			j.Sessions, env.Parallel, env.Auth, j.Rounds),
		Runs: runs,
		Table: Table{Head: []string{"server", "round", "seconds", "joins/s", "CPU us/join",
			"generator us/join", "ended", "others %"}},
	}
	for _, r := range runs {
		report.Table.Add(r.Server, r.Round, r.Seconds, fmt.Sprintf("%.0f", float64(r.Sessions)/r.Seconds),
			fmt.Sprintf("%.0f", r.CPU), fmt.Sprintf("%.0f", r.GeneratorCPU), r.Ended, r.Others)
	}
	report.doubt(pick(runs, always[JoinsRun], func(r JoinsRun) float64 { return r.Others }))
	seconds := func(r JoinsRun) float64 { return r.Seconds }
	cpu := func(r JoinsRun) float64 { return r.CPU }
	pairs := ratios(pick(runs, JoinsRun.isServer, seconds), pick(runs, JoinsRun.isFloor, seconds))
	if len(pairs) == 0 {
		return report
	}
	cpuPairs := ratios(pick(runs, JoinsRun.isServer, cpu), pick(runs, JoinsRun.isFloor, cpu))
	report.Summary = append(report.Summary,
		showRatios("time, server to floor", pairs), showRatios("CPU, server to floor", cpuPairs))
	what := fmt.Sprintf("%d joins, %d at a time, %s keys: time", j.Sessions, env.Parallel, env.Auth)
	report.Checks = []Check{ratioCheck(what, pairs, joinRatio)}
	return report
}

func (r JoinsRun) isServer() bool { return r.Server == ServerName }
func (r JoinsRun) isFloor() bool  { return r.Server == FloorName }
