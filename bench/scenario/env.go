// Package scenario holds the measurements: each starts the servers it compares,
// one after the other and never side by side, puts the same load on each, and
// returns what it cost as a Report.
package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"whoelse/bench/load"
	"whoelse/bench/target"
)

const (
	// columns is wide enough that no short message wraps inside its marker.
	columns = 200
	// spareFiles is what a process opens besides its connections.
	spareFiles = 256
	// maxPeople is how many names the markers have room for.
	maxPeople = 9999
)

// Env is what all scenarios share.
type Env struct {
	Servers  []target.Spec // measured in this order, in turn
	Parallel int           // how many clients connect at the same time
	Auth     load.Auth
	Cipher   string
	// Calm is the pause between connecting and measuring, in which servers may
	// tell everyone who has come.
	Calm     time.Duration
	Dir      string                           // for data that no server keeps; "": the system's temp folder
	Progress func(format string, args ...any) // tells whoever waits what is done
}

// plan describes clients of the scenarios' usual kind: with a terminal.
func (e Env) plan(server *target.Target, first, sessions int) load.Plan {
	return load.Plan{
		Addr: server.Addr, First: first, Sessions: sessions, Parallel: e.Parallel,
		Auth: e.Auth, Cipher: e.Cipher, Kind: load.Kind{Columns: columns},
	}
}

// with runs work against a freshly started server that knows that many people,
// and stops the server whatever happens.
func (e Env) with(ctx context.Context, spec target.Spec, people int, work func(*target.Target) error) error {
	if people > maxPeople {
		return fmt.Errorf("%d people: at most %d", people, maxPeople)
	}
	if err := target.RaiseFiles(uint64(people) + spareFiles); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	keys, err := e.keys(people)
	if err != nil {
		return err
	}
	spec.Keys = keys
	server, err := target.Start(ctx, spec)
	if err != nil {
		return fmt.Errorf("start %w", err)
	}
	return errors.Join(work(server), server.Stop())
}

// keys is an authorized_keys file that names everyone, where they are known.
func (e Env) keys(people int) ([]byte, error) {
	if e.Auth != load.AuthKnown {
		return nil, nil
	}
	var file []byte
	for i := range people {
		line, err := load.Identity{Number: i}.AuthorizedKey()
		if err != nil {
			return nil, fmt.Errorf("known keys: %w", err)
		}
		file = append(file, line...)
	}
	return file, nil
}

// sleep waits, or ends early with the context's reason.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
}
