package cli

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"unicode"
)

// Write writes to standard output as it is. A failure is the command's in the end, since scripts rely
// on what it prints.
func (r *Run) Write(text []byte) (int, error) {
	n, err := r.OutOrStdout().Write(text)
	r.failed = cmp.Or(r.failed, err)
	return n, err
}

// Say writes a line to standard output.
func (r *Run) Say(format string, args ...any) {
	fmt.Fprintln(r, Clean(fmt.Sprintf(format, args...)))
}

// Remark writes a line to standard error that is not about a failure.
func (r *Run) Remark(format string, args ...any) {
	r.Remarks++
	fmt.Fprintln(r.ErrOrStderr(), "whoelse:", Clean(fmt.Sprintf(format, args...)))
}

// Log is for what a server logs while it does the same work: warnings become remarks.
func (r *Run) Log() *slog.Logger { return slog.New(remarks{slog.DiscardHandler, r}) }

type remarks struct {
	slog.Handler // nobody adds attributes or groups
	to           *Run
}

// Enabled implements slog.Handler.
func (remarks) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle implements slog.Handler.
func (r remarks) Handle(_ context.Context, record slog.Record) error {
	var about []string
	record.Attrs(func(a slog.Attr) bool {
		about = append(about, a.Key+" "+a.Value.String())
		return true
	})
	r.to.Remark("%s (%s)", strings.TrimPrefix(record.Message, "history: "), strings.Join(about, ", "))
	return nil
}

// Clean makes one line of text that moves no cursor, wherever it comes from.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.ReplaceAll(text, "\n", "; "))
}

// Count is "1 line", "2 lines", "3 histories".
func Count[T int | int64](n T, what string) string {
	if n != 1 {
		what = strings.Replace(what+"s", "rys", "ries", 1)
	}
	return fmt.Sprintf("%d %s", n, what)
}
