package command

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"whoelse/internal/atomicfile"
	"whoelse/internal/cli"
	"whoelse/keys"
)

func rename(hold Hold, inUse error) *cobra.Command {
	return framed(&cobra.Command{
		Use: "rename OLD NEW", Short: "Give a nick's keys, history and settings another nick",
		Long: "The server has to be stopped. What was said keeps the old nick, here and in other\n" +
			"people's histories; what is unread stays unread. Blocks of OLD do not apply to NEW.\n" +
			"If it was interrupted, the same command completes it.",
		Args: func(c *cobra.Command, args []string) error {
			if err := nicks(c, args); err != nil {
				return err
			}
			if args[0] == args[1] {
				return cli.Usage("OLD and NEW are both %s", args[0])
			}
			return nil
		},
	}, func(k *command, args []string) error {
		from, to := args[0], args[1]
		histories, err := k.hold(hold, inUse)
		if err != nil {
			return err
		}
		r := renaming{keys.Renaming{From: from, To: to}, k, histories}
		if err := cmp.Or(r.perform(), histories.Close()); err != nil {
			return err
		}
		k.Say("renamed %s to %s", from, to)
		_, err = k.closeInvitations(from) // they would enrol a stranger
		return err
	})
}

// hold takes the histories.
func (k *command) hold(hold Hold, inUse error) (Histories, error) {
	h, err := hold(k.file("history"), k.Log())
	if errors.Is(err, inUse) {
		return nil, fmt.Errorf("a whoelse is running on the data folder %s; stop it, %s, and start it again", k.Data, k.Name())
	}
	return h, err
}

// renaming is one rename. Keys, history and settings are three places that cannot be
// changed in one step, so a note of the rename is written first, on disk, and
// removed last. As long as it is there the steps are repeated: each of them finds out
// whether it was done before. No server has the histories meanwhile.
//
// Without the note, a history of NEW beside none of OLD could be half of a rename as well
// as that of an earlier holder of the nick, and must not be given away.
//
// The keys go first: they are the one step that can be refused when all was checked,
// and until then nothing is changed, so that the note can be taken back.
type renaming struct {
	note keys.Renaming
	*command
	histories Histories
}

func (r renaming) perform() error {
	begun, err := keys.ReadRenaming(r.Data)
	switch {
	case err != nil:
		return err
	case begun == keys.Renaming{}:
		if err := r.precheck(); err != nil {
			return err
		}
	case begun != r.note:
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
		func() error { return r.note.Write(r.Data) },
		r.renameKeys,
		func() error { return r.interrupted(r.histories.Rename(r.note.From, r.note.To)) },
		func() error { return r.interrupted(r.moveSettings()) },
		func() error { return r.note.Remove(r.Data) },
	}
}

// precheck finds out beforehand what it can.
func (r renaming) precheck() error {
	from, to := r.note.From, r.note.To
	if err := r.checkHeld(from); err != nil {
		return err
	}
	if r.reg.Held(to) {
		return fmt.Errorf("%w; choose another one", &keys.HeldError{Nick: to})
	}
	if err := r.histories.Check(from, to); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("there is a history of an earlier %s (%w); move it away from %s", to, err, r.file("history"))
	} else if err != nil {
		return err
	}
	if _, err := os.Lstat(r.settingsOf(to)); err == nil {
		return fmt.Errorf("there are settings of an earlier %s; move %s away", to, r.settingsOf(to))
	}
	open, err := r.invited(to)
	if open {
		return fmt.Errorf("there is an open invitation for %s; close it with: whoelse keys remove %s", to, to)
	}
	return err
}

// renameKeys renames in authorized_keys, unless that is done. If it is refused, nothing was
// done and there is nothing to complete. A failure after which it is there
// nevertheless (it may not survive a power cut) leaves the note.
func (r renaming) renameKeys() error {
	from, to := r.note.From, r.note.To
	if !r.reg.Held(from) {
		return atomicfile.Store{}.SyncDir(r.Data)
	}
	_, err := r.reg.Rename(from, to)
	if err == nil {
		return nil
	}
	if !r.reg.Held(from) || r.reg.Held(to) {
		return r.interrupted(err)
	}
	if ending := r.note.Remove(r.Data); ending != nil {
		return fmt.Errorf("%w; and then: %w", err, ending)
	}
	return err
}

func (r renaming) moveSettings() error {
	from, to := r.settingsOf(r.note.From), r.settingsOf(r.note.To)
	_, err := os.Lstat(from)
	if err == nil {
		if _, err := os.Lstat(to); err == nil {
			return fmt.Errorf("%s is in the way", to)
		}
		err = os.Rename(from, to)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err = atomicfile.Store{}.SyncDir(filepath.Dir(to)) // it may have been moved just before
	if errors.Is(err, fs.ErrNotExist) {                // no server has run here
		return nil
	}
	return err
}

// settingsOf is where room/settings keeps a nick's.
func (k *command) settingsOf(n string) string { return filepath.Join(k.Data, "settings", n+".json") }

// interrupted is an error in the middle, if there is one.
func (r renaming) interrupted(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s has become %s only in part: %w; mend that, and run the same command again",
		r.note.From, r.note.To, err)
}

// restore adds the key last: until then the next server sets everything aside again.
func restore(hold Hold, inUse error) *cobra.Command {
	var files []string
	c := &cobra.Command{
		Use: "restore NICK", Short: "Give a nick that lost its keys back, with its history",
		Long: "The server has to be stopped. When the last key of a nick goes, its history, with what\n" +
			"is unread, and its settings are set aside, and the nick is reserved. This gives them\n" +
			"back, to the owner of the key. If it was interrupted, the same command completes it.",
	}
	c.Flags().StringArrayVar(&files, "key", nil, keyFlag)
	return framed(c, func(k *command, args []string) error {
		n := args[0]
		list, err := k.readKeys(files)
		if err != nil {
			return err
		}
		if k.reg.Held(n) {
			return fmt.Errorf("%s is held by a key; only a nick that lost all its keys can be given back", n)
		}
		histories, err := k.hold(hold, inUse)
		if err != nil {
			return err
		}
		there, err := histories.RestoreNick(n)
		if errors.Is(err, fs.ErrExist) { // given back by a call that was interrupted, or never set aside
			there, err = true, nil
		}
		if err := cmp.Or(err, histories.Close()); err != nil {
			return err
		}
		set, err := k.restoreSettings(n)
		if err != nil {
			return err
		}
		if !there && !set && k.reg.Reserved(n) == nil {
			return fmt.Errorf("nothing of %s was set aside; bind a key to it with: whoelse keys add %s", n, n)
		}
		added, err := k.reg.Add(n, list, keys.AddOptions{How: "restored", AllowConfusable: true, Restore: true})
		if err != nil {
			return k.explainKnown(err)
		}
		if _, err := k.reserved.Remove(n); err != nil {
			return err
		}
		with := "without a history"
		if there {
			with = "with the history"
		}
		k.report("added", added)
		k.Say("restored %s, %s", n, with)
		return nil
	})
}

// restoreSettings gives n the settings back that were set aside last, and reports whether
// it has any.
func (k *command) restoreSettings(n string) (bool, error) {
	to := k.settingsOf(n)
	if _, err := os.Lstat(to); err == nil {
		return true, nil
	}
	retired := filepath.Join(filepath.Dir(to), ".retired")
	files, err := os.ReadDir(retired)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	for _, f := range slices.Backward(files) { // the last one first
		if theirs, _ := path.Match(n+"-????????T??????Z.json", f.Name()); theirs {
			err := os.Rename(filepath.Join(retired, f.Name()), to)
			return true, cmp.Or(err, atomicfile.Store{}.SyncDir(filepath.Dir(to)))
		}
	}
	return false, nil
}
