package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/spf13/cobra"

	"whoelse/internal/atomicfile"
	"whoelse/keys"
)

func (k *commands) restore() *cobra.Command {
	var files []string
	c := &cobra.Command{
		Use: "restore NICK", Short: "Give a nick that lost its keys back, with its history", Args: k.exactly("NICK"),
		Long: "The server has to be stopped. When the last key of a nick goes, its history, with what\n" +
			"is unread, and its settings are set aside, and the nick is reserved. This gives them\n" +
			"back to whoever has the key. If it was interrupted, the same command completes it.",
		RunE: func(c *cobra.Command, args []string) error { return k.runRestore(c, args[0], files) },
	}
	c.Flags().StringArrayVar(&files, "key", nil, "`file` of public keys, may be given several times; - is standard input, and the default")
	return c
}

// runRestore adds the key last: until then the next server sets everything aside again.
func (k *commands) runRestore(c *cobra.Command, typed string, files []string) error {
	n, err := k.nick(typed)
	if err != nil {
		return err
	}
	list, err := readKeys(c, files)
	if err != nil {
		return err
	}
	reg, err := k.registry()
	if err != nil {
		return err
	}
	if reg.Held(n) {
		return fmt.Errorf("%s is held by a key; only a nick that lost all its keys can be given back (whoelse keys list %s)", n, n)
	}
	for _, key := range list {
		for _, e := range reg.List() {
			if e.Fingerprint == keys.Fingerprint(key) {
				return inTheWay(reg, &keys.KeyKnownError{Nick: e.Nick, Line: e.Line, Reason: e.Disabled})
			}
		}
	}
	histories, err := k.hold(c, "restore")
	if err != nil {
		return err
	}
	there, err := histories.RestoreNick(n)
	if errors.Is(err, fs.ErrExist) { // given back by a call that was interrupted, or never set aside
		there, err = true, nil
	}
	if err := errors.Join(err, histories.Close()); err != nil {
		return err
	}
	set, err := k.restoreSettings(n)
	if err != nil {
		return err
	}
	if reserved := reg.Reserved(n); !there && !set && reserved == nil {
		return fmt.Errorf("nothing of %s was set aside; bind a key to it with: whoelse keys add %s", n, n)
	}
	added, err := reg.Add(n, list, keys.AddOptions{How: "restored", AllowConfusable: true, Restore: true})
	if err != nil {
		return inTheWay(reg, err)
	}
	if _, err := k.reserved.Remove(n); err != nil {
		return err
	}
	with := "without a history"
	if there {
		with = "with the history"
	}
	return say(c, append(outcome(reg.Keys(n), list, added), fmt.Sprintf("restored %s, %s", n, with))...)
}

// restoreSettings gives n the settings back that were set aside last.
func (k *commands) restoreSettings(n string) (restored bool, err error) {
	folder := filepath.Join(k.data, "settings")
	files, err := os.ReadDir(filepath.Join(folder, ".retired"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	mine := regexp.MustCompile(`^` + regexp.QuoteMeta(n) + `-\d{8}T\d{6}Z\.json$`)
	last := ""
	for _, f := range files {
		if mine.MatchString(f.Name()) {
			last = f.Name() // they are in order
		}
	}
	to := filepath.Join(folder, n+".json")
	if _, err := os.Lstat(to); err == nil || last == "" {
		return err == nil, nil
	}
	if err := os.Rename(filepath.Join(folder, ".retired", last), to); err != nil {
		return false, err
	}
	return true, atomicfile.Store{}.SyncDir(folder)
}
