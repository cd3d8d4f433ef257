package command

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"whoelse/internal/atomicfile"
	"whoelse/keys"
)

func (k *commands) rename() *cobra.Command {
	return &cobra.Command{
		Use: "rename OLD NEW", Short: "Give a nick's keys, history and settings another nick", Args: k.exactly("OLD", "NEW"),
		Long: "The server has to be stopped. What was said keeps the old nick, here and in other\n" +
			"people's histories; what is unread stays unread. Whoever blocks OLD does not block NEW.\n" +
			"If it was interrupted, the same command completes it.",
		RunE: func(c *cobra.Command, args []string) error { return k.runRename(c, args[0], args[1]) },
	}
}

// renaming is one rename. Keys, history and settings are three places that cannot be
// changed in one step, so a note of what is being done is written first, on disk, and
// removed last. As long as it is there the steps are not: each of them finds out
// whether it was done before, and doing them all again completes what was
// interrupted. No server has the histories meanwhile.
//
// Without the note, a history of NEW beside none of OLD could be half of a rename as
// well as that of somebody who had the nick before, and must not be given away.
//
// The keys go first: they are the one step that can be refused when all was checked,
// and until then nothing is changed, so that the note can be taken back.
type renaming struct {
	from, to  string
	data      string
	reg       *keys.Registry
	histories Histories
}

func (k *commands) runRename(c *cobra.Command, old, fresh string) error {
	from, err := k.nick(old)
	if err != nil {
		return err
	}
	to, err := k.nick(fresh)
	if err != nil {
		return err
	}
	if from == to {
		return k.Usage(fmt.Errorf("OLD and NEW are both %s", from))
	}
	r := renaming{from: from, to: to, data: k.data}
	if r.reg, err = k.registry(); err != nil {
		return err
	}
	if r.histories, err = k.hold(c, "rename"); err != nil {
		return err
	}
	err = k.perform(r)
	if closing := r.histories.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	if err := say(c, fmt.Sprintf("renamed %s to %s", from, to)); err != nil {
		return err
	}
	_, err = k.closeInvitations(c, from) // who has one would be somebody new
	return err
}

func (k *commands) hold(c *cobra.Command, what string) (Histories, error) {
	log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	h, err := k.Hold(filepath.Join(k.data, "history"), log)
	if errors.Is(err, k.InUse) {
		return nil, fmt.Errorf("a whoelse is running on the data folder %s, and holds the history; stop it, %s, and start it again", k.data, what)
	}
	return h, err
}

func (k *commands) perform(r renaming) error {
	begun, err := keys.ReadRenaming(k.data)
	if err != nil {
		return err
	}
	switch begun {
	case keys.Renaming{}:
		if err := k.checkRename(r); err != nil {
			return err
		}
	case r.note():
	default:
		return begun.Unfinished()
	}
	for _, step := range r.steps() {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (r renaming) steps() []func() error {
	return []func() error{
		func() error { return r.note().Write(r.data) },
		r.keys,
		func() error { return r.interrupted(r.histories.Rename(r.from, r.to)) },
		func() error { return r.interrupted(r.moveSettings()) },
		r.end,
	}
}

// checkRename finds out beforehand what it can.
func (k *commands) checkRename(r renaming) error {
	if !r.reg.Held(r.from) {
		return fmt.Errorf("nobody holds %s; whoelse keys list shows who there is", r.from)
	}
	if r.reg.Held(r.to) {
		return fmt.Errorf("%w; choose another one", &keys.HeldError{Nick: r.to})
	}
	if err := r.histories.Check(r.from, r.to); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("somebody was %s before, and what they left is in the way (%w); move it away from %s", r.to, err, filepath.Join(k.data, "history"))
	} else if err != nil {
		return err
	}
	if _, err := os.Lstat(r.settingsFile(r.to)); err == nil {
		return fmt.Errorf("somebody was %s before, and what they left is in the way; move %s away", r.to, r.settingsFile(r.to))
	}
	open, err := k.invited(r.to)
	if open {
		return fmt.Errorf("there is an open invitation for %s, which would let somebody in as them; close it with: whoelse keys remove %s", r.to, r.to)
	}
	return err
}

func (r renaming) note() keys.Renaming { return keys.Renaming{From: r.from, To: r.to} }

func (r renaming) end() error { return r.note().Remove(r.data) }

// keys renames in authorized_keys, unless that is done. If it is refused, nothing was
// done and there is nothing to complete. A failure after which it is there
// nevertheless (it may not survive a power cut) leaves the note.
func (r renaming) keys() error {
	if !r.reg.Held(r.from) {
		return atomicfile.Store{}.SyncDir(r.data)
	}
	_, err := r.reg.Rename(r.from, r.to)
	switch {
	case err == nil:
		return nil
	case !r.reg.Held(r.from) || r.reg.Held(r.to):
		return r.interrupted(err)
	}
	if ending := r.end(); ending != nil {
		return fmt.Errorf("%w; and then: %w", err, ending)
	}
	return err
}

func (r renaming) moveSettings() error {
	from, to := r.settingsFile(r.from), r.settingsFile(r.to)
	folder := filepath.Dir(to)
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return nil // no server has run here
	}
	_, err := os.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return atomicfile.Store{}.SyncDir(folder) // it may have been moved just now
	}
	if err != nil {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%s is in the way", to)
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return atomicfile.Store{}.SyncDir(folder)
}

// settingsFile is where room/settings keeps a nick's.
func (r renaming) settingsFile(n string) string {
	return filepath.Join(r.data, "settings", n+".json")
}

// interrupted is an error in the middle, if there is one.
func (r renaming) interrupted(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s has become %s only in part: %w; mend that, and run the same command again", r.from, r.to, err)
}
