// Command whoelse is a chat room that people join with nothing but ssh.
//
// This file holds the command line, the configuration, and what is wired to what;
// the order of starting and stopping is in serve.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
		Short:         "A chat room that people join with nothing but ssh",
		Args:          noArguments,
		RunE:          serve.RunE, // serve is what whoelse does
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.Flags().AddFlagSet(serve.Flags())
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; %s --help lists the flags", flagError(err), c.CommandPath())}
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(serve, keysCommand(), versionCommand())
	return root
}

// flagError says in plain words which value does not fit which flag.
func flagError(err error) error {
	if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Errorf("--%s: %q is not a %s", bad.GetFlag().Name, bad.GetValue(), kindOf(bad.GetFlag()))
	}
	return err
}

func kindOf(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "float64", "int":
		return "number"
	case "bool":
		return "yes or no (true or false)"
	}
	return f.Value.Type()
}

func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("no command %q; %s --help lists them", args[0], c.CommandPath())}
	}
	return nil
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArguments,
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

// config is what serve can be told.
type config struct {
	listen      string
	data        string
	messageRate float64
	motd        string
	logFormat   string
}

func serveCommand() *cobra.Command {
	var cfg config
	c := &cobra.Command{
		Use: "serve", Short: "Run the chat room (the default)", Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := fromEnvironment(c.Flags()); err != nil {
				return err
			}
			log, err := cfg.check(c.ErrOrStderr())
			if err != nil {
				return usageError{err}
			}
			return serve(c.Context(), cfg, log, c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.listen, "listen", ":2222", "`address` to listen on; port 0 takes a free one")
	f.StringVar(&cfg.data, "data", "data", "`folder` for keys, histories and settings; made if missing")
	f.Float64Var(&cfg.messageRate, "message-rate", 5, "messages a second for one nick, in bursts of four times that; 0 is no limit")
	f.StringVar(&cfg.motd, "motd", "", "`file` with a message of the day, shown on joining")
	f.StringVar(&cfg.logFormat, "log-format", "text", "`format` of the log on standard error: text or json")
	return c
}

// fromEnvironment sets every flag that was not given from its variable, if there
// is one: --message-rate from WHOELSE_MESSAGE_RATE.
func fromEnvironment(flags *pflag.FlagSet) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "WHOELSE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, set := os.LookupEnv(name)
		if !set || f.Changed || f.Name == "help" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil && failed == nil {
			failed = usageError{fmt.Errorf("in the environment, %s: %q is not a %s", name, value, kindOf(f))}
		}
	})
	return failed
}

// check finds what is wrong with the values before anything is touched, and makes
// the log.
func (cfg config) check(stderr io.Writer) (*slog.Logger, error) {
	if err := checkAddress(cfg.listen); err != nil {
		return nil, fmt.Errorf("--listen %s: %w", cfg.listen, err)
	}
	if cfg.data == "" {
		return nil, errors.New("--data: a folder is needed")
	}
	if cfg.messageRate < 0 || math.IsNaN(cfg.messageRate) || math.IsInf(cfg.messageRate, 0) {
		return nil, errors.New("--message-rate: a number of 0 or more is needed")
	}
	if cfg.motd != "" {
		if _, err := os.Stat(cfg.motd); err != nil {
			return nil, fmt.Errorf("--motd %s: the file can't be read (%w)", cfg.motd, errors.Unwrap(err))
		}
	}
	switch cfg.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(stderr, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(stderr, nil)), nil
	}
	return nil, fmt.Errorf("--log-format %s: text or json is needed", cfg.logFormat)
}

func checkAddress(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("an address looks like :2222, 127.0.0.1:2222 or [::1]:2222")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return errors.New("the port is a number from 0 to 65535")
	}
	return nil
}

// keysCommand is where the commands for managing keys stand.
func keysCommand() *cobra.Command {
	return &cobra.Command{
		Use: "keys", Short: "Manage who holds which nick", Args: noArguments,
		Long: "Who holds which nick stands in DATA/authorized_keys, one key a line: the nick is the\n" +
			"comment up to the first '@'. It may be edited while the server runs.",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
}
