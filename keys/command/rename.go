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

	"whoelse/internal/cli"
	"whoelse/internal/disk"
	"whoelse/keys"
	"whoelse/room/history"
)

func rename() *cobra.Command {
	return framed(&cobra.Command{
		Use: "rename OLD NEW", Short: "Move a nick's keys, history and settings to a new nick",
		Long: "The server has to be stopped. Past messages keep the old nick, in all histories; unread\n" +
			"messages stay unread. Blocks of OLD do not apply to NEW. After an interruption, run the\n" +
			"same command again. A server of a cluster refuses it.",
		PreRunE: func(_ *cobra.Command, args []string) error {
			if args[0] == args[1] {
				return cli.Usage("OLD and NEW are both %s", args[0])
			}
			return nil
		},
	}, func(k *command, args []string) error {
		if k.inCluster() {
			return fmt.Errorf("the data folder %s is one of a cluster, and all its servers have the history of %s; instead, remove its keys "+
				"and add them for %s: the history stays with %[2]s", k.Data, args[0], args[1])
		}
		note := keys.Renaming{From: args[0], To: args[1]}
		histories, err := k.hold()
		if err != nil {
			return err
		}
		if err := cmp.Or(k.rename(note, histories), histories.Close()); err != nil {
			return err
		}
		k.Say("renamed %s to %s", note.From, note.To)
		_, err = k.closeInvitations(note.From) // they would enrol a stranger
		return err
	})
}

// hold takes the histories.
func (k *command) hold() (*history.Held, error) {
	h, err := history.Hold(k.file("history"), k.Log())
	if errors.Is(err, history.ErrInUse) {
		return nil, fmt.Errorf("a whoelse is running on the data folder %s; stop it, %s, and start it again", k.Data, k.Name())
	}
	return h, err
}

// rename changes keys, history, settings and rooms. These are places that cannot be changed in one
// step, so the note is written first, on disk, and removed last. As long as it is there the steps are
// repeated: each of them finds out whether it was done before. No server has the histories meanwhile.
//
// Without the note, a history of NEW beside none of OLD could be half of a rename as well
// as that of an earlier holder of the nick, and must not be given away.
func (k *command) rename(note keys.Renaming, histories *history.Held) error {
	from, to := note.From, note.To
	begun, err := keys.ReadRenaming(k.Data)
	switch {
	case err != nil:
		return err
	case begun == keys.Renaming{}:
		if err := k.checkRename(note, histories); err != nil {
			return err
		}
	case begun != note:
		return keys.Unfinished(k.Data)
	}
	if err := note.Write(k.Data); err != nil {
		return err
	}
	if k.reg.Registered(from) { // first what can be refused when all was checked
		_, err = k.reg.Rename(from, to)
		if err != nil && k.reg.Registered(from) && !k.reg.Registered(to) { // it was, and nothing is changed
			return errors.Join(err, note.Remove(k.Data))
		}
	} else {
		err = disk.Store{}.SyncDir(k.Data) // it may have been done just before
	}
	if err == nil {
		err = histories.Rename(from, to)
	}
	if err == nil {
		err = k.moveSettings(from, to)
	}
	if err == nil {
		err = k.renameInRooms(from, to)
	}
	if err != nil {
		return fmt.Errorf("%s has become %s only in part: %w; mend that, and run the same command again", from, to, err)
	}
	return note.Remove(k.Data)
}

// checkRename finds out beforehand what it can.
func (k *command) checkRename(note keys.Renaming, histories *history.Held) error {
	from, to := note.From, note.To
	if err := k.checkHeld(from); err != nil {
		return err
	}
	if k.reg.Registered(to) {
		return fmt.Errorf("%w; choose another one", keys.Held(to))
	}
	if err := histories.Check(from, to); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("there is a history of an earlier %s (%w); move it away from %s", to, err, k.file("history"))
	} else if err != nil {
		return err
	}
	if _, err := os.Lstat(k.settingsOf(to)); err == nil {
		return fmt.Errorf("there are settings of an earlier %s; move %s away", to, k.settingsOf(to))
	}
	open, err := k.invitations().Invited(to)
	if open {
		return fmt.Errorf("there is an open invitation for %s; close it with: whoelse keys remove %s", to, to)
	}
	return err
}

func (k *command) moveSettings(old, new string) error {
	from, to := k.settingsOf(old), k.settingsOf(new)
	_, err := os.Lstat(from)
	if _, there := os.Lstat(to); err == nil && there == nil {
		return fmt.Errorf("%s is in the way", to)
	}
	return disk.Store{}.Move(from, to)
}

// settingsOf is where room/settings keeps a nick's.
func (k *command) settingsOf(n string) string { return filepath.Join(k.Data, "settings", n+".json") }

// restore adds the key last: until then the next server sets everything aside again.
func restore() *cobra.Command {
	var files []string
	c := &cobra.Command{
		Use: "restore NICK", Short: "Give back a nick that lost its keys, with its history",
		Long: "The server has to be stopped. When the last key of a nick is removed, its history and\n" +
			"settings are set aside, and the nick is reserved. This command gives them to a new key,\n" +
			"unread messages included. After an interruption, run the same command again.\n\n" +
			"A server of a cluster need not be stopped. It gives back the nick only: the history stays\n" +
			"set aside on all servers.",
	}
	c.Flags().StringArrayVar(&files, "key", nil, keyFlag)
	return framed(c, func(k *command, args []string) error {
		n := args[0]
		list, err := k.readKeys(files)
		if err != nil {
			return err
		}
		if k.reg.Registered(n) {
			return fmt.Errorf("%s is held by a key; only a nick that lost all its keys can be given back", n)
		}
		there, set := false, false
		if !k.inCluster() {
			if there, set, err = k.restoreFiles(n); err != nil {
				return err
			}
		}
		if !there && !set && !errors.Is(k.reg.Available(n), keys.ErrReserved) {
			return fmt.Errorf("nothing of %s was set aside; bind a key to it with: whoelse keys add %s", n, n)
		}
		added, err := k.reg.Add(n, list, keys.AddOptions{How: "restored", AllowConfusable: true, Restore: true})
		if err != nil {
			return explainKnown(err)
		}
		if err := k.reserved.Remove(n); err != nil {
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

// restoreFiles gives n the history and the settings back that were set aside last, and reports which it has.
func (k *command) restoreFiles(n string) (there, set bool, err error) {
	histories, err := k.hold()
	if err != nil {
		return false, false, err
	}
	there, err = histories.RestoreNick(n)
	if errors.Is(err, fs.ErrExist) { // given back by a call that was interrupted, or never set aside
		there, err = true, nil
	}
	if err := cmp.Or(err, histories.Close()); err != nil {
		return false, false, err
	}
	set, err = k.restoreSettings(n)
	return there, set, err
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
			return true, disk.Store{}.Move(filepath.Join(retired, f.Name()), to)
		}
	}
	return false, nil
}
