package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

const progressEvery = 200 * time.Millisecond

// output is where a command writes.
type output struct {
	out, errs io.Writer
	failed    error     // of writing to out
	terminal  bool      // errs is one
	next      time.Time // when progress is shown
	shown     bool      // it is
	Remarks   int       // how many there were
}

func newOutput(c *cobra.Command) output {
	f, ok := c.ErrOrStderr().(*os.File)
	return output{
		out: c.OutOrStdout(), errs: c.ErrOrStderr(),
		terminal: ok && term.IsTerminal(int(f.Fd())), next: time.Now().Add(progressEvery),
	}
}

// Write writes to standard output as it is. A failure is the command's in the end, since scripts rely
// on what it prints.
func (o *output) Write(text []byte) (int, error) {
	o.clear()
	n, err := o.out.Write(text)
	o.failed = cmp.Or(o.failed, err)
	return n, err
}

// Say writes a line to standard output.
func (o *output) Say(format string, args ...any) {
	fmt.Fprintln(o, Clean(fmt.Sprintf(format, args...)))
}

// Remark writes a line to standard error that is not about a failure.
func (o *output) Remark(format string, args ...any) {
	o.clear()
	o.Remarks++
	fmt.Fprintln(o.errs, "whoelse:", Clean(fmt.Sprintf(format, args...)))
}

// Progress replaces the line on a terminal that tells how far the command is, if it is time to.
func (o *output) Progress(format string, args ...any) {
	if o.terminal && !time.Now().Before(o.next) {
		o.next = time.Now().Add(progressEvery)
		o.shown = true
		fmt.Fprintf(o.errs, "\r%s\x1b[K", Clean(fmt.Sprintf(format, args...)))
	}
}

// clear takes that line away, before something else is written.
func (o *output) clear() {
	if o.shown {
		o.shown = false
		fmt.Fprint(o.errs, "\r\x1b[K")
	}
}

// remarks shows what a server would warn of in its log as remarks of the command that does the same.
type remarks struct {
	slog.Handler // discards; nobody adds attributes or groups
	to           *output
}

// Log is for what a server logs while it does the same work: warnings become remarks.
func (o *output) Log() *slog.Logger { return slog.New(remarks{slog.DiscardHandler, o}) }

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
