// Command whoelse is a chat room that people join with plain ssh.
//
// This file holds the command line. What serve can be told is in internal/config, what it
// runs in internal/server.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"whoelse/internal/config"
	"whoelse/internal/server"
	keyscmd "whoelse/keys/command"
	"whoelse/room/history"
	historycmd "whoelse/room/history/command"
)

// Exit statuses. A usage error is something to type differently.
const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// usageError marks errors that are answered with exitUsage.
type usageError struct{ error }

func usage(err error) error { return usageError{err} }

// run executes the command line and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "whoelse:", err)
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailure
}

func rootCommand() *cobra.Command {
	serve := serveCommand()
	root := &cobra.Command{
		Use:           "whoelse",
		Short:         "A chat room that people join with plain ssh",
		Long:          "A chat room that people join with plain ssh.\n\n" + aboutVariables,
		Version:       version(),
		Args:          noArguments,
		RunE:          serve.RunE, // serve is what whoelse does
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.Flags().AddFlagSet(serve.Flags())
	root.Flags().Bool("version", false, "print the version") // without a letter
	root.SetVersionTemplate("whoelse {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w; %s --help lists the flags", config.FlagError(err), c.CommandPath()))
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(serve, keysCommand(), versionCommand())
	root.AddCommand(storageCommands()...)
	root.SetHelpCommand(helpCommand())
	return root
}

// aboutVariables is for the help of what has many flags.
const aboutVariables = "Every flag of the server can also be set by an environment variable, such as\n" +
	"WHOELSE_MAX_SESSIONS for --max-sessions; a flag overrides its variable. The other\n" +
	"commands read WHOELSE_DATA. Exit status: 0 for success, 1 for failure, 2 for a usage error."

// helpCommand is cobra's, except for its words about an unknown command.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about any command", DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usage(fmt.Errorf("no command %q; %s --help lists them", strings.Join(args, " "), c.Root().CommandPath()))
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

func serveCommand() *cobra.Command {
	var cfg config.Config
	c := &cobra.Command{
		Use: "serve", Short: "Run the chat room (the default)", Args: noArgs,
		Long: "Runs the chat room until SIGTERM or SIGINT (^C).\n\n" + aboutVariables,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := fromEnvironment(c.Flags()); err != nil {
				return err
			}
			if err := cfg.Check(); err != nil {
				return usage(err)
			}
			return server.Run(c.Context(), &cfg, version(), cfg.Log(c.ErrOrStderr()), c.OutOrStdout())
		},
	}
	cfg.Flags(c.Flags())
	return c
}

// fromEnvironment sets the flags that were not given from their variables.
func fromEnvironment(flags *pflag.FlagSet) error {
	if err := config.FromEnvironment(flags); err != nil {
		return usage(err)
	}
	return nil
}

func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(fmt.Errorf("no command %q; %s --help lists them", args[0], c.CommandPath()))
	}
	return nil
}

// noArgs is noArguments for a command without subcommands.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(fmt.Errorf("unexpected argument %q; see %s --help", args[0], c.CommandPath()))
	}
	return nil
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		Run: func(c *cobra.Command, _ []string) { fmt.Fprintln(c.OutOrStdout(), "whoelse", version()) },
	}
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

// storageCommands are check, backup, restore and history.
func storageCommands() []*cobra.Command {
	return historycmd.New(historycmd.Config{Usage: usage, Environment: fromEnvironment, Version: version()})
}

// keysCommand has the commands for managing keys.
func keysCommand() *cobra.Command {
	return keyscmd.New(keyscmd.Config{
		Usage: usage, Environment: fromEnvironment,
		Hold:  func(dir string, log *slog.Logger) (keyscmd.Histories, error) { return history.Hold(dir, log) },
		InUse: history.ErrInUse,
	})
}
