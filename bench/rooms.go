package main

import (
	"context"
	"fmt"

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
	lines, deliveries, many := " in one room by lines", " in one room by deliveries", " in rooms"
	for range b.rounds {
		err := b.each(ctx, 1, setup{sessions: one, columns: columns}, func(r *room) error {
			err := b.talkWarm(ctx, r, r.Name+lines, load.Talk{Rate: b.rate / float64(b.rooms)})
			if err != nil {
				return err
			}
			return b.talkWarm(ctx, r, r.Name+deliveries, load.Talk{Rate: b.rate * float64(small-1) / float64(one-1)})
		})
		if err != nil {
			return err
		}
		err = b.each(ctx, 1, setup{sessions: b.rooms * small, columns: columns}, func(r *room) error {
			if err := b.joinRooms(ctx, r); err != nil {
				return err
			}
			return b.talkWarm(ctx, r, r.Name+many, load.Talk{Rooms: b.rooms})
		})
		if err != nil {
			return err
		}
	}
	for _, p := range b.programs {
		for _, kind := range []string{lines, deliveries} {
			pairs := divide(b.values(p.name+many, cpuName), b.values(p.name+kind, cpuName))
			b.compare(p.name, cpuName+", in rooms to"+kind, pairs, roomsRatio)
		}
		for _, kind := range []string{lines, deliveries, many} {
			b.holdNone(p.name+kind, "lost", "duplicates", "ended")
		}
	}
	return nil
}

// joinRooms has everybody join joinedEach rooms; what they type then goes to the last one.
func (b *bench) joinRooms(ctx context.Context, r *room) error {
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
		// When a message that is typed behind it has come, it is done.
		out, err := r.crowd.Run(ctx, load.Talk{Messages: len(r.crowd.Clients), Rate: fastRate, Direct: true})
		if err != nil {
			return err
		}
		if out.Lost > 0 {
			return fmt.Errorf("%d of %d clients are not answered", out.Lost, out.Expected)
		}
	}
	return nil
}
