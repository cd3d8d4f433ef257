package command

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"whoelse/internal/cli"
	"whoelse/keys"
)

// NewHostKey makes `whoelse hostkey` with its subcommands.
func NewHostKey() *cobra.Command {
	c := &cobra.Command{
		Use: "hostkey", Short: "Copy the server's host key to another server", Args: cli.Args(),
		Long: "All servers of a cluster need the same host key, so that ssh takes them for one host:\n\n" +
			"  whoelse hostkey export --data DATA | ssh OTHER whoelse hostkey import --data DATA",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(exportHostKey(), importHostKey())
	return c
}

func exportHostKey() *cobra.Command {
	return cli.Command(&cobra.Command{
		Use: "export", Short: "Print the private host key, to a pipe or a file", Args: cli.Args(),
		Long: "Prints DATA/host_key, a private key. With it anybody can pretend to be this server: send it\n" +
			"through a pipe, or keep the file secret and remove it afterwards.",
	}, func(r *cli.Run, _ []string) error {
		if f, ok := r.OutOrStdout().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return cli.Usage("the host key is secret, and is not printed on a terminal; " +
				"send it through a pipe: whoelse hostkey export | ssh OTHER whoelse hostkey import")
		}
		if err := r.CheckFolder(false); err != nil {
			return err
		}
		text, fingerprint, err := keys.ExportHostKey(hostKeyFile(r))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is no host key in %s yet; the server makes one at its first start", r.Data)
		} else if err != nil {
			return err
		}
		if _, err := r.Write(text); err != nil {
			return err
		}
		r.Remark("exported the private host key %s; anybody who has it can pretend to be this server", fingerprint)
		return nil
	})
}

// maxHostKey bounds a private key, in bytes.
const maxHostKey = 64 << 10

func importHostKey() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "import", Short: "Use the host key that another server exported", Args: cli.Args(),
		Long: "Reads a private key from standard input and makes it DATA/host_key, with mode 0600. The data\n" +
			"folder is made if it is missing. A server that is running uses the key after a restart.",
	}
	c.Flags().BoolVar(&force, "force", false, "replace another key; clients that know it will refuse to connect")
	return unopened(c, func(k *command, _ []string) error {
		text, err := io.ReadAll(io.LimitReader(k.InOrStdin(), maxHostKey))
		if err != nil {
			return fmt.Errorf("standard input can't be read: %w", err)
		}
		if err := k.makeFolder(); err != nil {
			return err
		}
		if err := k.CheckFolder(true); err != nil {
			return err
		}
		fingerprint, err := keys.ImportHostKey(hostKeyFile(k.Run), text, force)
		if errors.Is(err, keys.ErrOtherHostKey) {
			return fmt.Errorf("%w; if you replace it, clients that know it refuse to connect; "+
				"to replace it anyway, use --force", err)
		} else if err != nil {
			return err
		}
		k.Say("imported %s; start the server, or restart it", fingerprint)
		return nil
	})
}

func hostKeyFile(r *cli.Run) string { return (&command{Run: r}).file("host_key") }
