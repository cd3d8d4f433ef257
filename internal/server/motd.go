package server

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"

	"whoelse/internal/atomicfile"
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
		f, err := atomicfile.OpenRegular(path)
		var text []byte
		if err == nil {
			text, err = io.ReadAll(io.LimitReader(f, maxMOTD))
			f.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Warn("the message of the day can't be read", "err", err)
		}
		return string(text)
	}
}
