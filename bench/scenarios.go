package main

import (
	"context"
	"fmt"
	"slices"
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
	err := b.everyoneTalks(ctx, false)
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
	err := b.everyoneTalks(ctx, true)
	b.ratios(cpuName, 0)
	b.holdNone("server", "lost", "duplicates")
	return err
}

func (b *bench) everyoneTalks(ctx context.Context, direct bool) error {
	return b.each(ctx, b.rounds, setup{sessions: b.sessions, columns: columns}, func(r *room) error {
		if err := load.Pause(ctx, b.calm); err != nil {
			return err
		}
		// The beginning fills buffers and grows heaps: it is not measured.
		warm := min(b.duration, time.Second)
		talk := load.Talk{Messages: int(b.rate * warm.Seconds()), Rate: b.rate, Size: messageSize, Direct: direct}
		if _, err := r.crowd.Run(ctx, talk); err != nil {
			return err
		}
		talk.First, talk.Messages = talk.Messages, int(b.rate*b.duration.Seconds())
		out, spent, err := r.talk(ctx, talk)
		if err != nil {
			return err
		}
		b.add(r.Name, slices.Concat([]figure{{cpuName, micros(spent.server, out.Delivered), 2}}, heard(out),
			[]figure{{"generator us/delivery", micros(spent.generator, out.Delivered), 2}, {othersName, spent.others, 1}})...)
		return nil
	})
}

// bots compares two stages: people talk, with more people who listen or, in their place, as many programs. The
// CPU of a delivery to a person is known from the first stage; the rest of the second is the programs'.
func bots(ctx context.Context, b *bench) error {
	b.skipFloor()
	kinds := []string{" with people", " with bots"}
	messages := int(b.rate * b.duration.Seconds())
	stage := func(r *room, n int) error {
		newcomers, err := load.Gather(ctx, r.Addr, b.bots,
			load.Config{Number: b.sessions + n*b.bots, Columns: columns, Bot: n%2 == 1})
		if err != nil {
			return err
		}
		defer newcomers.Close()
		if err := load.Pause(ctx, b.calm); err != nil {
			return err
		}
		all := &room{Server: r.Server, crowd: r.crowd.With(newcomers)}
		out, spent, err := all.talk(ctx, load.Talk{
			First: n * messages, Messages: messages, Rate: b.rate, Size: messageSize, Speakers: b.sessions,
		})
		if err != nil {
			return err
		}
		b.add(r.Name+kinds[n%2], slices.Concat([]figure{{cpuName, micros(spent.server, out.Delivered), 2}},
			heard(out), []figure{{othersName, spent.others, 1}})...)
		return nil
	}
	err := b.each(ctx, 1, setup{b.sessions, columns, 2 * b.rounds * b.bots}, func(r *room) error {
		for n := range 2 * b.rounds {
			fmt.Fprintf(b.log, "%s, stage %d of %d\n", r.Name, n+1, 2*b.rounds)
			if err := stage(r, n); err != nil {
				return err
			}
		}
		return nil
	})
	for _, p := range b.programs {
		var ratios []float64
		people := b.values(p.name+kinds[0], cpuName)
		for i, mixed := range b.values(p.name+kinds[1], cpuName) {
			// The speaker is one of the people, and gets no delivery.
			heard := float64(b.sessions - 1)
			bot := (mixed*(heard+float64(b.bots)) - people[i]*heard) / float64(b.bots)
			ratios = append(ratios, bot/people[i])
		}
		b.note("%s: CPU of a delivery to a bot, to a person's: %.2f, median %.2f", p.name, ratios, median(ratios))
		if p.name == "server" {
			b.hold("CPU of a delivery to a bot, to a person's", median(ratios), botRatio)
		}
		for _, kind := range kinds {
			b.holdNone(p.name+kind, "lost", "duplicates", "ended")
		}
	}
	return err
}

// talk measures a talk of the room's crowd.
func (r *room) talk(ctx context.Context, talk load.Talk) (out *load.Outcome, spent cost, err error) {
	spent, err = measure(r.Server, func() (err error) {
		out, err = r.crowd.Run(ctx, talk)
		return err
	})
	return out, spent, err
}

// heard is what came of a talk.
func heard(out *load.Outcome) []figure {
	return []figure{
		{"p50 ms", out.Latency.Quantile(0.5), 1}, {"p99 ms", out.Latency.Quantile(0.99), 1},
		{"max ms", out.Latency.Quantile(1), 1},
		{"deliveries/s", float64(out.Delivered) / out.Elapsed.Seconds(), 0}, count("delivered", out.Delivered),
		count("lost", out.Lost), count("duplicates", out.Duplicates), count("ended", out.Ended),
		{"sent late ms", out.Late.Seconds() * 1000, 1},
	}
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

// stuck is a room in which some stop reading: their sockets, over what looks like an
// ordinary line, are no longer emptied, and nobody hangs up. Before each such stage is
// one in which newcomers of the same kind do read. The figures are of the others.
func stuck(ctx context.Context, b *bench) error {
	// Messages fill what lies between the server and a session within a stage, and
	// the terminals hold them in one or two rows.
	const size, wide = 600, 400
	stage := func(r *room, n int) error {
		newcomers, err := load.Gather(ctx, r.Addr, b.stuck,
			load.Config{Number: b.sessions + n*b.stuck, Columns: wide, Line: true})
		if err != nil {
			return err
		}
		defer newcomers.Close()
		if err := load.Pause(ctx, b.calm); err != nil {
			return err
		}
		name := r.Name
		if n%2 == 1 {
			name += " with stuck"
			for _, client := range newcomers.Clients {
				client.StopReading()
			}
		}
		talk := load.Talk{Rate: b.rate, Messages: int(b.rate * b.duration.Seconds()), Size: size}
		talk.First = n * talk.Messages
		out, spent, err := r.talk(ctx, talk)
		if err != nil {
			return err
		}
		// Those still connected read on now; those that the server has given up find
		// their connection closed behind what was under way.
		for _, client := range newcomers.Clients {
			client.ReadOn()
		}
		if err := load.Pause(ctx, b.calm); err != nil {
			return err
		}
		b.add(name, slices.Concat([]figure{count("newcomers ended", newcomers.Ended())}, heard(out),
			[]figure{{othersName, spent.others, 1}})...)
		return nil
	}
	err := b.each(ctx, 1, setup{b.sessions, wide, 2 * b.rounds * b.stuck}, func(r *room) error {
		for n := range 2 * b.rounds {
			fmt.Fprintf(b.log, "%s, stage %d of %d\n", r.Name, n+1, 2*b.rounds)
			if err := stage(r, n); err != nil {
				return err
			}
		}
		return nil
	})
	for _, p := range b.programs {
		pairs := divide(b.values(p.name+" with stuck", "p99 ms"), b.values(p.name, "p99 ms"))
		b.note("%s: p99 of the others, with to without: %.2f, median %.2f", p.name, pairs, median(pairs))
		if p.name == "server" {
			b.hold("p99 of the others, with to without", median(pairs), stuckRatio)
		}
	}
	for _, name := range []string{"server", "server with stuck"} {
		b.holdNone(name, "lost", "duplicates")
	}
	return err
}
