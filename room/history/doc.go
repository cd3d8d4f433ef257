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
// # From an event to a history
//
// [whoelse/room/log] makes events durable, many with one fsync, and gives them their numbers. One
// goroutine follows it: project.go says which lines an event makes in which histories, apply.go
// appends them, and then the room gets the event. The histories are not synced then; a checkpoint
// (checkpoint.go) does that now and then, and lets the log go. After a crash the log is applied
// again from the checkpoint on (recover.go). Each line has the number of its event, so what is there
// already is skipped.
//
// A history that can't be written is late: its lines wait in memory, the log stays, and more to its
// owner is refused.
//
// # Reading
//
// What is known of a history is in an owner, which is loaded from the end of its file: the newest
// state line says what is unread. A reader works on a view, the file up to a size, which nobody
// changes; a shorter file that takes its place (compact.go) leaves the view as it is.
//
// # Beside a server, and without one
//
// [Check] and [OpenLook] read a folder that a server may be using, and change nothing. [Repair] and
// [Hold] take the folder when nobody has it. [HoldSegments] is what makes a copy of a folder in use
// consistent.
package history
