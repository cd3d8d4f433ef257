package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"whoelse/room"
)

// expireEvery is how often nicks that nobody uses are looked for.
const expireEvery = 24 * time.Hour

// expireNicks frees nicks that were claimed and not used for so long, at once and then
// once a day, until ctx is over. 0 is never.
func (s *server) expireNicks(ctx context.Context, data string, unused time.Duration) {
	if unused == 0 {
		return
	}
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		if err := s.desk.Expire(unused, s.nickInUse(ctx, data)); err != nil {
			s.log.Error("unused nicks could not be freed", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// nickInUse returns what tells whether a nick has done anything: it was here lately,
// has sent or got a message, said something in the room that is still known, or set
// something. Where that can't be found out, and when ctx is over, it has.
func (s *server) nickInUse(ctx context.Context, data string) func(nick string) bool {
	spoke := sync.OnceValue(s.speakers)
	return func(nick string) bool {
		if ctx.Err() != nil || s.room.Known(nick) {
			return true
		}
		for _, file := range []string{"history/users/" + nick + ".jsonl", "settings/" + nick + ".json"} {
			if _, err := os.Lstat(filepath.Join(data, file)); !errors.Is(err, fs.ErrNotExist) {
				return true
			}
		}
		got, err := room.Collect(s.store.Tail(nick, 1, nil)) // what is not in the file yet
		speakers := spoke()
		return err != nil || len(got) > 0 || speakers == nil || speakers[nick]
	}
}

// speakers are all who said something in the room, as far back as its history goes;
// nil if it can't be read.
func (s *server) speakers() map[string]bool {
	spoke := make(map[string]bool)
	_, err := room.Collect(s.store.Tail(room.RoomHistory, 1, func(m *room.Message) (bool, error) {
		spoke[m.From] = true
		return false, nil
	}))
	if err != nil {
		return nil
	}
	return spoke
}
