package scenario

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"time"

	"whoelse/bench/load"
	"whoelse/bench/target"
)

// The canary is some ordinary people: known by their keys, at terminals, one after
// the other saying a line, each below what a server lets one nick say. They are a
// process of their own, so that what the attackers cost this one is not taken for
// the server's delay.
const (
	canaryPeople = 5
	canaryRate   = 20.0 // lines a second, of all together
	canaryLine   = 40   // bytes
)

// canaryFound is what they have seen of each other.
type canaryFound struct {
	Expected, Delivered int // lines at the others' terminals
	Ended               int // sessions
	P50, P99, Max       float64
	CPU                 time.Duration // of the canary's process
}

// Canary is that process: "ADDRESS CIPHER LINES". It says "ready" once it has
// joined, talks when it is given a line of input, prints what it has found as JSON,
// and stays until the input ends.
func Canary(ctx context.Context, in io.Reader, out io.Writer, words []string) error {
	if len(words) != 3 {
		return fmt.Errorf("%q: ADDRESS CIPHER LINES", words)
	}
	lines, err := strconv.Atoi(words[2])
	if err != nil {
		return fmt.Errorf("lines: %w", err)
	}
	people, err := load.Gather(ctx, load.Plan{
		Addr: words[0], Sessions: canaryPeople, Parallel: 1, Auth: load.AuthKnown, Cipher: words[1],
		Kind: load.Kind{Columns: columns},
	})
	if err != nil {
		return fmt.Errorf("gather: %w", err)
	}
	defer people.Close()
	input := bufio.NewReader(in)
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		return err
	}
	if _, err := input.ReadString('\n'); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	found, err := listen(ctx, people, lines)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(found); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, input)
	return err
}

func listen(ctx context.Context, people *load.Crowd, lines int) (*canaryFound, error) {
	before, err := target.OwnCPU()
	if err != nil {
		return nil, err
	}
	out, err := people.Run(ctx, load.Talk{Messages: lines, Rate: canaryRate, Size: canaryLine, End: "\r"})
	if err != nil {
		return nil, fmt.Errorf("talk: %w", err)
	}
	after, err := target.OwnCPU()
	return &canaryFound{
		Expected: lines * (canaryPeople - 1), Delivered: out.Delivered, Ended: out.Ended, CPU: after - before,
		P50: millis(out.Latency.Quantile(0.50)), P99: millis(out.Latency.Quantile(0.99)), Max: millis(out.Latency.Max()),
	}, err
}

// canary is that process seen from outside.
type canary struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// startCanary returns once they are in the room. It has to be stopped.
func startCanary(ctx context.Context, argv []string, addr, cipher string, lines int) (*canary, error) {
	command := exec.CommandContext(ctx, argv[0], append(argv[1:], addr, cipher, strconv.Itoa(lines))...)
	var problem trailing
	command.Stderr = &problem
	in, err1 := command.StdinPipe()
	out, err2 := command.StdoutPipe()
	if err := errors.Join(err1, err2, command.Start()); err != nil {
		return nil, fmt.Errorf("canary: %w", err)
	}
	c := &canary{command: command, in: in, out: bufio.NewReader(out)}
	if _, err := c.out.ReadString('\n'); err != nil {
		return nil, fmt.Errorf("canary: %w: %s", errors.Join(err, c.stop()), problem.text)
	}
	return c, nil
}

// trailing keeps the newest of what a process complains about.
type trailing struct{ text []byte }

func (t *trailing) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	t.text = t.text[max(len(t.text)-1<<10, 0):]
	return len(p), nil
}

// talk starts the chat.
func (c *canary) talk() error {
	if _, err := io.WriteString(c.in, "talk\n"); err != nil {
		return fmt.Errorf("canary: %w", err)
	}
	return nil
}

// found waits until the chat is over.
func (c *canary) found() (canaryFound, error) {
	var found canaryFound
	if err := json.NewDecoder(c.out).Decode(&found); err != nil {
		return found, fmt.Errorf("canary: %w", err)
	}
	return found, nil
}

// stop lets them leave and waits for the process.
func (c *canary) stop() error {
	return errors.Join(c.in.Close(), c.command.Wait())
}
