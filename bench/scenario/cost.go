package scenario

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"whoelse/bench/target"
)

// busyPercent is how much of the cores others may use before figures are
// doubted.
const busyPercent = 5

// cost is what a piece of work cost the server and the generator, and what
// share of all cores was meanwhile used by anything else.
type cost struct {
	server, generator time.Duration
	others            float64
}

// clocks are the readings that a cost is the difference of.
type clocks struct {
	server, generator, machine time.Duration
	at                         time.Time
}

func readClocks(server *target.Target) (clocks, error) {
	usage, err1 := server.Usage()
	own, err2 := target.OwnCPU()
	machine, err3 := target.MachineCPU()
	return clocks{usage.CPU, own, machine, time.Now()}, errors.Join(err1, err2, err3)
}

// measure runs work and reads all clocks around it.
func measure(server *target.Target, work func() error) (cost, error) {
	before, err := readClocks(server)
	if err != nil {
		return cost{}, err
	}
	if err := work(); err != nil {
		return cost{}, err
	}
	after, err := readClocks(server)
	if err != nil {
		return cost{}, err
	}
	c := cost{server: after.server - before.server, generator: after.generator - before.generator}
	others := after.machine - before.machine - c.server - c.generator
	all := after.at.Sub(before.at) * time.Duration(runtime.NumCPU())
	c.others = max(100*others.Seconds()/all.Seconds(), 0)
	return c, nil
}

// doubt adds a warning where the machine was not the measurement's alone.
func (r *Report) doubt(others []float64) {
	worst := 0.0
	for _, percent := range others {
		worst = max(worst, percent)
	}
	if worst > busyPercent {
		r.Summary = append(r.Summary, fmt.Sprintf(
			"up to %.0f %% of the cores were used by something else: repeat this on a quiet machine", worst))
	}
}

func always[R any](R) bool { return true }
