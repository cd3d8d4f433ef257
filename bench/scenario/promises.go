package scenario

import "fmt"

// The names under which a server is known in reports.
const (
	FloorName  = "floor"
	ServerName = "server"
)

// What is promised, for two cores with the clients on the same machine.
const (
	fanoutRatio   = 0.7  // of the floor's CPU per delivery, at the lower rate
	fastRate      = 1000 // messages a second, from where latency is what counts
	fanoutP99     = 50.0 // milliseconds, at the higher rate
	idleKilobytes = 95.0 // a session
	joinRatio     = 1.3  // of the floor's time
	stuckRatio    = 1.2  // of the p99 without the stuck
)

// checks holds the server's runs against the promises for its rate.
func (f Fanout) checks(runs []FanoutRun, pairs []float64) []Check {
	lost := pick(runs, FanoutRun.isServer, func(r FanoutRun) float64 { return float64(r.Lost + r.Duplicates) })
	if len(lost) == 0 {
		return nil
	}
	at := fmt.Sprintf("%d sessions, %g messages a second: ", f.Sessions, f.Rate)
	sum := 0.0
	for _, n := range lost {
		sum += n
	}
	checks := []Check{{at + "lost or duplicated", "0", fmt.Sprintf("%.0f", sum), sum == 0}}
	if f.Rate >= fastRate {
		p99 := median(pick(runs, FanoutRun.isServer, func(r FanoutRun) float64 { return r.P99 }))
		return append(checks, Check{at + "p99", fmt.Sprintf("under %.0f ms", fanoutP99),
			fmt.Sprintf("%.1f ms", p99), p99 < fanoutP99})
	}
	if len(pairs) > 0 {
		checks = append(checks, ratioCheck(at+"CPU per delivery", pairs, fanoutRatio))
	}
	return checks
}

// ratioCheck holds the median of pairs against the largest ratio promised.
func ratioCheck(what string, pairs []float64, promised float64) Check {
	measured := median(pairs)
	return Check{
		What:     what,
		Promised: fmt.Sprintf("at most %.1f of the floor's", promised),
		Measured: fmt.Sprintf("%.2f", measured),
		Met:      measured <= promised,
	}
}
