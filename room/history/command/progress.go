package command

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Progress is shown after a while, and then now and then.
const (
	progressAfter = 1500 * time.Millisecond
	progressEvery = 200 * time.Millisecond
)

// progress is one line on a terminal that tells how far something is. It is used by
// one goroutine at a time.
type progress struct {
	w     io.Writer // nil when it is not a terminal
	next  time.Time
	shown bool
}

func newProgress(c *cobra.Command) *progress {
	p := &progress{next: time.Now().Add(progressAfter)}
	if f, ok := c.ErrOrStderr().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.w = f
	}
	return p
}

// show replaces the line, if it is time to.
func (p *progress) show(format string, args ...any) {
	if p.w == nil || time.Now().Before(p.next) {
		return
	}
	p.next = time.Now().Add(progressEvery)
	p.shown = true
	fmt.Fprintf(p.w, "\r"+format+"\x1b[K", args...)
}

// clear takes the line away, before something else is written.
func (p *progress) clear() {
	if p.shown {
		p.shown = false
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// size is a number of bytes for people.
func size(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	v, i := float64(n), 0
	for ; v >= 1024 && i < len(units)-1; i++ {
		v /= 1024
	}
	if i == 0 {
		return count(n, "byte")
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}
