package history

import (
	"errors"
	"log/slog"

	"whoelse/room/history/migrate"
)

// Ends of the names of the folders beside the histories: the one that a start leaves of an older
// layout, and the one that it makes.
const (
	OldEnd = migrate.OldEnd
	NewEnd = migrate.NewEnd
)

// upgrade brings an older layout up to date.
func upgrade(dir string, log *slog.Logger) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	said := 0
	done, err := migrate.FromVersion2(dir, migrate.Options{Log: log, Progress: func(files, of int) {
		if tenths := 10 * files / of; tenths > said || files == 1 {
			said = tenths
			log.Info("history: the layout is brought up to date", "files", files, "of", of)
		}
	}})
	if errors.Is(err, migrate.ErrBackup) {
		return ErrBackup
	}
	if done {
		log.Info("history: the layout is up to date; delete the old folder when all is well", "old", dir+OldEnd)
	}
	return err
}
