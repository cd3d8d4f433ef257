package backup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"whoelse/room/history"
)

// list calls found for every file below rel, in order of their names. The histories are
// a list of their own.
func (t *taking) list(rel string, found func(string)) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(t.from, rel))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		at := filepath.Join(rel, e.Name())
		if temporary(at) || at == "history" || at == "history"+history.OldEnd || at == "history"+history.NewEnd {
			continue
		}
		mode := e.Type()
		if rel == "." && mode&fs.ModeSymlink != 0 {
			if info, err := os.Stat(filepath.Join(t.from, at)); err == nil {
				mode = info.Mode().Type()
			}
		}
		switch {
		case mode.IsDir():
			if err := t.list(at, found); err != nil {
				return err
			}
		case mode.IsRegular() && utf8.ValidString(at):
			found(at)
		default:
			t.taken.LeftOut = append(t.taken.LeftOut, at)
		}
	}
	return nil
}

// temporary reports whether a file is nothing to keep: locks, what is being written
// and will be renamed, and what is the file system's or a backup's own.
func temporary(rel string) bool {
	name := filepath.Base(rel)
	hidden := strings.HasPrefix(name, ".") && strings.TrimRight(name, "0123456789") != name
	return strings.HasSuffix(name, ".tmp") || strings.HasSuffix(name, ".lock") || hidden ||
		rel == "history/lock" || rel == lostFound || rel == ManifestName
}

// one copies a file that is only appended to, or replaced as a whole: it is copied as
// far as it was when it was opened. One that is gone is left out.
func (t *taking) one(ctx context.Context, rel string) error {
	in, info, err := t.open(rel)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f, err := t.write(ctx, rel, in, info.Size())
	if err := errors.Join(err, in.Close()); err != nil {
		return err
	}
	t.done(f)
	return nil
}

// tries is how often a file is read that changes meanwhile.
const tries = 5

// settled copies a file that an editor may be writing in place.
func (t *taking) settled(ctx context.Context, rel string) error {
	for n := 1; ; n++ {
		in, before, err := t.open(rel)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		f, err := t.write(ctx, rel, in, before.Size())
		after, serr := in.Stat()
		if err := errors.Join(err, serr, in.Close()); err != nil {
			return err
		}
		if same := before.Size() == after.Size() && before.ModTime().Equal(after.ModTime()); same || n == tries {
			t.done(f)
			return nil
		}
	}
}
