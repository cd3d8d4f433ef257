package attack

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"whoelse/room"
	"whoelse/room/history"
)

// Prepare fills the data folder of a server that does not run yet, where the plan
// asks for a past: the room's newest lines are as many and as long as can be asked
// for.
func (p Plan) Prepare(data string) (err error) {
	if !p.Has(Unread) {
		return nil
	}
	store, err := history.Open(filepath.Join(data, "history"), history.Options{})
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	var failed atomic.Pointer[error]
	text, now := Line(""), time.Now().UTC().Truncate(time.Millisecond)
	for n := range HistoryLines {
		said := &room.Message{ID: fmt.Sprintf("01K%023d", n), Time: now, Kind: room.KindSay, From: "~noise", Text: text}
		store.Append(func(err error) {
			if err != nil {
				failed.CompareAndSwap(nil, &err)
			}
		}, room.Record{Owner: room.RoomHistory, Message: said})
	}
	err = store.Close()
	if first := failed.Load(); first != nil {
		err = errors.Join(*first, err)
	}
	return err
}
