package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"whoelse/bench/load"
)

// What is promised, for two cores with the clients on the same machine.
const (
	fanoutRatio   = 0.7  // of the floor's CPU per delivery, below fastRate
	fastRate      = 1000 // messages a second, from where latency is what counts
	fanoutP99     = 50.0 // ms, from fastRate
	idleKilobytes = 95.0 // a session
	joinRatio     = 1.3  // of the floor's time
	stuckRatio    = 1.2  // of the p99 without those who do not read
	botRatio      = 1.0  // of the CPU of a delivery to a person
)

const cpuName = "CPU us/delivery"

// fanout is one room in which all talk in turn and everyone hears everything.
func fanout(ctx context.Context, b *bench) error {
	err := b.everyoneTalks(ctx, load.Talk{})
	if b.rate < fastRate {
		b.ratios(cpuName, fanoutRatio)
	} else {
		b.ratios(cpuName, 0)
		b.hold("p99 ms", median(b.values("server", "p99 ms")), fanoutP99)
	}
	b.holdNone("server", "lost", "duplicates")
	return err
}

// dm is a room in which each writes direct messages to the next, all in turn. The floor
// has no such messages.
func dm(ctx context.Context, b *bench) error {
	b.skipFloor()
	err := b.everyoneTalks(ctx, load.Talk{Direct: true})
	b.ratios(cpuName, 0)
	b.holdNone("server", "lost", "duplicates")
	return err
}

func (b *bench) everyoneTalks(ctx context.Context, talk load.Talk) error {
	return b.each(ctx, b.rounds, setup{sessions: b.sessions, columns: columns}, func(r *room) error {
		if err := load.Pause(ctx, b.calm); err != nil {
			return err
		}
		return b.talkWarm(ctx, r, r.Name, talk)
	})
}

// talkWarm measures a talk for the row called name. Before it, the crowd talks for a second that is not measured,
// which fills buffers and grows heaps.
func (b *bench) talkWarm(ctx context.Context, r *room, name string, talk load.Talk) error {
	fmt.Fprintln(b.log, name)
	if _, err := r.crowd.Run(ctx, b.lasting(min(b.duration, time.Second), talk)); err != nil {
		return err
	}
	return b.talk(ctx, r, r.crowd, name, talk)
}

// talk measures a talk of a crowd in the room, for the row called name.
func (b *bench) talk(ctx context.Context, r *room, crowd *load.Crowd, name string, talk load.Talk) error {
	var out *load.Outcome
	spent, err := measure(r.Server, func() (err error) {
		out, err = crowd.Run(ctx, b.lasting(b.duration, talk))
		return err
	})
	if err != nil {
		return err
	}
	b.add(name,
		figure{cpuName, micros(spent.server, out.Delivered), 2},
		figure{"p50 ms", out.Latency.Quantile(0.5), 1}, figure{"p99 ms", out.Latency.Quantile(0.99), 1},
		figure{"max ms", out.Latency.Quantile(1), 1},
		figure{"deliveries/s", float64(out.Delivered) / out.Elapsed.Seconds(), 0}, count("delivered", out.Delivered),
		count("lost", out.Lost), count("duplicates", out.Duplicates), count("ended", out.Ended),
		figure{"sent late ms", out.Late.Seconds() * 1000, 1},
		figure{"generator us/delivery", micros(spent.generator, out.Delivered), 2}, figure{othersName, spent.others, 1})
	return nil
}

// lasting is talk for so long, in short messages and at the rate of the measurement unless it has its own.
func (b *bench) lasting(d time.Duration, talk load.Talk) load.Talk {
	talk.Rate, talk.Size = cmp.Or(talk.Rate, b.rate), cmp.Or(talk.Size, messageSize)
	talk.Messages = int(talk.Rate * d.Seconds())
	return talk
}

// bots compares two stages: people talk, with more people who listen or, in their place, as many programs. The
// CPU of a delivery to a person is known from the first stage; the rest of the second is the programs'.
func bots(ctx context.Context, b *bench) error {
	b.skipFloor()
	people, mixed := " with people", " with bots"
	err := b.stages(ctx, b.bots, load.Talk{Speakers: b.sessions}, [2]stage{
		{name: people, like: load.Config{Columns: columns}, counts: true},
		{name: mixed, like: load.Config{Bot: true}, counts: true},
	})
	for _, p := range b.programs {
		var ratios []float64
		costs := b.values(p.name+people, cpuName)
		for i, mixed := range b.values(p.name+mixed, cpuName) {
			// The speaker is one of the people, and gets no delivery.
			heard := float64(b.sessions - 1)
			bot := (mixed*(heard+float64(b.bots)) - costs[i]*heard) / float64(b.bots)
			ratios = append(ratios, bot/costs[i])
		}
		b.compare(p.name, "CPU of a delivery to a bot, to a person's", ratios, botRatio)
		b.holdNone(p.name+people, "lost", "duplicates", "ended")
		b.holdNone(p.name+mixed, "lost", "duplicates", "ended")
	}
	return err
}

// stuck is a room in which some stop reading: their sockets, over what looks like an
// ordinary line, are no longer emptied, and nobody hangs up. Before each such stage is
// one in which newcomers of the same kind do read. The figures are of the others.
func stuck(ctx context.Context, b *bench) error {
	// Messages fill what lies between the server and a session within a stage, and
	// the terminals hold them in one or two rows.
	line := load.Config{Columns: 400, Line: true}
	err := b.stages(ctx, b.stuck, load.Talk{Size: 600}, [2]stage{{like: line}, {name: " with stuck", like: line, stops: true}})
	for _, p := range b.programs {
		pairs := divide(b.values(p.name+" with stuck", "p99 ms"), b.values(p.name, "p99 ms"))
		b.compare(p.name, "p99 of the others, with to without", pairs, stuckRatio)
	}
	for _, name := range []string{"server", "server with stuck"} {
		b.holdNone(name, "lost", "duplicates")
	}
	return err
}

// stage is a talk in a room that newcomers have joined, who listen and leave again.
type stage struct {
	name   string      // of its row, behind the program's
	like   load.Config // what the newcomers are like
	counts bool        // what they hear is part of the figures
	stops  bool        // they stop reading
}

// stages measures two stages in turn, as often as there are rounds, in one room of each program.
func (b *bench) stages(ctx context.Context, newcomers int, talk load.Talk, two [2]stage) error {
	all := 2 * b.rounds
	return b.each(ctx, 1, setup{b.sessions, two[0].like.Columns, all * newcomers}, func(r *room) error {
		for n := range all {
			fmt.Fprintf(b.log, "%s, stage %d of %d\n", r.Name, n+1, all)
			s := two[n%2]
			s.like.Number = b.sessions + n*newcomers
			if err := b.inStage(ctx, r, newcomers, talk, s); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bench) inStage(ctx context.Context, r *room, newcomers int, talk load.Talk, s stage) error {
	guests, err := load.Gather(ctx, r.Addr, newcomers, s.like)
	if err != nil {
		return err
	}
	defer guests.Close()
	if err := load.Pause(ctx, b.calm); err != nil {
		return err
	}
	crowd := r.crowd
	if s.counts {
		crowd = crowd.With(guests)
	}
	if !s.stops {
		return b.talk(ctx, r, crowd, r.Name+s.name, talk)
	}
	for _, client := range guests.Clients {
		client.StopReading()
	}
	err = b.talk(ctx, r, crowd, r.Name+s.name, talk)
	// Those still connected read on now; those that the server has given up find
	// their connection closed behind what was under way.
	for _, client := range guests.Clients {
		client.ReadOn()
	}
	err = errors.Join(err, load.Pause(ctx, b.calm))
	b.note("%s%s: %d of %d were disconnected", r.Name, s.name, guests.Ended(), newcomers)
	return err
}

// idle is a room full of people who say nothing.
func idle(ctx context.Context, b *bench) error {
	const each = "KB/session"
	err := b.each(ctx, 1, setup{sessions: b.sessions, columns: columns}, func(r *room) error {
		spent, err := measure(r.Server, func() error { return load.Pause(ctx, b.settle) })
		if err != nil {
			return err
		}
		after, err := r.Memory()
		if err != nil {
			return err
		}
		b.add(r.Name, figure{"RSS before KB", float64(r.before) / 1024, 0}, figure{"RSS after KB", float64(after) / 1024, 0},
			figure{each, float64(after-r.before) / 1024 / float64(b.sessions), 1}, count("ended", r.crowd.Ended()),
			figure{"CPU % while idle", 100 * spent.server.Seconds() / spent.took.Seconds(), 1}, figure{othersName, spent.others, 1})
		return nil
	})
	b.ratios(each, 0)
	for _, kilobytes := range b.values("server", each) {
		b.hold(each, kilobytes, idleKilobytes)
	}
	b.holdNone("server", "ended")
	return err
}

// joins is a crowd that comes all at once. A join is done when the session has been
// shown something.
func joins(ctx context.Context, b *bench) error {
	err := b.each(ctx, b.rounds, setup{sessions: b.sessions, columns: columns}, func(r *room) error {
		spent := r.joining
		b.add(r.Name, figure{"seconds", spent.took.Seconds(), 2},
			figure{"joins/s", float64(b.sessions) / spent.took.Seconds(), 0},
			figure{"CPU us/join", micros(spent.server, b.sessions), 0},
			figure{"generator us/join", micros(spent.generator, b.sessions), 0},
			count("ended", r.crowd.Ended()), figure{othersName, spent.others, 1})
		return nil
	})
	if b.newKeys {
		b.ratios("seconds", 0)
	} else {
		b.ratios("seconds", joinRatio)
	}
	b.ratios("CPU us/join", 0)
	return err
}
