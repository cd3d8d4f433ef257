// Package backup copies a whole data folder, also of a running server, and back.
//
//	m, err := backup.Take(ctx, "data", "/backups/monday", backup.Options{Program: version})
//	m, err = backup.Restore(ctx, "/backups/monday", "data", backup.Options{})
//
// # Why the copy is consistent
//
// A message to several people is in several histories, which are copied at different moments. But
// whatever is in a history was in the log before. So while the copy is made no segment of it is
// removed ([history.HoldSegments]), and the log is copied after the histories: it then has all that
// any copied history has beyond the checkpoint, which is copied first. Restoring applies it, as a
// start after a crash does, and so brings every history up to the same moment, the one at which the
// log was copied.
//
// Who holds which nick, and all else, is copied after that: a nick that was claimed
// meanwhile must not come back without its key, or whoever asks for it next would get
// its messages.
//
// # What is in a backup
//
// The files of the data folder as they are, without locks and temporary files, and
// backup.json, which is written last, when all else is on disk: the [Manifest]. A folder
// without it is no backup, or an incomplete one.
package backup
