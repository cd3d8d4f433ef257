package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"whoelse/bench/load"
	"whoelse/bench/scenario"
	"whoelse/bench/target"
)

// serverArgs is how the server built from this module is run.
const serverArgs = "serve --listen 127.0.0.1:0 --data " + target.DataWord +
	" --message-rate 0 --max-claims-per-hour 0 --max-bytes-per-nick 0 --max-bytes-per-minute 0"

// calm lets a server tell everyone who has come before it is measured.
const calm = 2 * time.Second

// options are the flags that all measurements share.
type options struct {
	server   string
	only     string
	auth     string
	cipher   string
	dir      string
	parallel int
	json     bool
}

func (o *options) addFlags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringVar(&o.server, "server", "", "command of the server, words split at blanks, "+target.DataWord+
		" stands for its data folder (default: build this module's server)")
	flags.StringVar(&o.only, "only", "both", "what to measure: both, floor or server")
	flags.StringVar(&o.auth, "auth", string(load.AuthKnown), "how clients log in: known (their keys are in the server's "+
		"authorized_keys), new (they claim their nicks) or guest")
	flags.StringVar(&o.cipher, "cipher", ssh.CipherChaCha20Poly1305, "cipher that clients offer; the default is OpenSSH's first")
	flags.StringVar(&o.dir, "dir", "", "folder for the servers' data, on the disk to be measured (default: the system's temp folder)")
	flags.IntVar(&o.parallel, "parallel", 4, "clients that connect at the same time")
	flags.BoolVar(&o.json, "json", false, "print JSON, one report a line")
}

// with prepares the servers, runs work, and clears away what was built. The server
// built from this module is run with args.
func (o *options) with(ctx context.Context, args string, work func(scenario.Env) error) (err error) {
	auth, err := load.ParseAuth(o.auth)
	if err != nil {
		return fmt.Errorf("--auth: %w", err)
	}
	built, err := os.MkdirTemp("", "whoelse-bench-")
	if err != nil {
		return fmt.Errorf("temp folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(built)) }()
	servers, err := o.servers(ctx, built, args)
	if err != nil {
		return err
	}
	return work(scenario.Env{
		Servers: servers, Parallel: o.parallel, Auth: auth, Cipher: o.cipher, Calm: calm, Dir: o.dir,
		Progress: progress,
	})
}

// servers is what is measured, the floor first.
func (o *options) servers(ctx context.Context, built, args string) ([]target.Spec, error) {
	var servers []target.Spec
	if o.only == "both" || o.only == scenario.FloorName {
		floor, err := floorSpec(o.dir)
		if err != nil {
			return nil, err
		}
		servers = append(servers, floor)
	}
	if o.only == "both" || o.only == scenario.ServerName {
		server, err := o.serverSpec(ctx, built, args)
		if err != nil {
			return nil, err
		}
		servers = append(servers, server)
	}
	if len(servers) == 0 {
		return nil, fmt.Errorf("--only %s: both, floor or server", o.only)
	}
	return servers, nil
}

func (o *options) serverSpec(ctx context.Context, built, args string) (target.Spec, error) {
	spec := target.Spec{Name: scenario.ServerName, Base: o.dir, Argv: strings.Fields(o.server)}
	if len(spec.Argv) > 0 {
		return spec, nil
	}
	binary, err := buildServer(ctx, built)
	spec.Argv = append([]string{binary}, strings.Fields(args)...)
	return spec, err
}

// buildServer compiles this module's server into a folder.
func buildServer(ctx context.Context, folder string) (string, error) {
	binary := filepath.Join(folder, "whoelse")
	output, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "whoelse").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the server: %w\n%s", err, output)
	}
	return binary, nil
}

// progress tells on stderr what is being done: a measurement takes its time.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
