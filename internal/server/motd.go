package server

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"

	"whoelse/room/regular"
)

// maxMOTD bounds the message of the day, in bytes.
const maxMOTD = 4 << 10

// motd returns a function that reads the message of the day afresh, so that it can
// be changed without a restart.
func motd(path string, log *slog.Logger) func() string {
	return func() string {
		if path == "" {
			return ""
		}
		text, err := regular.Read(os.OpenFile, path, maxMOTD)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Warn("the message of the day can't be read", "err", err)
		}
		return string(text)
	}
}
