package command

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"whoelse/room/history"
)

// remarks shows what a start would warn of in its log as remarks of the command that
// does the same work. It is used by one goroutine at a time.
type remarks struct {
	c *cobra.Command
	n int // how many there were
}

// Enabled implements slog.Handler.
func (r *remarks) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle implements slog.Handler.
func (r *remarks) Handle(_ context.Context, record slog.Record) error {
	r.n++
	var about []string
	record.Attrs(func(a slog.Attr) bool {
		about = append(about, a.Key+" "+history.Clean(a.Value.String()))
		return true
	})
	words := history.Clean(strings.TrimPrefix(record.Message, "history: "))
	if len(about) > 0 {
		words += fmt.Sprintf(" (%s)", strings.Join(about, ", "))
	}
	remark(r.c, "%s", words)
	return nil
}

// WithAttrs implements slog.Handler. The histories add none.
func (r *remarks) WithAttrs([]slog.Attr) slog.Handler { return r }

// WithGroup implements slog.Handler. The histories have none.
func (r *remarks) WithGroup(string) slog.Handler { return r }
