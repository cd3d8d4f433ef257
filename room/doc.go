// Package room is the chat room itself: who is here, what is said, in which
// order, and what becomes of a message. It knows nothing of ssh, terminals,
// files or keys; it asks for what it needs through [Log], [Histories], [Directory] and
// [Settings], and hands what happens to each session's [Sink].
//
// A session takes a [Seat] with [Room.Join] and speaks through it:
//
//	seat, welcome, err := r.Join(room.Who{Nick: "bob"}, sink)
//	seat.Say(room.KindSay, "hello", nil)
//	seat.Send([]string{"carol"}, "hi", func(r room.Receipt) { ... })
//	seat.Leave(room.Quit)
//
// What is said goes to the log first, and nothing is shown or answered before it comes
// back through [Room.Apply], durable and in the log's order: every screen and the
// histories tell the same story.
package room
