package command

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"whoelse/room/history"
)

const progressEvery = 200 * time.Millisecond

// output is what a command says. It is used by one goroutine at a time. As a slog.Handler it shows
// what a start would warn of in its log as remarks of the command that does the same work.
type output struct {
	slog.Handler // discards; nobody adds attributes or groups

	out, errs io.Writer
	outErr    error     // of writing to out
	terminal  bool      // errs is one
	next      time.Time // when progress is shown
	shown     bool      // it is
	logged    int       // remarks from the log
}

func newOutput(c *cobra.Command) *output {
	o := &output{Handler: slog.DiscardHandler, out: c.OutOrStdout(), errs: c.ErrOrStderr()}
	o.next = time.Now().Add(progressEvery)
	f, ok := o.errs.(*os.File)
	o.terminal = ok && term.IsTerminal(int(f.Fd()))
	return o
}

// progress replaces the line that tells how far it is, if it is time to.
func (o *output) progress(format string, args ...any) {
	if o.terminal && !time.Now().Before(o.next) {
		o.next = time.Now().Add(progressEvery)
		o.shown = true
		fmt.Fprintf(o.errs, "\r"+format+"\x1b[K", args...)
	}
}

// clear takes that line away, before something else is written.
func (o *output) clear() {
	if o.shown {
		o.shown = false
		fmt.Fprint(o.errs, "\r\x1b[K")
	}
}

// say writes a line to standard output. That it could not is an error in the end.
func (o *output) say(format string, args ...any) {
	o.clear()
	if _, err := fmt.Fprintf(o.out, format+"\n", args...); o.outErr == nil {
		o.outErr = err
	}
}

// remark writes something to standard error that is not a failure.
func (o *output) remark(format string, args ...any) {
	o.clear()
	fmt.Fprintf(o.errs, "whoelse: "+format+"\n", args...)
}

// Enabled implements slog.Handler.
func (o *output) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle implements slog.Handler.
func (o *output) Handle(_ context.Context, record slog.Record) error {
	o.logged++
	var about []string
	record.Attrs(func(a slog.Attr) bool {
		about = append(about, a.Key+" "+history.Clean(a.Value.String()))
		return true
	})
	o.remark("%s (%s)", history.Clean(strings.TrimPrefix(record.Message, "history: ")), strings.Join(about, ", "))
	return nil
}

// count is "1 line", "2 lines".
func count[T int | int64](n T, what string) string {
	switch {
	case n == 1:
	case what == "history":
		what = "histories"
	default:
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// size is a number of bytes for people.
func size(n int64) string {
	if n < 1024 {
		return count(n, "byte")
	}
	units := []string{"KiB", "MiB", "GiB", "TiB"}
	v, i := float64(n)/1024, 0
	for ; v >= 1024 && i < len(units)-1; i++ {
		v /= 1024
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}
