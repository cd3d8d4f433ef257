package main

import (
	"log/slog"

	"whoelse/keys/command"
	"whoelse/room/history"
)

// managing is what the commands for managing keys need of the rest.
var managing = command.Config{
	Usage:       func(err error) error { return usageError{err} },
	Environment: fromEnvironment,
	Hold: func(dir string, log *slog.Logger) (command.Histories, error) {
		return history.Hold(dir, log)
	},
	InUse: history.ErrInUse,
}
