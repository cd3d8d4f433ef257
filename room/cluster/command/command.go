// Package command is `whoelse cluster`: what an operator does about a cluster from the command line.
package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"whoelse/internal/cli"
	"whoelse/internal/config"
	"whoelse/room/cluster"
	"whoelse/room/cluster/snapshot"
	"whoelse/room/history"
)

// New makes the command with its subcommands. Snapshots name the program's version.
func New(version string) *cobra.Command {
	c := &cobra.Command{
		Use: "cluster", Short: "Look at a cluster, and move data folders into it and out of it", Args: cli.Args(),
		Long: "Servers that run with the same --cluster are one room. NATS keeps the order of their messages, and\n" +
			"each server has all histories in its own data folder.",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(status(), importCommand(version), snapshotCommand(version), export(version))
	return c
}

// heardWithin is how long the status waits for servers to report.
const heardWithin = 1500 * time.Millisecond

// connected completes c: run is called with a connection to the cluster that the flags name.
func connected(c *cobra.Command, run func(r *cli.Run, c *cluster.Cluster) error) *cobra.Command {
	var opts cluster.Options
	config.ClusterFlags(&opts, c.Flags())
	return cli.Command(c, func(r *cli.Run, _ []string) error {
		if err := cli.Environment(c.Flags()); err != nil {
			return err
		}
		if err := config.CheckCluster(&opts); err != nil {
			return cli.Usage("%w", err)
		}
		if len(opts.URLs) == 0 {
			return cli.Usage("--cluster is missing: the URLs of the NATS servers, as for whoelse serve")
		}
		opts.Log = r.Log()
		to, err := cluster.Dial(r.Context(), opts)
		if err != nil {
			return err
		}
		return errors.Join(run(r, to), to.Close())
	})
}

func status() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "status [--json]", Short: "Show the servers of the cluster, and how NATS stores its events", Args: cli.Args(),
		Long: "Shows the servers of the cluster that are alive, how many events each is behind, and how NATS stores\n" +
			"the stream of events. The exit status is 1 if a NATS server is offline or none leads, a server can't\n" +
			"follow the stream, or no server is alive.",
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return connected(c, func(r *cli.Run, c *cluster.Cluster) error {
		select { // until the servers have said that they are there
		case <-time.After(heardWithin):
		case <-r.Context().Done():
		}
		s, err := c.Status(r.Context())
		if err != nil {
			return err
		}
		return show(r, s, asJSON)
	})
}

func importCommand(version string) *cobra.Command {
	return connected(&cobra.Command{
		Use: "import", Short: "Found a cluster with the data folder of a stopped server", Args: cli.Args(),
		Long: "The keys, histories, rooms and settings in DATA become the cluster's. A snapshot of DATA is stored in\n" +
			"NATS, and new servers start from it. Meanwhile it takes the space of a backup beside DATA. Afterwards\n" +
			"start this server with --cluster. If this is interrupted, run it again: it sends nothing twice.\n" +
			"Run this as the server's user.",
	}, func(r *cli.Run, c *cluster.Cluster) error {
		if err := r.CheckFolder(true); err != nil {
			return err
		}
		if err := snapshot.Import(r.Context(), c, r.Data, steps(r, version)); err != nil {
			return explain(r, "the import failed", err, "; run the same command again: it sends nothing twice")
		}
		r.Say("founded the cluster %s with %s; start this server with --cluster, and then others with new data folders",
			c.Name(), r.Data)
		return nil
	})
}

func snapshotCommand(version string) *cobra.Command {
	return connected(&cobra.Command{
		Use: "snapshot", Short: "Store a snapshot of this server's data folder in NATS, for new servers", Args: cli.Args(),
		Long: "A server with a new data folder starts from the newest snapshot. A snapshot that is older than\n" +
			"--cluster-keep is useless: make one before you add a server, or once a day. The server may be running.\n" +
			"Meanwhile this takes the space of a backup beside DATA. Run this as the server's user.",
	}, func(r *cli.Run, c *cluster.Cluster) error {
		if err := r.CheckFolder(true); err != nil {
			return err
		}
		if err := snapshot.Upload(r.Context(), c, r.Data, steps(r, version)); err != nil {
			return explain(r, "the snapshot failed", err, "; the previous snapshot is still there")
		}
		r.Say("stored a snapshot of %s in the cluster %s", r.Data, c.Name())
		return nil
	})
}

func export(version string) *cobra.Command {
	return cli.Command(&cobra.Command{
		Use: "export NEW [--data FOLDER]", Short: "Make a data folder for a single server", Args: cli.Args("NEW"),
		Long: "Copies DATA, the folder of a server of a cluster, to the folder NEW, which must be missing or empty. Then\n" +
			"a single server can use it: start whoelse with --data NEW and without --cluster. The server may be\n" +
			"running. Files that people sent are included if somebody fetched them from this server. Run this as\n" +
			"the server's user.",
	}, func(r *cli.Run, args []string) error {
		if err := r.CheckFolder(true); err != nil {
			return err
		}
		if snapshot.Belongs(r.Data) == "" {
			return fmt.Errorf("the data folder %s is a single server's already; copy it with whoelse backup", r.Data)
		}
		if err := snapshot.Export(r.Context(), r.Data, args[0], steps(r, version)); err != nil {
			return explain(r, "the export failed", err, "; run the same command again")
		}
		r.Say("exported %s to %s; start the server with: whoelse --data %s", r.Data, args[0], args[0])
		return nil
	})
}

func steps(r *cli.Run, version string) snapshot.Options {
	return snapshot.Options{Program: version, Log: r.Log(), Step: func(what string, bytes int64) {
		r.Progress("%s %.1f MiB", what, float64(bytes)/(1<<20))
	}}
}

// explain adds to err what failed, and the way out; then is the one after an interruption.
func explain(r *cli.Run, what string, err error, then string) error {
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted%s", then)
	case errors.Is(err, history.ErrInUse):
		return fmt.Errorf("%s: a whoelse is running on the data folder %s; stop it first", what, r.Data)
	}
	return fmt.Errorf("%s: %w", what, err)
}
