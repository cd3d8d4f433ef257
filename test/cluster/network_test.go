package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// With WHOELSE_JEPSEN, and as root, each server has a network namespace of its own, so that packets between any two of
// them can be lost. The tests run in namespaces, too, which isolate makes: no packet leaves them, two runs do not meet,
// and nothing is left of them, however they end.

// insideVariable has the folder with the programs. It is set in the process that runs the tests in namespaces.
const insideVariable = "WHOELSE_CLUSTER_INSIDE"

// inside says that this is that process.
var inside = os.Getenv(insideVariable) != ""

// goInside runs the tests once more, in namespaces, and returns their exit status. The error says why that can't be done.
func goInside(dir string) (int, error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("that needs root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return 0, errors.New("that needs ip, of Debian's package iproute2")
	}
	try := exec.Command("/proc/self/exe", "-test.run=^$")
	try.Env = append(os.Environ(), insideVariable+"="+dir)
	isolate(try)
	if out, err := try.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("that needs network namespaces, veth and a bridge: %w: %s", err, bytes.TrimSpace(out))
	}
	// Ctrl-C ends the other process, and this one then removes dir, which has all files.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	runtime.LockOSThread() // the other process ends with this thread
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideVariable+"="+dir, "TMPDIR="+dir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	isolate(cmd)
	if err := cmd.Run(); err != nil {
		return max(1, cmd.ProcessState.ExitCode()), nil
	}
	return 0, nil
}

// settle makes this process ready to run the tests in its namespaces, or says why it can't.
func settle() error {
	if err := prepare(); err != nil {
		return err
	}
	try := exec.Command("ip", "-batch", "-")
	try.Stdin = strings.NewReader("netns add try\nlink add try1 type bridge\n" +
		"link add try2 type veth peer name try3 netns try\nnetns del try\nlink del try1\n")
	if out, err := try.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, bytes.ReplaceAll(bytes.TrimSpace(out), []byte("\n"), []byte("; ")))
	}
	return nil
}

// network is that of one cluster, for one goroutine at a time. All servers are on one bridge, on which they reach each
// other. People reach the chat servers on another one, on which nothing goes wrong.
type network struct {
	t      testing.TB
	number int32
	nodes  []string // engines and chat servers
	netem  bool     // the kernel can delay packets; otherwise slow is a narrow link
}

var networks atomic.Int32

// Nobody has this address: what is sent to it is lost.
const nobody = "02:00:00:00:00:ff"

// newNetwork makes one. It ends with the test.
func newNetwork(t testing.TB, nodes []string) *network {
	t.Helper()
	n := &network{t: t, number: networks.Add(1) % 250, nodes: nodes}
	t.Cleanup(func() {
		for _, node := range nodes {
			n.ip("", "netns del "+n.space(node)) // with its end of each cable, and so the other end
		}
		n.ip("", "link del "+n.bridge("b"), "link del "+n.bridge("p"))
	})
	n.ip("", "link set lo up")
	for _, bridge := range []string{"b", "p"} {
		n.ip("", fmt.Sprintf("link add %s type bridge", n.bridge(bridge)),
			fmt.Sprintf("addr add %s/24 dev %s", n.addressOn(bridge, 254), n.bridge(bridge)), "link set "+n.bridge(bridge)+" up")
	}
	for _, node := range nodes {
		n.ip("", "netns add "+n.space(node))
		n.ip(node, "link set lo up")
		n.plug(node, "b", "eth0")
		n.plug(node, "p", "eth1")
		for _, other := range nodes {
			n.deliver(node, other)
		}
	}
	if n.netem = n.try("tc", nodes[0], "qdisc replace dev eth0 root netem delay 1us") == nil; !n.netem {
		t.Log("this kernel has no netem: slow links are narrow instead, and lose what does not fit")
	}
	n.hurry(nodes[0])
	return n
}

// plug connects a server with a bridge.
func (n *network) plug(node, bridge, device string) {
	end := fmt.Sprintf("%s-%s", n.bridge(bridge), node)
	n.ip("", fmt.Sprintf("link add %s type veth peer name %s address %s netns %s", end, device, n.mac(node), n.space(node)),
		fmt.Sprintf("link set %s master %s up", end, n.bridge(bridge)))
	n.ip(node, fmt.Sprintf("addr add %s/24 dev %s", n.addressOn(bridge, n.index(node)), device), "link set "+device+" up")
}

func (n *network) bridge(which string) string { return fmt.Sprintf("%s%d", which, n.number) }
func (n *network) space(node string) string   { return fmt.Sprintf("%s-%d", node, n.number) }

func (n *network) index(node string) int {
	for i, name := range n.nodes {
		if name == node {
			return i + 1
		}
	}
	panic(node)
}

func (n *network) mac(node string) string { return fmt.Sprintf("02:00:00:00:00:%02x", n.index(node)) }

// addressOn is the address of number i on a bridge.
func (n *network) addressOn(bridge string, i int) string {
	return fmt.Sprintf("10.%d.%d.%d", map[string]int{"b": 98, "p": 99}[bridge], n.number, i)
}

// address is a server's among the servers, and door the one for people.
func (n *network) address(node string) string { return n.addressOn("b", n.index(node)) }
func (n *network) door(node string) string    { return n.addressOn("p", n.index(node)) }

// within is the beginning of a command line that runs in the namespace of a server.
func (n *network) within(node string) []string { return []string{"ip", "netns", "exec", n.space(node)} }

// ip runs commands of ip, in the namespace of a server if there is one.
func (n *network) ip(node string, commands ...string) { n.run("ip", node, commands...) }

// tc has the queue of a server's packets to the others be like this.
func (n *network) tc(node, queue string) { n.run("tc", node, "qdisc replace dev eth0 root "+queue) }

func (n *network) run(program, node string, commands ...string) {
	if err := n.try(program, node, commands...); err != nil {
		n.t.Error(err)
	}
}

func (n *network) try(program, node string, commands ...string) error {
	args := []string{"-batch", "-"}
	if node != "" {
		args = append([]string{"-n", n.space(node)}, args...)
	}
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s in %q: %q: %w: %s", program, node, commands, err, out)
	}
	return nil
}

// lose has all packets from one server to another get lost, without a word to either.
func (n *network) lose(from, to string) { n.direct(from, to, nobody) }

// deliver ends that.
func (n *network) deliver(from, to string) { n.direct(from, to, n.mac(to)) }

func (n *network) direct(from, to, mac string) {
	if from != to {
		n.ip(from, fmt.Sprintf("neigh replace %s lladdr %s dev eth0 nud permanent", n.address(to), mac))
	}
}

// cut loses what two servers send to each other, until the returned function is called.
func (n *network) cut(a, b string) (heal func()) {
	n.lose(a, b)
	n.lose(b, a)
	return func() {
		n.deliver(a, b)
		n.deliver(b, a)
	}
}

// delay makes what a server sends to the others slow.
func (n *network) delay(node string, m mode) {
	switch {
	case n.netem && m == crawl:
		n.tc(node, "netem delay 250ms 50ms")
	case n.netem:
		n.tc(node, "netem delay 20ms 10ms loss 1%")
	case m == crawl:
		n.tc(node, "tbf rate 100kbit burst 4kb latency 500ms")
	default:
		n.tc(node, "tbf rate 400kbit burst 4kb latency 200ms")
	}
}

// hurry ends that.
func (n *network) hurry(node string) { n.tc(node, "pfifo_fast") }

// heal ends all that was done to the network.
func (n *network) heal() {
	for _, a := range n.nodes {
		for _, b := range n.nodes {
			n.deliver(a, b)
		}
		n.hurry(a)
	}
}

// cable is the network between a chat server and an engine.
type cable struct {
	n            *network
	chat, engine string
}

// set does what it can of a mode. Unlike a proxy, it does not end connections.
func (c cable) set(m mode) {
	to := c.n.address(c.engine)
	switch m {
	case open:
		c.n.cut(c.chat, c.engine)()
		c.n.ip(c.chat, "route replace "+to+" dev eth0")
		c.n.hurry(c.chat)
	case closed:
		c.n.ip(c.chat, "route replace unreachable "+to)
	case held:
		c.n.cut(c.chat, c.engine)
	case deaf:
		c.n.lose(c.engine, c.chat)
	case slow, crawl:
		c.n.delay(c.chat, m)
	}
}

func (cable) close() {}

// TestNetwork: packets are lost one way or both, and arrive again when that has healed.
func TestNetwork(t *testing.T) {
	if !inside {
		t.Skip("needs WHOELSE_JEPSEN and root")
	}
	n := newNetwork(t, []string{"a", "b", "c"})
	reach := func(from, to string, want bool) {
		t.Helper()
		// Nobody listens: what reaches the other is refused, and what is lost is not answered within the time.
		argv := append(n.within(from), "timeout", "0.5", "bash", "-c", "exec 2>&1 3<>/dev/tcp/"+n.address(to)+"/9")
		out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if refused := bytes.Contains(out, []byte("refused")); refused != want {
			t.Errorf("%s reaches %s: %v, want %v: %v %s", from, to, refused, want, err, out)
		}
	}
	reach("a", "b", true)
	n.lose("b", "a") // the answer is lost
	reach("a", "b", false)
	reach("a", "c", true)
	n.deliver("b", "a")
	reach("a", "b", true)
	heal := n.cut("a", "c")
	reach("a", "c", false)
	reach("c", "a", false)
	reach("b", "c", true)
	heal()
	reach("a", "c", true)
	cable{n, "a", "c"}.set(closed)
	reach("a", "c", false)
	cable{n, "a", "c"}.set(open)
	n.delay("a", slow)
	reach("a", "c", true)
	n.heal()
	reach("c", "a", true)
}

// TestNodeAlone: an engine node is cut off from the others, the one that leads the stream or another one. The servers that are
// connected to it find another node, so that people on all servers can write meanwhile.
func TestNodeAlone(t *testing.T) {
	if !inside {
		t.Skip("needs WHOELSE_JEPSEN and root")
	}
	for _, leads := range []bool{true, false} {
		t.Run(fmt.Sprint("leads=", leads), func(t *testing.T) {
			c := newCluster(t, options{chats: 3})
			alice := newIdentity(t)
			for _, chat := range c.chats {
				c.must(c.eventually(func() error { return chat.ran("alice", alice, "say", "with-"+chat.name) }))
			}
			leader, err := c.leader()
			c.must(err)
			alone := leader
			if !leads {
				alone = c.engines[(slices.Index(c.engines, leader)+1)%len(c.engines)]
			}
			defer (&nemesis{c: c}).alone(alone.name)()
			began := time.Now()
			for _, chat := range c.chats {
				c.must(c.eventually(func() error { return chat.ran("alice", alice, "say", "without-"+chat.name) }))
				t.Logf("%s can write after %v", chat.name, time.Since(began).Round(time.Millisecond))
			}
		})
	}
}
