// Bench measures whoelse over real ssh on the loopback interface, beside a
// floor: the least program that relays lines with golang.org/x/crypto/ssh.
//
//	go run ./bench fanout      what a delivered message costs
//	go run ./bench idle        memory of an idle session
//	go run ./bench joins       what a crowd that joins costs
//	go run ./bench stuck       what sessions that stop reading do to the others
//	go run ./bench dm          what a direct message costs
//	go run ./bench bots        what a message delivered to a program costs
//	go run ./bench rooms       what a message costs in many small rooms
//	go run ./bench abuse       what attackers can take, and what others notice
//	go run ./bench all         all but abuse, as in docs/measurements.md
//
// The server is built from this module, unless --server names a binary; --old names
// another one to compare it with. They and the floor run as child processes, in turn
// and never at the same time. What they cost is read from /proc: Linux only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"whoelse/bench/attack"
	"whoelse/bench/floor"
)

// options are the flags. A measurement has those that its defaults set.
type options struct {
	server, old, only string

	sessions, stuck, bots, rooms, rounds int
	rate                                 float64
	duration, settle                     time.Duration
	newKeys                              bool // an option of joins
	kinds, addresses                     string
}

// measurement is one command.
type measurement struct {
	name     string
	defaults options
	run      func(context.Context, *bench) error
}

var measurements = []measurement{
	{"fanout", options{sessions: 300, rate: 250, duration: 10 * time.Second, rounds: 3}, fanout},
	{"idle", options{sessions: 2000, settle: 20 * time.Second}, idle},
	{"joins", options{sessions: 2000, rounds: 3}, joins},
	{"stuck", options{sessions: 100, stuck: 3, rate: 100, duration: 10 * time.Second, rounds: 5}, stuck},
	{"dm", options{sessions: 300, rate: 1000, duration: 10 * time.Second, rounds: 3}, dm},
	{"bots", options{sessions: 200, bots: 100, rate: 250, duration: 10 * time.Second, rounds: 3}, bots},
	{"rooms", options{sessions: 3000, rooms: 100, rate: 1000, duration: 10 * time.Second, rounds: 3}, rooms},
	{"abuse", options{
		kinds: strings.Join(attack.Kinds, ","), addresses: "1,500", duration: 20 * time.Second, settle: 15 * time.Second,
	}, abuse},
}

// full is what `all` measures. The faster room is not put to the floor, which cannot
// keep up there.
var full = [][]string{
	{"fanout"}, {"fanout", "--rate", "1000", "--only", "server"}, {"idle"},
	{"joins"}, {"joins", "--new-keys", "--rounds", "1"}, {"stuck"}, {"dm"}, {"bots"}, {"rooms"},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// command carries out one command line. Two commands are for bench itself: "floor"
// is the floor, and "canary" those who chat while others attack.
func command(ctx context.Context, args []string, out io.Writer) error {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	switch name {
	case "floor":
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "floor listening on %s\n", listener.Addr())
		return floor.Serve(ctx, listener)
	case "canary":
		return beCanary(ctx, os.Stdin, out, args[1:])
	}
	// The generator takes less of the cores that it shares with the server when its
	// heap may grow. Servers keep Go's default.
	debug.SetGCPercent(400)
	fmt.Fprintf(out, "%d cores, shared by the server and the clients; %s, %s/%s; %s.\n\n",
		runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, time.Now().UTC().Format(time.DateOnly))
	if name != "all" {
		return measureOne(ctx, args, out)
	}
	for _, one := range full {
		if err := measureOne(ctx, append(slices.Clone(one), args[1:]...), out); err != nil {
			return err
		}
	}
	return nil
}

// measureOne carries out one measurement and prints its report.
func measureOne(ctx context.Context, args []string, out io.Writer) (err error) {
	if len(args) == 0 || find(args[0]) == nil {
		return errors.New("usage: go run ./bench fanout|idle|joins|stuck|dm|bots|rooms|abuse [--help], or all")
	}
	m := find(args[0])
	b := &bench{options: m.defaults, calm: 2 * time.Second, log: os.Stderr}
	if err := b.parse(args); err != nil {
		return err
	}
	built, err := os.MkdirTemp("", "whoelse-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(built)) }()
	if b.programs, err = b.options.programs(ctx, built); err != nil {
		return err
	}
	if err := m.run(ctx, b); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	_, err = fmt.Fprintf(out, "### go run ./bench %s\n\n%s\n", strings.Join(args, " "), &b.report)
	return err
}

// find returns nil for a name that no measurement has.
func find(name string) *measurement {
	for i, m := range measurements {
		if m.name == name {
			return &measurements[i]
		}
	}
	return nil
}

// parse reads the command line; the defaults are what the options are before.
func (o *options) parse(args []string) error {
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.StringVar(&o.server, "server", "",
		"binary to measure, or its whole command, with {data} for its data folder (default: this module's)")
	flags.StringVar(&o.old, "old", "", "another one to compare it with")
	flags.StringVar(&o.only, "only", "", "measure only floor, old or server")
	if args[0] == "joins" {
		flags.BoolVar(&o.newKeys, "new-keys", false, "clients claim their nicks, and are not in authorized_keys")
	}
	var some flag.FlagSet
	some.IntVar(&o.sessions, "sessions", o.sessions, "sessions in the room")
	some.IntVar(&o.stuck, "stuck", o.stuck, "sessions beside them that stop reading")
	some.IntVar(&o.bots, "bots", o.bots, "programs beside them")
	some.IntVar(&o.rooms, "rooms", o.rooms, "rooms that the sessions share")
	some.IntVar(&o.rounds, "rounds", o.rounds, "how often each is measured, in turn")
	some.Float64Var(&o.rate, "rate", o.rate, "messages a second, of all together")
	some.DurationVar(&o.duration, "duration", o.duration, "how long each talk, or attack, is")
	some.DurationVar(&o.settle, "settle", o.settle, "pause before the memory is looked at")
	some.StringVar(&o.kinds, "kinds", o.kinds, "how to attack, one run each")
	some.StringVar(&o.addresses, "addresses", o.addresses, "numbers of addresses that attack, one run each")
	some.VisitAll(func(f *flag.Flag) {
		if !slices.Contains([]string{"", "0", "0s"}, f.DefValue) { // otherwise it is no option of this measurement
			flags.Var(f.Value, f.Name, f.Usage)
		}
	})
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	var err error
	flags.Visit(func(f *flag.Flag) {
		// Numbers and durations that would measure nothing.
		if value := f.Value.String(); value == "0" || value == "0s" || strings.HasPrefix(value, "-") {
			err = fmt.Errorf("--%s has to be above 0", f.Name)
		}
	})
	return err
}

// numbers reads a list such as 1,500.
func numbers(list string) (all []int, err error) {
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n <= 0 {
			return nil, fmt.Errorf("%q is not a number above 0", word)
		}
		all = append(all, n)
	}
	return all, nil
}

// program is something to be measured: floor, old or server.
type program struct {
	name string
	argv []string
	full bool // argv is the whole command, and takes no more arguments
}

// programs lists what is measured, in this order. The server is built into a folder.
func (o *options) programs(ctx context.Context, folder string) ([]program, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	all := []program{{"floor", []string{self, "floor"}, true}}
	if old := strings.Fields(o.old); len(old) > 0 {
		all = append(all, program{"old", old, len(old) > 1})
	}
	server := strings.Fields(o.server)
	if len(server) == 0 && (o.only == "" || o.only == "server") {
		server = []string{filepath.Join(folder, "whoelse")}
		output, err := exec.CommandContext(ctx, "go", "build", "-o", server[0], "whoelse").CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("build the server: %w\n%s", err, output)
		}
	}
	all = append(all, program{"server", server, len(server) > 1})
	if o.only != "" {
		all = slices.DeleteFunc(all, func(p program) bool { return p.name != o.only })
		if len(all) == 0 {
			return nil, fmt.Errorf("--only %s: there is none", o.only)
		}
	}
	return all, nil
}
