// Package storage measures package room/history: what keeping a message costs
// beside writing it down barely, and what long histories and many of them cost.
package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"whoelse/bench/scenario"
	"whoelse/bench/target"
)

// The parts of the measurement, in the order in which they run.
const (
	PartSend   = "send"   // acknowledged direct messages a second
	PartInbox  = "inbox"  // unread messages at the end of long histories
	PartNicks  = "nicks"  // many histories: writing them, their size, opening the folder
	PartFolder = "folder" // many files in one folder, beside as many in 256
)

// Parts is all of them.
func Parts() []string { return []string{PartSend, PartInbox, PartNicks, PartFolder} }

// Storage measures room/history, on the disk that holds Env.Dir.
type Storage struct {
	Parts      []string
	Senders    []int
	Rounds     int           // slices of each part, alternating with what it is held against
	Slice      time.Duration // how long one is, where time is what bounds it
	Records    int           // of the longest history
	Nicks      int           // with one message each
	Budget     time.Duration // after which no more nicks are written
	Journal    int64         // bytes of the journal that a killed server leaves
	Files      int           // in the fullest folder
	DropCaches bool          // measure without anything in the kernel's caches too
	Child      []string      // the command that runs a Child, its words follow
}

// Figure is one line of the table.
type Figure struct {
	Part     string  `json:"part"`
	What     string  `json:"what"`
	Measured float64 `json:"measured"` // the median
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
	Unit     string  `json:"unit"`
	Of       string  `json:"of,omitempty"` // what a ratio is one of
	HeldTo   string  `json:"held_to,omitempty"`
	Met      bool    `json:"met"` // or held to nothing
}

// bench is one run of it.
type bench struct {
	Storage
	dir     string // everything is written below it
	tell    func(format string, args ...any)
	part    string
	figures []Figure
	notes   []string
}

// Run measures all parts. It removes what it has written at the end, also when
// it fails or is interrupted: not before, since what was just removed makes some
// file systems slow at creating.
func (s Storage) Run(ctx context.Context, env scenario.Env) (_ *scenario.Report, err error) {
	if err := target.RaiseFiles(needFiles); err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	dir, err := os.MkdirTemp(env.Dir, "whoelse-bench-storage-")
	if err != nil {
		return nil, fmt.Errorf("temp folder: %w", err)
	}
	b := &bench{Storage: s, dir: dir, tell: env.Progress}
	defer func() {
		b.tell("storage: removing what was written")
		err = errors.Join(err, removeAll(dir))
	}()
	if err := b.checkDisk(); err != nil {
		return nil, err
	}
	before, err := readClocks()
	if err != nil {
		return nil, err
	}
	for _, part := range s.Parts {
		b.part = part
		if err := b.run(ctx, part); err != nil {
			return nil, fmt.Errorf("%s: %w", part, err)
		}
	}
	if err := b.noteOthers(before); err != nil {
		return nil, err
	}
	return b.report(), nil
}

func (b *bench) run(ctx context.Context, part string) error {
	switch part {
	case PartSend:
		return b.send(ctx)
	case PartInbox:
		return b.inbox(ctx)
	case PartNicks:
		return b.nicks(ctx)
	case PartFolder:
		return b.folder(ctx)
	}
	return fmt.Errorf("there is no part %q", part)
}

// add adds a figure that is held to nothing, unless the caller says so.
func (b *bench) add(what, unit string, values ...float64) *Figure {
	at := spreadOf(values)
	b.figures = append(b.figures, Figure{
		Part: b.part, What: what, Unit: unit, Measured: at.median, Low: at.low, High: at.high, Met: true,
	})
	return &b.figures[len(b.figures)-1]
}

// addRatios adds over divided by under, pair by pair.
func (b *bench) addRatios(what, unit string, over, under []float64) *Figure {
	ratios := make([]float64, len(over))
	for i := range ratios {
		ratios[i] = over[i] / under[i]
	}
	f := b.add(what, "", ratios...)
	f.Of = fmt.Sprintf("%s to %s", withUnit(spreadOf(over).median, unit), withUnit(spreadOf(under).median, unit))
	return f
}

// atLeast holds f to what it should not be below.
func (f *Figure) atLeast(promised float64) {
	f.HeldTo, f.Met = "at least "+withUnit(promised, f.Unit), f.Measured >= promised
}

// atMost holds f to what it should not be above.
func (f *Figure) atMost(promised float64) {
	f.HeldTo, f.Met = "at most "+withUnit(promised, f.Unit), f.Measured <= promised
}

func (b *bench) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

// clocks are what was used of the cores, by this process and by everything.
type clocks struct {
	own, machine time.Duration
	at           time.Time
}

func readClocks() (clocks, error) {
	own, err1 := target.OwnCPU()
	machine, err2 := target.MachineCPU()
	return clocks{own, machine, time.Now()}, errors.Join(err1, err2)
}

// noteOthers tells how much of the machine was not this measurement's.
func (b *bench) noteOthers(before clocks) error {
	after, err := readClocks()
	if err != nil {
		return err
	}
	others := after.machine - before.machine - (after.own - before.own)
	all := after.at.Sub(before.at) * time.Duration(runtime.NumCPU())
	b.note("%.0f %% of the cores were used by something else: other programs, children of this one, and the kernel's own writing",
		max(100*others.Seconds()/all.Seconds(), 0))
	return nil
}
