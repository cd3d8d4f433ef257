package history

import "log/slog"

func upgrade(string, *slog.Logger) error { return nil }
