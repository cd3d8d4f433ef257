package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"whoelse/bench/load"
)

const (
	roomsRatio = 1.0 // of the CPU per delivery in one room
	joinedEach = 10  // rooms that everybody is in
	oneRoom    = 10  // how many times larger the one room is
)

// rooms compares many small rooms with one larger one on a server of its own: with as many lines a second for each
// session, and with as many deliveries a second in all. Before they talk, everybody joins joinedEach rooms.
func rooms(ctx context.Context, b *bench) error {
	b.skipFloor()
	small, one := b.sessions/b.rooms, min(oneRoom*b.sessions/b.rooms, b.sessions)
	if small < joinedEach {
		return fmt.Errorf("%d sessions are too few for %d rooms: each has at least %d", b.sessions, b.rooms, joinedEach)
	}
	rates := []struct {
		name string
		rate float64
	}{
		{" in one room by lines", b.rate / float64(b.rooms)},
		{" in one room by deliveries", b.rate * float64(small-1) / float64(one-1)},
	}
	for range b.rounds {
		err := b.each(ctx, 1, setup{sessions: one, columns: columns}, func(r *room) error {
			for i, kind := range rates {
				if err := b.talkAs(ctx, r, r.Name+kind.name, 1, (i+1)<<20, kind.rate); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		err = b.each(ctx, 1, setup{sessions: b.rooms * small, columns: columns}, func(r *room) error {
			return b.inRooms(ctx, r)
		})
		if err != nil {
			return err
		}
	}
	for _, p := range b.programs {
		for _, kind := range rates {
			pairs := divide(b.values(p.name+" in rooms", cpuName), b.values(p.name+kind.name, cpuName))
			b.note("%s: %s, in rooms to%s: %.2f, median %.2f", p.name, cpuName, kind.name, pairs, median(pairs))
			if p.name == "server" {
				b.hold(cpuName+", in rooms to"+kind.name, median(pairs), roomsRatio)
			}
		}
		for _, name := range []string{rates[0].name, rates[1].name, " in rooms"} {
			b.holdNone(p.name+name, "lost", "duplicates", "ended")
		}
	}
	return nil
}

// inRooms has everybody join rooms, and talk in the last one.
func (b *bench) inRooms(ctx context.Context, r *room) error {
	// The first wave makes the rooms, all but the last of each group: each client few, since it may make no more.
	for wave := range joinedEach {
		for i, client := range r.crowd.Clients {
			number := (i/b.rooms + wave) % (joinedEach - 1)
			if wave == joinedEach-1 {
				number = wave
			}
			if _, err := fmt.Fprintf(client, "/join #r%d-%d\r", i%b.rooms, number); err != nil {
				return err
			}
		}
		if err := r.crowd.Settle(ctx, wave<<16); err != nil {
			return err
		}
	}
	return b.talkAs(ctx, r, r.Name+" in rooms", b.rooms, 1<<20, b.rate)
}

// talkAs is a talk of the crowd, in so many rooms, and its row in the report. The beginning is not measured.
func (b *bench) talkAs(ctx context.Context, r *room, name string, rooms, first int, rate float64) error {
	fmt.Fprintln(b.log, name)
	warm := min(b.duration, time.Second)
	talk := load.Talk{First: first, Messages: int(rate * warm.Seconds()), Rate: rate, Size: messageSize, Rooms: rooms}
	if _, err := r.crowd.Run(ctx, talk); err != nil {
		return err
	}
	talk.First, talk.Messages = first+talk.Messages, int(rate*b.duration.Seconds())
	out, spent, err := r.talk(ctx, talk)
	if err != nil {
		return err
	}
	b.add(name, slices.Concat([]figure{{cpuName, micros(spent.server, out.Delivered), 2}}, heard(out),
		[]figure{{othersName, spent.others, 1}})...)
	return nil
}
