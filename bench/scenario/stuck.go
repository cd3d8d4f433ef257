package scenario

import (
	"context"
	"fmt"
	"time"

	"whoelse/bench/load"
	"whoelse/bench/target"
)

// wideColumns holds this scenario's longer messages in one or two rows.
const wideColumns = 400

// Stuck is a room in which some stop reading: their sockets, over what looks
// like an ordinary line, are no longer emptied, and nobody hangs up. The same
// sessions without that are measured before each time, in the same room.
type Stuck struct {
	Sessions int
	Stuck    int
	Rate     float64
	Duration time.Duration // of one stage, with or without
	Rounds   int           // a round is one stage of each
	Size     int           // long enough to fill a stuck session's way within a stage
}

// StuckRun is one stage, as the sessions that do read have seen it.
type StuckRun struct {
	Server     string  `json:"server"`
	Round      int     `json:"round"`
	Stuck      int     `json:"stuck"`
	StuckEnded int     `json:"stuck_ended_by_server"`
	Delivered  int     `json:"delivered"`
	Lost       int     `json:"lost"`
	Duplicates int     `json:"duplicates"`
	Ended      int     `json:"others_ended"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	Max        float64 `json:"max_ms"`
	Late       float64 `json:"sent_late_max_ms"`
	Others     float64 `json:"other_cpu_percent"`
}

// Run measures all servers, one after the other.
func (s Stuck) Run(ctx context.Context, env Env) (*Report, error) {
	var runs []StuckRun
	people := s.Sessions + 2*s.Rounds*s.Stuck
	for _, spec := range env.Servers {
		err := env.with(ctx, spec, people, func(server *target.Target) error {
			stages, err := s.stages(ctx, env, server)
			runs = append(runs, stages...)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("stuck: %w", err)
		}
	}
	return s.report(runs), nil
}

func (s Stuck) stages(ctx context.Context, env Env, server *target.Target) ([]StuckRun, error) {
	plan := env.plan(server, 0, s.Sessions)
	plan.Kind.Columns = wideColumns
	crowd, err := load.Gather(ctx, plan)
	if err != nil {
		return nil, fmt.Errorf("gather: %w", err)
	}
	defer crowd.Close()
	talk := load.Talk{Rate: s.Rate, Messages: int(s.Rate * s.Duration.Seconds()), Size: s.Size, End: "\r"}
	var runs []StuckRun
	for stage := range 2 * s.Rounds {
		run := StuckRun{Server: server.Name, Round: stage/2 + 1}
		if stage%2 == 1 {
			run.Stuck = s.Stuck
		}
		env.Progress("stuck: %d of %d sessions, round %d: %s", run.Stuck, s.Sessions+s.Stuck, run.Round, server.Name)
		plan.First = s.Sessions + stage*s.Stuck
		if err := s.stage(ctx, env, server, crowd, plan, talk, &run); err != nil {
			return runs, err
		}
		talk.First += talk.Messages
		runs = append(runs, run)
	}
	return runs, nil
}

// stage lets newcomers join, who read or do not, and measures the others.
func (s Stuck) stage(
	ctx context.Context, env Env, server *target.Target, crowd *load.Crowd, plan load.Plan, talk load.Talk, run *StuckRun,
) error {
	plan.Sessions = s.Stuck
	plan.Kind.Gated, plan.Kind.Small = true, true
	newcomers, err := load.Gather(ctx, plan)
	if err != nil {
		return fmt.Errorf("newcomers: %w", err)
	}
	defer newcomers.Close()
	if err := sleep(ctx, env.Calm); err != nil {
		return err
	}
	if run.Stuck > 0 {
		newcomers.Stick()
	}
	var out *load.Outcome
	spent, err := measure(server, func() (err error) {
		out, err = crowd.Run(ctx, talk)
		return err
	})
	if err != nil {
		return fmt.Errorf("talk: %w", err)
	}
	run.fill(out, spent)
	// Those still connected read on now; those the server has given up find
	// their connection closed behind what was under way.
	newcomers.Release()
	if err := sleep(ctx, env.Calm); err != nil {
		return err
	}
	run.StuckEnded = newcomers.Ended()
	return nil
}

func (r *StuckRun) fill(out *load.Outcome, spent cost) {
	r.Delivered, r.Lost, r.Duplicates, r.Ended = out.Delivered, out.Lost, out.Duplicates, out.Ended
	r.P50, r.P99 = millis(out.Latency.Quantile(0.50)), millis(out.Latency.Quantile(0.99))
	r.Max, r.Late, r.Others = millis(out.Latency.Max()), millis(out.Late), spent.others
}

func (s Stuck) report(runs []StuckRun) *Report {
	report := &Report{
		Scenario: fmt.Sprintf("stuck: %d of %d sessions stop reading", s.Stuck, s.Sessions+s.Stuck),
		Command: fmt.Sprintf("go run ./bench stuck --sessions %d --stuck %d --rate %g --duration %s --rounds %d --size %d",
			s.Sessions, s.Stuck, s.Rate, s.Duration, s.Rounds, s.Size),
		Runs: runs,
		Table: Table{Head: []string{"server", "round", "stuck", "given up by the server", "delivered to others",
			"lost", "duplicates", "p50 ms", "p99 ms", "max ms",
			"sent late ms", "others %"}},
	}
	for _, r := range runs {
		report.Table.Add(r.Server, r.Round, r.Stuck, r.StuckEnded, r.Delivered, r.Lost, r.Duplicates,
			r.P50, r.P99, r.Max, r.Late, r.Others)
	}
	report.doubt(pick(runs, always[StuckRun], func(r StuckRun) float64 { return r.Others }))
	for _, name := range []string{FloorName, ServerName} {
		s.judge(report, name, pick(runs, func(r StuckRun) bool { return r.Server == name }, p99), runs)
	}
	return report
}

func p99(r StuckRun) float64 { return r.P99 }

// judge compares the p99 of each stage with the stuck to the one before it.
func (s Stuck) judge(report *Report, name string, p99s []float64, runs []StuckRun) {
	if len(p99s) == 0 {
		return
	}
	var with, without []float64
	for i, v := range p99s {
		if i%2 == 0 {
			without = append(without, v)
		} else {
			with = append(with, v)
		}
	}
	pairs := ratios(with, without)
	report.Summary = append(report.Summary, showRatios(name+": p99 of the others, with the stuck to without", pairs))
	if name != ServerName {
		return
	}
	missed := 0
	for _, r := range runs {
		if r.Server == name {
			missed += r.Lost + r.Duplicates
		}
	}
	at := fmt.Sprintf("%d of %d sessions stop reading: ", s.Stuck, s.Sessions+s.Stuck)
	report.Checks = []Check{
		{at + "lost or duplicated for the others", "0", fmt.Sprint(missed), missed == 0},
		{at + "p99 of the others", fmt.Sprintf("at most %.1f times", stuckRatio),
			fmt.Sprintf("%.2f times", median(pairs)), median(pairs) <= stuckRatio},
	}
}
