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
		Long: "Several servers that run with the same --cluster are one room. They have their order from NATS, and\n" +
			"each has all histories in its own data folder.",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(status(), importCommand(version), snapshotCommand(version), export(version))
	return c
}

// Options are those of the flags.
func options(cfg *config.Cluster, r *cli.Run) cluster.Options {
	return cluster.Options{
		URLs: cfg.URLs, Creds: cfg.Creds, TLSCA: cfg.TLSCA, Name: cfg.Name, Node: cfg.Node,
		Replicas: cfg.Replicas, Keep: cfg.Keep, Log: r.Log(),
	}
}

// heardWithin is how long servers may take to say that they are there.
const heardWithin = 1500 * time.Millisecond

// connected completes c: run is called with a connection to the cluster of the flags.
func connected(c *cobra.Command, run func(r *cli.Run, c *cluster.Cluster) error) *cobra.Command {
	cfg := &config.Cluster{}
	cfg.Flags(c.Flags())
	return cli.Command(c, func(r *cli.Run, _ []string) error {
		if err := cli.Environment(c.Flags()); err != nil {
			return err
		}
		if err := cfg.Check(); err != nil {
			return cli.Usage("%w", err)
		}
		if len(cfg.URLs) == 0 {
			return cli.Usage("--cluster is missing: the URLs of the NATS servers, as for whoelse serve")
		}
		to, err := cluster.Dial(r.Context(), options(cfg, r))
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
		Long: "Shows which servers are in the cluster, which of them are alive, and how many events each has yet to\n" +
			"apply; and the stream in NATS. The exit status is 1 if something is wrong.",
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
		Use: "import", Short: "Found a cluster with the data folder of a server that is stopped", Args: cli.Args(),
		Long: "The cluster goes on where DATA ends: keys, histories, rooms and settings of DATA become the cluster's.\n" +
			"A snapshot of DATA, for which there has to be space beside it, is stored in NATS; new servers begin\n" +
			"with it. Afterwards start this server with --cluster. If this is interrupted, run it again: what was\n" +
			"stored is not sent again. Run this as the server's user.",
	}, func(r *cli.Run, c *cluster.Cluster) error {
		if err := r.CheckFolder(true); err != nil {
			return err
		}
		if err := snapshot.Import(r.Context(), c, r.Data, steps(r, version)); err != nil {
			return explain(r, "the import failed", err, "; run the same command again, nothing that is stored is sent again")
		}
		r.Say("founded the cluster %s with %s; start this server with --cluster, and then others with new data folders",
			c.Name(), r.Data)
		return nil
	})
}

func snapshotCommand(version string) *cobra.Command {
	return connected(&cobra.Command{
		Use: "snapshot", Short: "Store a snapshot of this server's data folder in NATS, for new servers", Args: cli.Args(),
		Long: "A server with a new data folder begins with the newest snapshot. One that is older than --cluster-keep is\n" +
			"of no use: make one before you add a server, or once a day. The server may be running; there has to be\n" +
			"space for a backup beside DATA meanwhile. Run this as the server's user.",
	}, func(r *cli.Run, c *cluster.Cluster) error {
		if err := r.CheckFolder(true); err != nil {
			return err
		}
		if err := snapshot.Upload(r.Context(), c, r.Data, steps(r, version)); err != nil {
			return explain(r, "the snapshot failed", err, "; the one before is still there")
		}
		r.Say("stored a snapshot of %s in the cluster %s", r.Data, c.Name())
		return nil
	})
}

func export(version string) *cobra.Command {
	return cli.Command(&cobra.Command{
		Use: "export NEW [--data FOLDER]", Short: "Make a single server's data folder of a cluster's", Args: cli.Args("NEW"),
		Long: "Copies DATA, of a server of a cluster, to the folder NEW, which must be missing or empty and is a single\n" +
			"server's: start whoelse with --data NEW and without --cluster. The server may be running. Files that\n" +
			"people sent are in it as far as somebody fetched them from this server. Run this as the server's user.",
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

// explain adds to err what failed, and what helps; then is for an interruption.
func explain(r *cli.Run, what string, err error, then string) error {
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted%s", then)
	case errors.Is(err, history.ErrInUse):
		return fmt.Errorf("%s: a whoelse is running on the data folder %s; stop it first", what, r.Data)
	}
	return fmt.Errorf("%s: %w", what, err)
}
