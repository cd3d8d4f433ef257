package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"whoelse/bench/load"
	"whoelse/bench/target"
)

const (
	// columns is wide enough that no short message wraps inside its marker.
	columns = 200
	// messageSize is an ordinary chat line.
	messageSize = 40
)

// unlimited is how servers run where costs are measured and not limits.
var unlimited = []string{"serve", "--listen", "127.0.0.1:0", "--data", "{data}",
	"--message-rate", "0", "--max-claims-per-hour", "0", "--max-bytes-per-nick", "0", "--max-bytes-per-minute", "0"}

// bench is one measurement under way, and its report.
type bench struct {
	options
	programs []program
	calm     time.Duration // pause in which servers can finish what they have begun
	log      io.Writer     // progress
	report
}

// room is a server that a crowd has joined.
type room struct {
	*target.Server
	crowd   *load.Crowd
	before  int64 // bytes of memory before the first login
	joining cost
}

// setup says what a room is like.
type setup struct {
	sessions int
	columns  int
	others   int // known clients that join later; their numbers follow the sessions'
}

// each measures every program, as often as there are rounds, in turn: it starts a
// server afresh, lets the sessions join, and has work do the rest.
func (b *bench) each(ctx context.Context, rounds int, s setup, work func(*room) error) error {
	for round := range rounds {
		for _, p := range b.programs {
			fmt.Fprintf(b.log, "%s, %d sessions, round %d\n", p.name, s.sessions, round+1)
			var known []int
			if !b.newKeys {
				for i := range s.sessions + s.others {
					known = append(known, i)
				}
			}
			err := withServer(ctx, p, unlimited, known, nil, func(server *target.Server) (err error) {
				r := &room{Server: server}
				if err := load.Pause(ctx, b.calm/2); err != nil {
					return err
				}
				if r.before, err = server.Memory(); err != nil {
					return err
				}
				r.joining, err = measure(server, func() error {
					r.crowd, err = load.Gather(ctx, server.Addr, s.sessions, load.Config{Columns: s.columns})
					return err
				})
				if err != nil {
					return err
				}
				defer r.crowd.Close()
				return work(r)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// withServer runs work against a program started in a new data folder, in which the
// keys of the known clients are, and which fill, if not nil, may change before.
func withServer(
	ctx context.Context, p program, args []string, known []int, fill func(data string) error, work func(*target.Server) error,
) (err error) {
	data, err := os.MkdirTemp("", "whoelse-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	var keys []byte
	for _, number := range known {
		keys = append(keys, load.AuthorizedKey(number)...)
	}
	if err := os.WriteFile(filepath.Join(data, "authorized_keys"), keys, 0o600); err != nil {
		return err
	}
	if fill != nil {
		if err := fill(data); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	server, err := start(ctx, p, args, data)
	if err != nil {
		return err
	}
	return errors.Join(work(server), server.Stop())
}

func start(ctx context.Context, p program, args []string, data string) (*target.Server, error) {
	argv := p.argv
	if !p.full {
		argv = slices.Concat(argv, args)
	}
	return target.Start(ctx, p.name, argv, data)
}

// cost is what a piece of work took of the server's CPU and of this process's, and
// the share of all cores that anything else used meanwhile.
type cost struct {
	server, generator, took time.Duration
	others                  float64 // percent
}

// measure reads all clocks around a piece of work. Helpers are processes that belong to
// the measurement, too.
func measure(server *target.Server, work func() error, helpers ...int) (cost, error) {
	type clocks struct{ server, generator, helpers, machine time.Duration }
	read := func() (c clocks, err error) {
		var err1, err2, err3 error
		c.server, err1 = target.CPU(server.PID())
		c.generator, err2 = target.CPU(os.Getpid())
		c.machine, err3 = target.MachineCPU()
		err = errors.Join(err1, err2, err3)
		for _, pid := range helpers {
			cpu, err4 := target.CPU(pid)
			c.helpers += cpu
			err = errors.Join(err, err4)
		}
		return c, err
	}
	before, err := read()
	if err != nil {
		return cost{}, err
	}
	start := time.Now()
	if err := work(); err != nil {
		return cost{}, err
	}
	c := cost{took: time.Since(start)}
	after, err := read()
	c.server, c.generator = after.server-before.server, after.generator-before.generator
	others := after.machine - before.machine - c.server - c.generator - (after.helpers - before.helpers)
	c.others = max(100*others.Seconds()/c.took.Seconds()/float64(runtime.NumCPU()), 0)
	return c, err
}

// micros is a share of some CPU time, in microseconds.
func micros(total time.Duration, among int) float64 {
	return float64(total.Microseconds()) / float64(max(among, 1))
}

// skipFloor is for what the floor has not: names, a disk and limits.
func (b *bench) skipFloor() {
	b.programs = slices.DeleteFunc(b.programs, func(p program) bool { return p.name == "floor" })
}
