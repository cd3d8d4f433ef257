package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"whoelse/bench/clustersim"
)

// rosterEvery is how often a server of a cluster announces its people.
const rosterEvery = 3 * time.Second

// simulate drives the work that servers of a cluster do for each other, without ssh, and computes the cost for
// all of them. docs/scaling.md builds on it.
func simulate(ctx context.Context, b *bench) (err error) {
	dir, err := os.MkdirTemp("", "whoelse-bench-cluster-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	costs, err := clustersim.Run(ctx, dir, clustersim.Size{People: b.people, Nodes: b.nodes, Events: b.events})
	for _, c := range costs {
		n := float64(c.Count)
		b.add(c.Name, count("count", c.Count), figure{"seconds", c.Elapsed.Seconds(), 2},
			figure{"a second", n / c.Elapsed.Seconds(), 0}, figure{"CPU us each", float64(c.CPU.Microseconds()) / n, 2},
			figure{"bytes each", float64(c.Bytes) / n, 0})
		if c.Name == clustersim.Heard {
			each := float64(b.people) / rosterEvery.Seconds() // people that a server hears of in a second
			bytes := each * float64(c.Bytes) / n
			b.note("%d servers with %d people: each server hears %.1f MB a second, which takes it %.0f %% of a core; "+
				"the engine passes on %.0f MB a second to all of them", b.nodes, b.people, bytes/1e6,
				100*each*c.CPU.Seconds()/n, bytes*float64(b.nodes-1)/1e6)
		}
	}
	if err != nil {
		return fmt.Errorf("after %d of the measurements: %w", len(costs), err)
	}
	return nil
}
