package command

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"whoelse/internal/cli"
	"whoelse/room/history/backup"
)

func backupCommand(version string) *cobra.Command {
	return cli.Command(&cobra.Command{
		Use: "backup DIR [--data FOLDER]", Args: cli.Args("DIR"),
		Short: "Copy the data folder, also while the server runs",
		Long: "Copies the whole data folder, the host key included, to DIR, which must be new or empty.\n" +
			"The copy is of one moment: a message to several people is in all of their histories or in\n" +
			"none. A complete copy is on disk and has a backup.json. Keep it as secret as the data folder.\n" +
			"Run this as the server's user.",
		Example: "  whoelse backup /backups/2026-11-21 --data /var/lib/whoelse",
	}, func(r *cli.Run, args []string) error {
		to := args[0]
		if _, err := historiesIn(r, true); err != nil { // a backup without them would be believed in
			return err
		}
		taken, err := backup.Take(r.Context(), r.Data, to, backup.Options{Program: version, Step: copied(r)})
		if err != nil {
			return explain(r, "the backup failed", err, "; if there is a folder "+to+" it is incomplete, remove it")
		}
		for _, name := range taken.LeftOut {
			r.Remark("left out %s, which is not a file", name)
		}
		r.Say("copied %s, %s, of %s to %s; to restore it: whoelse restore %s --data FOLDER",
			cli.Count(taken.Count, "file"), size(taken.Bytes), r.Data, to, quoted(to))
		return nil
	})
}

func restore() *cobra.Command {
	return cli.Command(&cobra.Command{
		Use: "restore BACKUP [--data FOLDER]", Short: "Make a data folder from a backup", Args: cli.Args("BACKUP"),
		Long: "Makes the data folder, which must be missing or empty, from a copy that whoelse backup has\n" +
			"made. Every file is compared with its checksum. The folder is built beside its place, with\n" +
			".restoring after its name: if this is killed, remove that one and run it again.\n" +
			"Run this as the server's user.",
		Example: "  whoelse restore /backups/2026-11-21 --data /var/lib/whoelse-restored",
	}, func(r *cli.Run, args []string) error {
		if err := cli.CheckOwner(r.Data, os.Geteuid()); err != nil {
			return err
		}
		m, err := backup.Restore(r.Context(), args[0], r.Data, r.Log(), backup.Options{Step: copied(r)})
		if err != nil {
			return explain(r, "restoring failed", err, "; there is no data folder yet, run the same command again")
		}
		if os.Geteuid() == 0 {
			r.Remark("root has restored; if the server runs as another user, give them the folder with chown -R")
		}
		r.Say("restored %s, %s, to %s: %s, as of %s; start the server with: whoelse --data %s",
			cli.Count(m.Count, "file"), size(m.Bytes), r.Data, cli.Count(m.Histories(), "history"), local(m.When), quoted(r.Data))
		return nil
	})
}

// local is how times are printed.
func local(t time.Time) string { return t.Local().Format(time.DateTime + " MST") }

// copied shows how far a copy is.
func copied(r *cli.Run) func(files int, bytes int64) {
	return func(files int, bytes int64) { r.Progress("copied %s, %s", cli.Count(files, "file"), size(bytes)) }
}
