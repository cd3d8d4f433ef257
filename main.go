// Command whoelse is a chat room that people join with plain ssh.
//
// This file holds the command line. What serve can be told is in internal/config, what it
// runs in internal/server.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"whoelse/internal/cli"
	"whoelse/internal/config"
	"whoelse/internal/server"
	keyscmd "whoelse/keys/command"
	clustercmd "whoelse/room/cluster/command"
	historycmd "whoelse/room/history/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run executes the command line and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(stderr, "whoelse:", cli.Clean(err.Error()))
	}
	return cli.ExitStatus(err)
}

// aboutVariables is for the help of what has many flags.
const aboutVariables = "Every flag of the server can also be set by an environment variable, such as\n" +
	"WHOELSE_MAX_SESSIONS for --max-sessions; a flag overrides its variable. The other\n" +
	"commands read WHOELSE_DATA. Exit status: 0 for success, 1 for failure, 2 for a usage error."

func rootCommand() *cobra.Command {
	serve := serveCommand()
	root := &cobra.Command{
		Use:           "whoelse",
		Short:         "A chat room that people join with plain ssh",
		Long:          "A chat room that people join with plain ssh.\n\n" + aboutVariables,
		Version:       version(),
		Args:          cli.Args(),
		RunE:          serve.RunE, // serve is what whoelse does
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.Flags().AddFlagSet(serve.Flags())
	root.Flags().Bool("version", false, "print the version") // without a letter
	root.SetVersionTemplate("whoelse {{.Version}}\n")
	root.SetFlagErrorFunc(cli.FlagError)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(serve, keyscmd.New(), keyscmd.NewHostKey(), &cobra.Command{
		Use: "version", Short: "Print the version", Args: cli.Args(),
		Run: func(c *cobra.Command, _ []string) { fmt.Fprintln(c.OutOrStdout(), "whoelse", version()) },
	})
	root.AddCommand(historycmd.New(version())...)
	root.AddCommand(clustercmd.New(version()))
	root.SetHelpCommand(&cobra.Command{ // cobra's, except for its words about an unknown command
		Use: "help [COMMAND]", Short: "Help about any command", DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return cli.Usage("no command %q; whoelse --help lists them", strings.Join(args, " "))
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	})
	return root
}

func serveCommand() *cobra.Command {
	var cfg config.Config
	c := &cobra.Command{
		Use: "serve", Short: "Run the chat room (the default)", Args: cli.Args(),
		Long: "Runs the chat room until SIGTERM or SIGINT (^C).\n\n" + aboutVariables,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := cli.Environment(c.Flags()); err != nil {
				return err
			}
			if err := cfg.Check(); err != nil {
				return cli.Usage("%w", err)
			}
			log := cfg.Log(c.ErrOrStderr())
			if names := cli.Mistyped(c.Flags()); len(names) > 0 { // WHOELSE_ACESS=keys leaves the room open
				log.Warn("environment variables that set no flag", "names", strings.Join(names, " "))
			}
			return server.Run(c.Context(), &cfg, version(), log, c.OutOrStdout())
		},
	}
	cfg.Flags(c.Flags())
	return c
}

// release is set by the linker for released binaries.
var release = ""

func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
