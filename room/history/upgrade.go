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
	err := migrate.FromVersion2(dir, log)
	if errors.Is(err, migrate.ErrBackup) {
		return ErrBackup
	}
	return err
}
