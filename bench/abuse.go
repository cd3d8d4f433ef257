package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"whoelse/bench/attack"
	"whoelse/bench/load"
	"whoelse/bench/target"
)

// limited is how servers run under attack: with their own limits, which hold on the
// loopback interface too, and with metrics, which tell the number of goroutines.
var limited = []string{"serve", "--listen", "127.0.0.1:0", "--data", "{data}",
	"--exempt", "none", "--metrics", "127.0.0.1:0"}

const (
	// perAddress is how many connections a server allows one address; connections
	// is how many two cores log in within a few seconds, clients included.
	perAddress, connections = 20, 2000
	// An attack ends early when the server takes more: a bench is not to bring its
	// machine down.
	maxMemory, maxDisk = 6 << 30, 6 << 30

	watchEvery = 100 * time.Millisecond // memory, which can grow fast
	lookEvery  = time.Second            // all else, which takes longer to count
)

// abuse is the most that some addresses can take from a server, while a few ordinary
// people chat. Every attack meets a server of its own; one that an attack brings
// down is a note, and the next attack follows.
func abuse(ctx context.Context, b *bench) error {
	addresses, err := numbers(b.addresses)
	if err != nil {
		return fmt.Errorf("--addresses: %w", err)
	}
	plans := []attack.Plan{{Kind: "none"}}
	for _, n := range addresses {
		for kind := range strings.SplitSeq(b.kinds, ",") {
			if !slices.Contains(attack.Kinds, kind) {
				return fmt.Errorf("--kinds: %q is not one of %v", kind, attack.Kinds)
			}
			plans = append(plans, attack.Plan{Kind: kind, Addresses: n, PerAddress: min(perAddress, max(1, connections/n))})
		}
	}
	b.skipFloor()
	for _, plan := range plans {
		for _, p := range b.programs {
			name := fmt.Sprintf("%s %s %d x %d", p.name, plan.Kind, plan.Addresses, plan.PerAddress)
			fmt.Fprintln(b.log, name)
			known := plan.Known()
			for i := range canarySessions {
				known = append(known, i)
			}
			fill := func(data string) error {
				if plan.Kind != "unread" && plan.Kind != attack.All {
					return nil
				}
				return fillRoom(ctx, p, data)
			}
			err := withServer(ctx, p, limited, known, fill, func(server *target.Server) error {
				plan.Addr = server.Addr
				return b.attackOnce(ctx, name, server, plan)
			})
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				b.note("%s: %s", name, strings.ReplaceAll(err.Error(), "\n", "; "))
			}
		}
	}
	b.note("RSS, disk, files and goroutines are above what there was before the attack; "+
		"left is %s after the last attacker has gone", b.settle)
	return nil
}

// fillRoom lets two people say as many lines, as long as can be, as one can ask for,
// on a server that limits nobody.
func fillRoom(ctx context.Context, p program, data string) error {
	server, err := start(ctx, p, unlimited, data)
	if err != nil {
		return err
	}
	people, err := load.Gather(ctx, server.Addr, 2, load.Config{})
	if err == nil {
		var out *load.Outcome
		// Below what makes a session fall behind.
		out, err = people.Run(ctx, load.Talk{Messages: attack.HistoryLines, Rate: 500, Size: attack.LineSize})
		if err == nil && out.Lost > 0 {
			err = fmt.Errorf("%d of %d lines were lost", out.Lost, out.Expected)
		}
		people.Close()
	}
	return errors.Join(err, server.Stop())
}

// attackOnce attacks a server while the canary talks.
func (b *bench) attackOnce(ctx context.Context, name string, server *target.Server, plan attack.Plan) (err error) {
	lines := int(canaryRate * b.duration.Seconds())
	people, err := startCanary(ctx, server.Addr, lines)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, people.stop()) }()
	if err := load.Pause(ctx, b.calm); err != nil {
		return err
	}
	before, err := look(server)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(people.in, "talk\n"); err != nil {
		return err
	}
	watching, tooMuch := context.WithCancelCause(ctx)
	var peak holding
	var watcher sync.WaitGroup
	watcher.Go(func() { peak = watch(watching, server, tooMuch) })
	defer watcher.Wait()
	defer tooMuch(nil)

	var counts attack.Counts
	spent, err := measure(server, func() error {
		ctx, cancel := context.WithTimeout(watching, b.duration)
		defer cancel()
		counts = attack.Run(ctx, plan)
		return nil
	}, people.command.Process.Pid)
	if err != nil {
		return err
	}
	disk, err := server.Disk()
	if err != nil {
		return err
	}
	// What the attackers have left may be worked off only now.
	after, err := measure(server, func() error { return load.Pause(ctx, b.settle) })
	if err != nil {
		return err
	}
	early := context.Cause(watching) // nil where the attack was as long as planned
	tooMuch(nil)
	watcher.Wait()
	left, err := look(server)
	if err != nil {
		return errors.Join(early, err)
	}
	chat, err := people.outcome()
	if err != nil {
		return errors.Join(early, err)
	}
	seconds := spent.took.Seconds()
	b.add(name,
		count("let in", counts.In), count("at once", counts.Most), count("refused", counts.Refused), count("ended", counts.Ended),
		count("input", counts.Input),
		figure{"RSS MB", megabytes(peak.memory - before.memory), 1}, figure{"left", megabytes(left.memory - before.memory), 1},
		figure{"CPU s/s", spent.server.Seconds() / seconds, 2}, figure{"after", after.server.Seconds() / after.took.Seconds(), 2},
		figure{"disk MB/min", megabytes(disk-before.disk) / seconds * 60, 1},
		figure{"left", megabytes(left.disk - before.disk), 1},
		figure{"files", peak.files - before.files, 0}, figure{"left", left.files - before.files, 0},
		figure{"goroutines", peak.goroutines - before.goroutines, 0}, figure{"left", left.goroutines - before.goroutines, 0},
		figure{"chat p50 ms", chat.Latency.Quantile(0.5), 1}, figure{"p99", chat.Latency.Quantile(0.99), 1},
		figure{"max", chat.Latency.Quantile(1), 0},
		count("lost", lines*(canarySessions-1)-chat.Delivered), count("of", lines*(canarySessions-1)), count("ended", chat.Ended),
		figure{"attackers' CPU s/s", spent.generator.Seconds() / seconds, 2}, figure{othersName, spent.others, 0})
	return early
}

// holding is what a server has at one moment.
type holding struct {
	memory, disk      int64   // bytes
	files, goroutines float64 // goroutines are NaN where the server is too busy to tell, or can't
}

func look(server *target.Server) (holding, error) {
	memory, err1 := server.Memory()
	disk, err2 := server.Disk()
	files, err3 := server.Files()
	h := holding{memory, disk, float64(files), math.NaN()}
	if n, err := server.Goroutines(); err == nil {
		h.goroutines = float64(n)
	}
	return h, errors.Join(err1, err2, err3)
}

// watch returns the most that the server has had when ctx is over. As soon as that is
// more than this machine should give, it calls tooMuch.
func watch(ctx context.Context, server *target.Server, tooMuch context.CancelCauseFunc) (peak holding) {
	for n := 0; ctx.Err() == nil; n++ {
		if memory, err := server.Memory(); err == nil {
			peak.memory = max(peak.memory, memory)
		}
		if n%int(lookEvery/watchEvery) == 0 {
			if now, err := look(server); err == nil {
				peak.disk, peak.files = max(peak.disk, now.disk), max(peak.files, now.files)
				if now.goroutines > peak.goroutines {
					peak.goroutines = now.goroutines
				}
			}
		}
		if peak.memory > maxMemory || peak.disk > maxDisk {
			tooMuch(fmt.Errorf("ended early: %.0f MB of memory, %.0f MB on disk", megabytes(peak.memory), megabytes(peak.disk)))
		}
		_ = load.Pause(ctx, watchEvery)
	}
	return peak
}

// megabytes counts as the kernel does, by 1,048,576.
func megabytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// The canary is some ordinary people: known by their keys, at terminals, one after
// the other saying a line, each below what a server lets one nick say. They are a
// process of their own, so that what the attackers cost this one is not taken for
// the server's delay.
const (
	canarySessions = 5
	canaryRate     = 20.0 // lines a second, of all together
)

// beCanary is that process; args are ADDRESS LINES. It prints "ready" once all have
// joined, talks when it is given a line of input, prints the outcome as JSON, and
// stays until the input ends.
func beCanary(ctx context.Context, stdin io.Reader, stdout io.Writer, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: canary ADDRESS LINES")
	}
	lines, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	people, err := load.Gather(ctx, args[0], canarySessions, load.Config{Columns: columns})
	if err != nil {
		return err
	}
	defer people.Close()
	input := bufio.NewReader(stdin)
	fmt.Fprintln(stdout, "ready")
	if _, err := input.ReadString('\n'); err != nil {
		return err
	}
	out, err := people.Run(ctx, load.Talk{Messages: lines, Rate: canaryRate, Size: messageSize})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(stdout).Encode(out); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, input)
	return err
}

// canary is that process seen from outside.
type canary struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// startCanary returns once all have joined. The canary has to be stopped.
func startCanary(ctx context.Context, addr string, lines int) (*canary, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, self, "canary", addr, strconv.Itoa(lines))
	command.Stderr = os.Stderr
	in, err1 := command.StdinPipe()
	out, err2 := command.StdoutPipe()
	if err := errors.Join(err1, err2, command.Start()); err != nil {
		return nil, fmt.Errorf("canary: %w", err)
	}
	c := &canary{command, in, bufio.NewReader(out)}
	if _, err := c.out.ReadString('\n'); err != nil {
		return nil, fmt.Errorf("canary: %w", errors.Join(err, c.stop()))
	}
	return c, nil
}

// outcome waits until the chat is over.
func (c *canary) outcome() (out load.Outcome, err error) {
	if err = json.NewDecoder(c.out).Decode(&out); err != nil {
		err = fmt.Errorf("canary: %w", err)
	}
	return out, err
}

// stop lets them leave and waits for the process.
func (c *canary) stop() error { return errors.Join(c.in.Close(), c.command.Wait()) }
