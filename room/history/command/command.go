// Package command is `whoelse check`, `backup`, `restore` and `history`: what an operator does about
// storage from the command line.
package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"whoelse/internal/cli"
	"whoelse/room/history"
)

// New makes the commands. Backups name the program's version.
func New(version string) []*cobra.Command {
	return []*cobra.Command{check(), backupCommand(version), restore(), historyCommand()}
}

// historiesIn is the folder below the data folder. Both have to be there, and be ours for writing.
func historiesIn(r *cli.Run, write bool) (string, error) {
	if err := r.CheckFolder(write); err != nil {
		return "", err
	}
	dir := filepath.Join(r.Data, "history")
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("there are no histories in %s; no server has run with this data folder (name another one "+
			"with --data), or %s was removed, moved away, or is not mounted", r.Data, dir)
	case err != nil:
		return "", explain(r, "the histories can't be read", err, "")
	case !info.IsDir():
		return "", fmt.Errorf("the histories can't be read: %s is not a folder; move it away", dir)
	}
	return dir, nil
}

// explain adds to err what failed, and what helps; then is for an interruption.
func explain(r *cli.Run, what string, err error, then string) error {
	owner := cli.Owner(r.Data)
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted%s", then)
	case errors.Is(err, history.ErrInUse):
		return fmt.Errorf("a whoelse is running on the data folder %s, and holds the history; "+
			"stop it, repair, and start it again", r.Data)
	case errors.Is(err, fs.ErrPermission) && owner >= 0 && owner != os.Geteuid():
		return fmt.Errorf("%s: %w; the data folder %s belongs to uid %d, run this as that user", what, err, r.Data, owner)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// quoted is a path as a shell takes it.
func quoted(path string) string {
	if strings.ContainsAny(path, "\t\n !\"#$&'()*;<>?[\\]^`{|}~") || strings.HasPrefix(path, "-") {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}

// size is a number of bytes for people.
func size(n int64) string {
	if n < 1024 {
		return cli.Count(n, "byte")
	}
	v, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v /= 1024; v < 1024 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", v, unit)
}
