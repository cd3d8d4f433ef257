package scenario

import (
	"context"
	"fmt"
	"time"

	"whoelse/bench/load"
	"whoelse/bench/target"
)

// Fanout is one room in which all talk in turn and everyone hears everything.
type Fanout struct {
	Sessions int
	Rate     float64 // messages a second, of all together
	Duration time.Duration
	Rounds   int
	Size     int // bytes of one message
}

// FanoutRun is one server under that load, once.
type FanoutRun struct {
	Server       string  `json:"server"`
	Round        int     `json:"round"`
	Sent         int     `json:"sent"`
	Delivered    int     `json:"delivered"`
	Lost         int     `json:"lost"`
	Duplicates   int     `json:"duplicates"`
	Ended        int     `json:"ended"`
	PerSecond    float64 `json:"deliveries_per_second"`
	CPU          float64 `json:"server_cpu_us_per_delivery"`
	GeneratorCPU float64 `json:"generator_cpu_us_per_delivery"`
	P50          float64 `json:"p50_ms"`
	P95          float64 `json:"p95_ms"`
	P99          float64 `json:"p99_ms"`
	Max          float64 `json:"max_ms"`
	Late         float64 `json:"sent_late_max_ms"`
	Others       float64 `json:"other_cpu_percent"`
}

// Run measures all servers in turn, as often as there are rounds.
func (f Fanout) Run(ctx context.Context, env Env) (*Report, error) {
	var runs []FanoutRun
	for round := range f.Rounds {
		for _, spec := range env.Servers {
			env.Progress("fanout: %d sessions, %g messages a second, round %d: %s", f.Sessions, f.Rate, round+1, spec.Name)
			run := FanoutRun{Server: spec.Name, Round: round + 1}
			err := env.with(ctx, spec, f.Sessions, func(server *target.Target) error {
				return f.once(ctx, env, server, &run)
			})
			if err != nil {
				return nil, fmt.Errorf("fanout: %w", err)
			}
			runs = append(runs, run)
		}
	}
	return f.report(runs), nil
}

func (f Fanout) once(ctx context.Context, env Env, server *target.Target, run *FanoutRun) error {
	crowd, err := load.Gather(ctx, env.plan(server, 0, f.Sessions))
	if err != nil {
		return fmt.Errorf("gather: %w", err)
	}
	defer crowd.Close()
	if err := sleep(ctx, env.Calm); err != nil {
		return err
	}
	// The beginning fills buffers and grows heaps: it is not measured.
	warm := min(f.Duration, time.Second)
	talk := load.Talk{Messages: int(f.Rate * warm.Seconds()), Rate: f.Rate, Size: f.Size, End: "\r"}
	if _, err := crowd.Run(ctx, talk); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	talk.First = talk.Messages
	talk.Messages = int(f.Rate * f.Duration.Seconds())
	var out *load.Outcome
	spent, err := measure(server, func() (err error) {
		out, err = crowd.Run(ctx, talk)
		return err
	})
	if err != nil {
		return fmt.Errorf("talk: %w", err)
	}
	run.fill(out, spent)
	return nil
}

func (r *FanoutRun) fill(out *load.Outcome, spent cost) {
	r.Sent, r.Delivered, r.Ended = out.Sent, out.Delivered, out.Ended
	r.Lost, r.Duplicates = out.Lost, out.Duplicates
	r.PerSecond = float64(out.Delivered) / out.Elapsed.Seconds()
	r.CPU = micros(spent.server, out.Delivered)
	r.GeneratorCPU = micros(spent.generator, out.Delivered)
	r.P50, r.P95 = millis(out.Latency.Quantile(0.50)), millis(out.Latency.Quantile(0.95))
	r.P99, r.Max = millis(out.Latency.Quantile(0.99)), millis(out.Latency.Max())
	r.Late, r.Others = millis(out.Late), spent.others
}

func (f Fanout) report(runs []FanoutRun) *Report {
	report := &Report{
		Scenario: fmt.Sprintf("fanout: %d sessions, %g messages a second", f.Sessions, f.Rate),
		Command: fmt.Sprintf("go run ./bench fanout --sessions %d --rate %g --duration %s --rounds %d",
			f.Sessions, f.Rate, f.Duration, f.Rounds),
		Runs: runs,
		Table: Table{Head: []string{"server", "round", "CPU us/delivery", "deliveries/s", "lost", "duplicates",
			"p50 ms", "p95 ms", "p99 ms", "max ms", "generator us/delivery", "sent late ms", "others %"}},
	}
	for _, r := range runs {
		report.Table.Add(r.Server, r.Round, r.CPU, fmt.Sprintf("%.0f", r.PerSecond), r.Lost, r.Duplicates,
			r.P50, r.P95, r.P99, r.Max, r.GeneratorCPU, r.Late, r.Others)
	}
	cpu := func(r FanoutRun) float64 { return r.CPU }
	pairs := ratios(pick(runs, FanoutRun.isServer, cpu), pick(runs, FanoutRun.isFloor, cpu))
	if len(pairs) > 0 {
		report.Summary = append(report.Summary, showRatios("CPU per delivery, server to floor", pairs))
	}
	report.doubt(pick(runs, always[FanoutRun], func(r FanoutRun) float64 { return r.Others }))
	report.Checks = f.checks(runs, pairs)
	return report
}

func (r FanoutRun) isServer() bool { return r.Server == ServerName }
func (r FanoutRun) isFloor() bool  { return r.Server == FloorName }
