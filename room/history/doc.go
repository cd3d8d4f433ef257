// Package history keeps what people said: one log of events, and histories made from it, in plain
// files that people can read.
//
//	store, err := history.Open(filepath.Join(data, "history"), history.Options{Log: log})
//	if errors.Is(err, history.ErrInUse) { ... another server has this folder ... }
//	defer store.Close()
//	room, err := room.New(store, store, ...) // it is a room.Log and room.Histories
//	store.Follow(room.Apply)
//
// docs/storage.md describes every file to operators, docs/decisions/015-one-log.md why.
//
// [whoelse/room/log] makes events durable and gives them their numbers. apply.go appends the lines of each
// event to the histories it belongs to, and then the room gets it. A checkpoint makes the histories
// durable now and then, and lets the log go. Whatever goes wrong with a history, it is made again from the
// log: each line has the number of its event.
//
// [Check] and [OpenLook] read a folder that a server may be using, and change nothing. [Repair] and
// [Hold] take the folder when nobody has it. [HoldSegments] is what makes a copy of a folder in use
// consistent.
package history
