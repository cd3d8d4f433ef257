// Package history keeps what people said, in plain files that people can read.
//
// [Open] gives a [Store], which implements [room.Archive]:
//
//	store, err := history.Open(filepath.Join(data, "history"), history.Options{Log: log})
//	if errors.Is(err, history.ErrInUse) { ... another server has this folder ... }
//	defer store.Close()
//	store.Append(func(err error) { ... on disk when err is nil ... },
//		room.Record{Owner: "bob", Message: m}, room.Record{Owner: "carol", Message: m})
//	for m, err := range store.Unread("carol") { ... }
//
// # Files
//
// Every nick has one file, users/NICK.jsonl; what was said to everyone is in
// room.jsonl, who came and went in presence.jsonl. They hold one JSON object a
// line and are only ever appended to. Every line ends with a checksum of its
// own; a line whose checksum is wrong or missing is damaged: it is counted,
// logged and skipped, and costs nothing but itself. docs/storage.md describes
// every file to operators.
//
// # How an append becomes durable
//
// One goroutine, the writer, takes all units that wait, gives each line its
// place in its owner's file, and writes them all to the journal with one write
// and one fsync. Only then do the lines go to the owners' files, without
// fsync, and the senders are told. So a hundred people who send to a hundred
// others share one fsync, and what was acknowledged is both safe in the journal
// and readable in the owner's file. A journal that has grown large is sealed;
// another goroutine, the checkpointer, fsyncs the files it speaks of and then
// removes it. After a crash [Open] writes the journal's lines again to where
// they belong, which changes nothing where they already are.
//
// A failed write or fsync of the journal fails every unit of that batch. The
// uncertain end of that journal is cut off, and disowned by the header of the
// journal that follows it; until that one is on disk nothing is acknowledged.
// A failed write to an owner's file after the journal's fsync loses nothing:
// the lines stay in memory, where reads find them, and in the journal, which is
// kept; more appends to that owner are refused until they could be written.
//
// # How unread messages are found
//
// An owner's unread messages are kept as a list of offsets, built when the
// owner is first asked for. So that this never means reading the whole file,
// the writer puts a state line into it every 4 KiB or so, which names the
// offsets of what is unread there; only what follows it is read.
//
// # Beside a server, and without one
//
// [Check] and [OpenLook] read a folder that a server may be using, and change nothing.
// [Repair] and [Hold] take the folder when nobody has it. [KeepJournals] is what makes a
// copy of a folder in use consistent.
//
// # How histories are kept small
//
// With limits, a third goroutine, the trimmer, writes a history anew without its
// oldest lines, but with all that is unread, to a file beside it, and the writer puts
// that in the old one's place between two batches. Journals count offsets as if
// nothing had ever been removed; the first line of a shortened file tells the
// difference. Without limits there is no trimmer.
//
// # When the folder or a file is another one
//
// Each append looks whether the file is still the one that the writer left. One that
// somebody edited is read anew. When the store's own folder was removed and another one
// stands in its place, that is used as at start. Lines that were acknowledged and are in
// memory alone are appended there.
package history
