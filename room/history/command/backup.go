package command

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"whoelse/room/history"
	"whoelse/room/history/backup"
)

func backupCommand(cfg Config) *cobra.Command {
	return framed(cfg, &cobra.Command{
		Use: "backup DIR [--data FOLDER]", Args: cfg.exactly("DIR"),
		Short: "Copy all that is stored to a new folder, also while the server runs",
		Long: "Copies the whole data folder, the host key included, to DIR, which must be new or empty.\n" +
			"The copy is that of one moment: a message to several people is in all of their histories\n" +
			"or in none. When it has ended well all is on disk, and DIR has a backup.json; without one\n" +
			"it is incomplete. It is as secret as the data folder.\n" +
			"Run it as the user that the server runs as.",
		Example: "  whoelse backup /backups/2026-11-21 --data /var/lib/whoelse",
	}, func(k *command, args []string) error {
		to := args[0]
		if _, err := k.histories(true); err != nil { // a backup without them would be believed in
			return err
		}
		taken, err := backup.Take(k.ctx, k.data, to, backup.Options{Program: k.Version, Step: k.copied})
		if err != nil {
			return k.failed("the backup failed", err, "; if there is a folder "+to+" it is incomplete, remove it")
		}
		for _, name := range taken.LeftOut {
			k.remark("left out %s, which is not a file", history.Clean(name))
		}
		k.say("copied %s, %s, of %s to %s; to restore it: whoelse restore %s --data FOLDER",
			count(taken.Count, "file"), size(taken.Bytes), k.data, to, quoted(to))
		return nil
	})
}

// copied shows how far a copy is.
func (k *command) copied(files int, bytes int64) {
	k.progress("copied %s, %s", count(files, "file"), size(bytes))
}

func restore(cfg Config) *cobra.Command {
	return framed(cfg, &cobra.Command{
		Use: "restore BACKUP [--data FOLDER]", Short: "Make a data folder from a backup", Args: cfg.exactly("BACKUP"),
		Long: "Makes the data folder, which must be missing or empty, from what whoelse backup copied to\n" +
			"BACKUP. Every file is compared with what was copied then. All is made in a folder beside it that\n" +
			"ends with .restoring: if this is killed remove that one, and run it again.\n" +
			"Run it as the user that the server runs as.",
		Example: "  whoelse restore /backups/2026-11-21 --data /var/lib/whoelse-restored",
	}, func(k *command, args []string) error {
		if err := mayWrite(k.data, os.Geteuid(), k.owner()); err != nil {
			return err
		}
		m, err := backup.Restore(k.ctx, args[0], k.data, slog.New(k), backup.Options{Step: k.copied})
		if err != nil {
			return k.failed("restoring failed", err, "; there is no data folder yet, run the same command again")
		}
		if os.Geteuid() == 0 {
			k.remark("root has restored; if the server runs as another user, give them the folder with chown -R")
		}
		k.say("restored %s, %s, to %s: %s, as of %s; start the server with: whoelse --data %s", count(m.Count, "file"),
			size(m.Bytes), k.data, count(m.Histories(), "history"), m.When.Local().Format(withZone), quoted(k.data))
		return nil
	})
}
