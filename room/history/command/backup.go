package command

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"whoelse/room/history"
	"whoelse/room/history/backup"
)

func (k *commands) backup() *cobra.Command {
	return &cobra.Command{
		Use: "backup DIR [--data FOLDER]", Short: "Copy all that is stored to a new folder, also while the server runs", Args: k.exactly("DIR"),
		Long: "Copies the whole data folder, the host key included, to DIR, which must be new or empty.\n" +
			"The copy is that of one moment: a message to several people is in all of their histories\n" +
			"or in none. When it has ended well all is on disk, and DIR has a backup.json; without one\n" +
			"it is incomplete. It is as secret as the data folder.\n" +
			"Run it as the user that the server runs as.",
		Example: "  whoelse backup /backups/2026-11-21 --data /var/lib/whoelse",
		RunE:    func(c *cobra.Command, args []string) error { return k.runBackup(c, args[0]) },
	}
}

func (k *commands) runBackup(c *cobra.Command, to string) error {
	if _, err := k.histories(); err != nil { // a backup without them would be believed in
		return err
	}
	if err := k.mayWrite(); err != nil {
		return err
	}
	bar := newProgress(c)
	taken, err := backup.Take(c.Context(), k.data, to, backup.Options{Program: k.Version, Step: bar.copied})
	bar.clear()
	if errors.Is(err, history.ErrBackup) {
		return k.because(err, "")
	}
	if err != nil {
		return interrupted(k.because(failed("the backup", err), ""), fmt.Sprintf("; if there is a folder %s it is incomplete, remove it", to))
	}
	for _, name := range taken.LeftOut {
		remark(c, "left out %s, which is not a file", history.Clean(name))
	}
	return say(c, "copied %s, %s, of %s to %s; to restore it: whoelse restore %s --data FOLDER",
		count(taken.Count, "file"), size(taken.Bytes), k.data, to, quoted(to))
}

// copied shows how far a copy is.
func (p *progress) copied(files int, bytes int64) {
	p.show("copied %s, %s", count(files, "file"), size(bytes))
}

// failed tells what failed, and of a full disk that it is one.
func failed(what string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%s failed, the disk is full: %w", what, err)
	}
	return fmt.Errorf("%s failed: %w", what, err)
}

func (k *commands) restore() *cobra.Command {
	return &cobra.Command{
		Use: "restore BACKUP [--data FOLDER]", Short: "Make a data folder from a backup", Args: k.exactly("BACKUP"),
		Long: "Makes the data folder, which must be missing or empty, from what whoelse backup copied to\n" +
			"BACKUP. Every file is compared with what was copied then. If it was interrupted, there is\n" +
			"no data folder yet, only one that ends with .restoring; the same command begins anew.\n" +
			"Run it as the user that the server runs as.",
		Example: "  whoelse restore /backups/2026-11-21 --data /var/lib/whoelse-restored",
		RunE:    func(c *cobra.Command, args []string) error { return k.runRestore(c, args[0]) },
	}
}

func (k *commands) runRestore(c *cobra.Command, from string) error {
	if _, err := os.Stat(k.data); err == nil {
		if err := k.mayWrite(); err != nil {
			return err
		}
	}
	bar := newProgress(c)
	m, err := backup.Restore(c.Context(), from, k.data, slog.New(&remarks{c: c}), backup.Options{Step: bar.copied})
	bar.clear()
	if err != nil {
		return interrupted(k.because(failed("restoring", err), ""), "; there is no data folder yet, run the same command again")
	}
	if os.Geteuid() == 0 {
		remark(c, "root has restored; if the server runs as somebody else, give them the folder with chown -R")
	}
	return say(c, "restored %s, %s, to %s: %s, as of %s; start the server with: whoelse --data %s",
		count(m.Count, "file"), size(m.Bytes), k.data, count(m.Histories(), "history"), m.When.Local().Format(withZone), quoted(k.data))
}
