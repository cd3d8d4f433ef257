package scenario

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"whoelse/bench/attack"
	"whoelse/bench/load"
	"whoelse/bench/target"
)

const (
	// mostConnections is how many a plan holds by default: what two cores log in
	// within a few seconds, clients included.
	mostConnections = 2000
	// usualPerAddress is how many connections a server allows one address.
	usualPerAddress = 20
	// serverFiles is what a server opens besides connections: histories above all.
	serverFiles = 4096
	// quiet is the kind of the run that the others are held against.
	quiet = "none"
)

// Abuse is the most that some addresses can take from a server with its ordinary
// limits, while a few ordinary people chat.
type Abuse struct {
	Kinds      []attack.Kind
	Addresses  []int
	PerAddress int           // connections of each address; 0: as many as servers allow, and no more than the machine bears
	Duration   time.Duration // of one attack, logins included
	Settle     time.Duration // between the attackers' end and the look at what is left
	Canary     []string      // the command that is the canary
	// MaxMemory and MaxDisk are what the server may have before an attack is ended
	// early; bytes.
	MaxMemory, MaxDisk int64
}

// AbuseRun is one attack. Memory, files and goroutines are what was more than before
// the attack. A MB is 1,048,576 bytes.
type AbuseRun struct {
	Kind       string  `json:"kind"`
	Addresses  int     `json:"addresses"`
	PerAddress int     `json:"connections_per_address"`
	Seconds    float64 `json:"seconds"`
	attack.Counts
	RSSPeak        float64 `json:"rss_peak_mb"`
	RSSLeft        float64 `json:"rss_left_mb"`
	CPU            float64 `json:"server_cpu_per_second"`
	CPULeft        float64 `json:"server_cpu_per_second_afterwards"`
	DiskRate       float64 `json:"disk_mb_per_minute"`
	DiskLeft       float64 `json:"disk_left_mb"`
	FilesPeak      int     `json:"files_peak"`
	FilesLeft      int     `json:"files_left"`
	GoroutinesPeak *int    `json:"goroutines_peak,omitempty"` // where the server tells
	GoroutinesLeft *int    `json:"goroutines_left,omitempty"`
	P50            float64 `json:"canary_p50_ms"`
	P99            float64 `json:"canary_p99_ms"`
	Max            float64 `json:"canary_max_ms"`
	Expected       int     `json:"canary_deliveries_expected"`
	Lost           int     `json:"canary_deliveries_lost"`
	CanaryEnded    int     `json:"canary_sessions_ended"`
	GeneratorCPU   float64 `json:"generator_cpu_per_second"`
	Others         float64 `json:"other_cpu_percent"`
	Note           string  `json:"note,omitempty"` // what went wrong
}

// Run makes every attack on a server of its own. A server that an attack brings
// down is a row with a note, and the next attack follows.
func (a Abuse) Run(ctx context.Context, env Env) (*Report, error) {
	var runs []AbuseRun
	for _, spec := range env.Servers {
		if spec.Name != ServerName {
			continue
		}
		for _, plan := range a.plans(env) {
			env.Progress("abuse: %s, %d addresses of %d connections: %s", plan.Kind, plan.Addresses, plan.PerAddress, spec.Name)
			run := AbuseRun{Kind: string(plan.Kind), Addresses: plan.Addresses, PerAddress: plan.PerAddress}
			err := a.run(ctx, env, spec, plan, &run)
			if ctx.Err() != nil {
				return nil, fmt.Errorf("abuse: interrupted: %w", context.Cause(ctx))
			}
			if err != nil {
				run.Note = strings.ReplaceAll(err.Error(), "\n", "; ")
			}
			runs = append(runs, run)
		}
	}
	return a.report(runs), nil
}

// plans are the attacks in their order, the first without attackers.
func (a Abuse) plans(env Env) []attack.Plan {
	plans := []attack.Plan{{Kind: quiet, Cipher: env.Cipher}}
	for _, addresses := range a.Addresses {
		for _, kind := range a.Kinds {
			plans = append(plans, attack.Plan{
				Kind: kind, Addresses: addresses, PerAddress: a.perAddress(addresses), Cipher: env.Cipher,
			})
		}
	}
	return plans
}

func (a Abuse) perAddress(addresses int) int {
	if a.PerAddress > 0 {
		return a.PerAddress
	}
	return min(usualPerAddress, max(1, mostConnections/addresses))
}

// run starts a server that knows whom the plan needs, and stops it whatever happens.
func (a Abuse) run(ctx context.Context, env Env, spec target.Spec, plan attack.Plan, run *AbuseRun) error {
	if err := errors.Join(plan.Check(), target.RaiseFiles(uint64(plan.Connections())+serverFiles)); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	known := plan.Known()
	for i := range canaryPeople {
		known = append(known, load.Identity{Number: i})
	}
	for _, who := range known {
		line, err := who.AuthorizedKey()
		if err != nil {
			return fmt.Errorf("known keys: %w", err)
		}
		spec.Keys = append(spec.Keys, line...)
	}
	spec.Prepare = plan.Prepare
	server, err := target.Start(ctx, spec)
	if err != nil {
		return fmt.Errorf("start %w", err)
	}
	plan.Addr = server.Addr
	return errors.Join(a.once(ctx, env, server, plan, run), server.Stop())
}

// once attacks a server while the canary talks.
func (a Abuse) once(ctx context.Context, env Env, server *target.Target, plan attack.Plan, run *AbuseRun) (err error) {
	lines := int(canaryRate * a.Duration.Seconds())
	people, err := startCanary(ctx, a.Canary, server.Addr, env.Cipher, lines)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, people.stop()) }()
	if err := sleep(ctx, env.Calm); err != nil {
		return err
	}
	before, err := holdingOf(ctx, server)
	if err != nil {
		return fmt.Errorf("before: %w", err)
	}
	if err := people.talk(); err != nil {
		return err
	}
	start := time.Now()
	var stopped error // the attack, early
	var peak holding
	spent, err := measure(server, func() error {
		stopped = a.watched(ctx, server, &peak, 1, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, a.Duration)
			defer cancel()
			run.Counts = attack.Run(ctx, plan)
			return nil
		})
		run.Seconds = time.Since(start).Seconds()
		return nil
	})
	if err != nil {
		return errors.Join(stopped, err)
	}
	full, err := server.Disk()
	if err != nil {
		return errors.Join(stopped, err)
	}
	run.CPU, run.GeneratorCPU = spent.server.Seconds()/run.Seconds, spent.generator.Seconds()/run.Seconds
	run.DiskRate = megabytes(full-before.disk) * time.Minute.Seconds() / run.Seconds
	// What the attackers have left may be worked off only now.
	settling, err := measure(server, func() error {
		return a.watched(ctx, server, &peak, 2, func(ctx context.Context) error { return sleep(ctx, a.Settle) })
	})
	run.RSSPeak = megabytes(max(peak.rss-before.rss, 0))
	run.FilesPeak, run.GoroutinesPeak = peak.files-before.files, more(peak.goroutines, before.goroutines)
	if err != nil {
		return errors.Join(stopped, err)
	}
	run.CPULeft = settling.server.Seconds() / a.Settle.Seconds()
	after, err := holdingOf(ctx, server)
	if err != nil {
		return errors.Join(stopped, fmt.Errorf("after: %w", err))
	}
	run.RSSLeft, run.DiskLeft = megabytes(after.rss-before.rss), megabytes(after.disk-before.disk)
	run.FilesLeft, run.GoroutinesLeft = after.files-before.files, more(after.goroutines, before.goroutines)
	found, err := people.found()
	if err != nil {
		return errors.Join(stopped, err)
	}
	run.P50, run.P99, run.Max = found.P50, found.P99, found.Max
	run.Expected, run.Lost, run.CanaryEnded = found.Expected, found.Expected-found.Delivered, found.Ended
	all := run.Seconds * float64(runtime.NumCPU())
	run.Others = max(spent.others-100*found.CPU.Seconds()/all, 0)
	return stopped
}

// more is how much now is above before, nil where either is not known.
func more(now, before int) *int {
	if now == unknown || before == unknown {
		return nil
	}
	above := now - before
	return &above
}

func (a Abuse) report(runs []AbuseRun) *Report {
	report := &Report{
		Scenario: "abuse: the most that addresses can take",
		Command:  a.command(),
		Runs:     runs,
		Table: Table{Head: []string{"attack", "addresses", "let in, at once", "refused, ended", "RSS MB: peak, left",
			"CPU s/s: during, after", "disk MB: a minute, left", "files: peak, left", "goroutines: peak, left",
			"canary ms: p50, p99, max", "lost", "ended", "attackers' CPU s/s", "others %", "note"}},
		Summary: []string{
			"addresses, with the connections that each tries to hold; peak and left are above what the server had before, left is " +
				a.Settle.String() + " after the last attacker has gone",
			"the attackers use the same cores: where their CPU and the server's fill the machine, both took less than they could",
		},
	}
	for _, r := range runs {
		report.Table.Add(r.Kind, fmt.Sprintf("%d x %d", r.Addresses, r.PerAddress), fmt.Sprintf("%d, %d", r.In, r.Most),
			fmt.Sprintf("%d, %d", r.Refused, r.Ended), fmt.Sprintf("%.1f, %.1f", r.RSSPeak, r.RSSLeft),
			fmt.Sprintf("%.2f, %.2f", r.CPU, r.CPULeft), fmt.Sprintf("%.1f, %.1f", r.DiskRate, r.DiskLeft),
			fmt.Sprintf("%d, %d", r.FilesPeak, r.FilesLeft), showMore(r.GoroutinesPeak)+", "+showMore(r.GoroutinesLeft),
			fmt.Sprintf("%.1f, %.1f, %.0f", r.P50, r.P99, r.Max), fmt.Sprintf("%d of %d", r.Lost, r.Expected),
			fmt.Sprintf("%d of %d", r.CanaryEnded, canaryPeople), r.GeneratorCPU, fmt.Sprintf("%.0f", r.Others), r.Note)
	}
	report.doubt(pick(runs, always[AbuseRun], func(r AbuseRun) float64 { return r.Others }))
	return report
}

func showMore(n *int) string {
	if n == nil {
		return "?"
	}
	return fmt.Sprint(*n)
}

// command is how the measurement is repeated.
func (a Abuse) command() string {
	var kinds, addresses []string
	for _, kind := range a.Kinds {
		kinds = append(kinds, string(kind))
	}
	for _, n := range a.Addresses {
		addresses = append(addresses, fmt.Sprint(n))
	}
	return fmt.Sprintf("go run ./bench abuse --kinds %s --addresses %s --per-address %d --duration %s --settle %s",
		strings.Join(kinds, ","), strings.Join(addresses, ","), a.PerAddress, a.Duration, a.Settle)
}
