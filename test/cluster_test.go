package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"whoelse/room/cluster/natstest"
	"whoelse/sessions"
)

// node is a server of a cluster, with its monitoring.
type node struct {
	*server
	monitor *monitor
}

// inCluster are the flags of a server of a cluster called name.
func inCluster(engine *natstest.Engine, name string) []string {
	return []string{"--cluster", strings.Join(engine.URLs(), ","), "--cluster-replicas", "1", "--node", name}
}

// newEngine starts an engine on a port that the kernel gives to nobody else before the engine listens there.
func newEngine(t testing.TB) *natstest.Engine {
	t.Helper()
	port, err := strconv.Atoi(port(t, freeAddress(t)))
	if err != nil {
		t.Fatal(err)
	}
	return natstest.New(t, 1, func(o *natsserver.Options) { o.Port = port })
}

func startNode(t testing.TB, engine *natstest.Engine, name, data string, args ...string) node {
	t.Helper()
	s, m := startMonitored(t, data, append(inCluster(engine, name), args...)...)
	return node{s, m}
}

// upToDate waits until all nodes have everything that was said.
func upToDate(nodes ...node) {
	for _, n := range nodes {
		n.t.Helper()
		if !inTime(func() bool { status, _, _ := n.monitor.get("/healthz", ""); return status == 200 }) {
			n.t.Fatalf("a server does not catch up:\n%s", n.log())
		}
	}
}

// whoelse runs a command of the binary, which has to succeed.
func whoelse(t testing.TB, input string, args ...string) (out string) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Stdin = strings.NewReader(input)
	var remarks strings.Builder
	cmd.Stderr = &remarks
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("whoelse %q: %v\n%s%s", args, err, text, remarks.String())
	}
	return string(text)
}

// registered makes a data folder in which people hold their nicks; olivia and oscar are operators.
func registered(t testing.TB, keys map[string]string) (data string) {
	t.Helper()
	data = filepath.Join(t.TempDir(), "data")
	for nick, key := range keys {
		args := []string{"keys", "add", nick, "--key", key + ".pub", "--data", data}
		if nick[0] == 'o' {
			args = append(args, "--operator")
		}
		whoelse(t, "", args...)
	}
	return data
}

// newKeys makes a key for each nick.
func newKeys(t testing.TB, nicks ...string) map[string]string {
	t.Helper()
	keys := map[string]string{}
	for _, nick := range nicks {
		keys[nick] = newKey(t)
	}
	return keys
}

// startPair starts two servers of a cluster with the same host key. In the data folder of the first one people hold
// their nicks.
func startPair(t testing.TB, keys map[string]string, args ...string) (engine *natstest.Engine, nodes []node) {
	t.Helper()
	engine = newEngine(t)
	dataA, dataB := registered(t, keys), filepath.Join(t.TempDir(), "data")
	a := startNode(t, engine, "a", dataA, args...)
	whoelse(t, whoelse(t, "", "hostkey", "export", "--data", dataA), "hostkey", "import", "--data", dataB)
	b := startNode(t, engine, "b", dataB, args...)
	a.logs(1, "a host key was made")
	if a.hostKey != b.hostKey || strings.Contains(b.log(), "a host key was made") {
		t.Error("two host keys")
	}
	for nick := range keys {
		if !inTime(func() bool { return strings.Contains(keysOf(t, dataB), " "+nick+"\n") }) {
			t.Fatalf("the key of %s is not on the other server", nick)
		}
	}
	return engine, []node{a, b}
}

func keysOf(t testing.TB, data string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, "authorized_keys"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return regexp.MustCompile(`@\S+\n`).ReplaceAllString(string(text), "\n")
}

// tableSteps have every command of the table, by people on different servers.
var tableSteps = []struct{ nick, command, input string }{
	{"bob", "whoelse --json", ""},
	{"carol", "wholast 5 --json", ""},
	{"bob", "bots --json", ""},
	{"guestsam", "whoelse --json", ""},
	{"bob", "send --json alice,carol,zebra lunch", ""},
	{"olivia", "send --json alice hi", ""},
	{"bob", "broadcast --json hello", ""},
	{"bob", "broadcast --json user alice hello", ""},
	{"bob", "say --json two words", ""},
	{"carol", "me --json waves", ""},
	{"carol", "history --json 3", ""},
	{"bob", "history --json 3", ""},
	{"bob", "search --json hello", ""},
	{"carol", "reply --json yes", ""},
	{"carol", "inbox --json", ""},
	{"carol", "inbox --json", ""},
	{"bob", "inbox all --json 1", ""},
	{"bob", "show xyz --json", ""},
	{"bob", "tail -n x --json", ""},
	{"bob", "watch --json alice", ""},
	{"bob", "away --json lunch at 8", ""},
	{"bob", "settings --json", ""},
	{"carol", "send --json bob hi", ""},
	{"bob", "back --json", ""},
	{"bob", "block carol --json", ""},
	{"carol", "send --json bob hi", ""},
	{"bob", "blocked --json", ""},
	{"bob", "unblock carol --json", ""},
	{"carol", "send --json bob hi again", ""},
	{"bob", "inbox --json", ""},
	{"bob", "nick --json", ""},
	{"bob", "key --json", ""},
	{"bob", "motd --json", ""},
	{"bob", "version --json", ""},
	{"bob", "paste carol --name a.txt", "the content\n"},
	{"carol", "fetch --json xyzw", ""},
	{"bob", "join --json #ops", ""},
	{"bob", "topic --json #ops builds", ""},
	{"carol", "join #ops --json", ""},
	{"carol", "topic --json #ops deploys", ""},
	{"carol", "in --json #ops red", ""},
	{"bob", "history #ops --json", ""},
	{"bob", "room #ops owner carol --json", ""},
	{"carol", "topic --json #ops deploys", ""},
	{"bob", "room #ops --json", ""},
	{"bob", "mute #ops --json", ""},
	{"bob", "unmute #ops --json", ""},
	{"bob", "room #ops private --json", ""},
	{"dora", "join #ops --json", ""},
	{"carol", "room #ops invite dora --json", ""},
	{"dora", "join #ops --json", ""},
	{"bob", "room #ops mute dora --json", ""},
	{"dora", "in --json #ops x", ""},
	{"bob", "room #ops remove dora --json", ""},
	{"dora", "in --json #ops x", ""},
	{"carol", "leave #ops --json", ""},
	{"carol", "rooms --json", ""},
	{"bob", "rooms --json", ""},
	{"bob", "clear --json", ""},
	{"bob", "json", ""},
	{"bob", "quit --json", ""},
	{"bob", "help --json whoelse", ""},
	{"bob", "kick --json alice", ""},
	{"olivia", "kick --json carol", ""},
	{"olivia", "mute carol 1h --json", ""},
	{"carol", "say --json x", ""},
	{"olivia", "unmute --json carol", ""},
	{"carol", "say --json y", ""},
	{"olivia", "invite carol2 --json", ""},
	{"olivia", "invite carol --json", ""},
	{"olivia", "ban --json 192.0.2.7 1h noise, noise", ""},
	{"dora", "bans --json", ""},
	{"olivia", "bans --json", ""},
	{"olivia", "unban 192.0.2.7 --json", ""},
	{"olivia", "ban --json carol 1h", ""},
	{"carol", "say --json z", ""},
	{"olivia", "unban --json carol", ""},
	{"carol", "say --json z", ""},
	{"olivia", "announce --json down at 8", ""},
	{"bob", "dance --json", ""},
	{"dora", "key --json leave dora", ""},
}

// differs is what the answers on two servers, or in two runs, differ in.
var differs = regexp.MustCompile(`,"(ID|AT|SINCE|ACTIVE|LEFT|USED|UNTIL|ADDED)":"[^"]+"|SHA256:[A-Za-z0-9+/]{43}|` +
	`[a-z0-9]{4}(-[a-z0-9]{4}){3}|ssh -p \d+|until (\d+ \w+ \d+ )?\d\d:\d\d|for \d+[a-z ]+|\b\d+[dhms]\b`)

// TestClusterTable: everybody gets the same answers from two servers of a cluster, with people on both, as from a single one.
func TestClusterTable(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, "alice", "bob", "carol", "dora", "olivia")
	const unlimited = "--message-rate=0" // or most of bob's commands wait
	_, nodes := startPair(t, keys, unlimited)
	single, monitor := startMonitored(t, registered(t, keys), unlimited)
	var alone, together []string
	t.Run("walks", func(t *testing.T) {
		t.Run("alone", func(t *testing.T) { t.Parallel(); alone = walkTable(t, keys, node{single, monitor}) })
		t.Run("together", func(t *testing.T) { t.Parallel(); together = walkTable(t, keys, nodes...) })
	})
	if t.Failed() {
		return
	}
	tried := map[string]bool{"tail": true, "watch": true}
	for i, step := range tableSteps {
		name, _, _ := strings.Cut(step.command, " ")
		if c := sessions.Grammar.Find(name); c != nil {
			tried[c.Name] = true
		}
		want := strings.ReplaceAll(alone[i], "nobody online was affected", "nobody on this server was affected; the other servers end the sessions that it covers")
		if sorted(together[i]) != sorted(want) {
			t.Errorf("%s: %s\nin a cluster:\n%s\nalone:\n%s", step.nick, step.command, together[i], want)
		}
	}
	for _, c := range sessions.Grammar {
		if !tried[c.Name] {
			t.Errorf("%s was not tried", c.Name)
		}
	}
}

// sorted puts an answer's lines in an order of their own: that of outcomes for several recipients is by chance.
func sorted(answer string) string {
	lines := strings.Split(answer, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// walkTable takes all steps while alice is here, on the last server. It returns the answers.
func walkTable(t *testing.T, keys map[string]string, nodes ...node) (answers []string) {
	t.Helper()
	last := nodes[len(nodes)-1]
	at := map[string]node{"bob": nodes[0], "olivia": nodes[0], "guestsam": nodes[0], "carol": last, "dora": last}
	alice := sitDown(t, "alice", last.openSSH("alice", []string{keys["alice"]}, nil))
	alice.sees("you are alice")
	for _, n := range nodes {
		if !inTime(func() bool {
			out, _ := n.runs("bob", []string{keys["bob"]}, "", "who")
			return strings.Contains(out, "alice")
		}) {
			t.Fatal("alice is not seen")
		}
	}
	for _, step := range tableSteps {
		var key []string
		if keys[step.nick] != "" {
			key = []string{keys[step.nick]}
		}
		out, status := at[step.nick].runs(step.nick, key, step.input, step.command)
		if strings.HasPrefix(step.command, "send ") { // receipts come as they come
			lines := strings.SplitAfter(out, "\n")
			slices.Sort(lines)
			out = strings.Join(lines, "")
		}
		answers = append(answers, fmt.Sprintf("%s(exit status %d)", differs.ReplaceAllString(out, ""), status))
		upToDate(nodes...)
	}
	alice.sees("bob: two words", "carol waves", "down at 8")
	return answers
}

// TestClusterClaim: one nick that two keys ask for on two servers at once is one key's, on both.
func TestClusterClaim(t *testing.T) {
	t.Parallel()
	_, nodes := startPair(t, newKeys(t, "olivia"))
	for round := range 5 {
		nick := fmt.Sprintf("zed%d", round)
		got := make(chan bool, len(nodes))
		for _, n := range nodes {
			cmd := n.openSSH(nick, []string{newKey(t)}, []string{"-o", "BatchMode=yes"}, "who")
			go func() { got <- cmd.Run() == nil }()
		}
		holders := 0
		for range nodes {
			if <-got {
				holders++
			}
		}
		upToDate(nodes...)
		first := keysOf(t, nodes[0].data)
		if holders != 1 || strings.Count(first, " "+nick+"\n") != 1 || first != keysOf(t, nodes[1].data) {
			t.Errorf("%d keys got %s:\n%s\nand\n%s", holders, nick, first, keysOf(t, nodes[1].data))
		}
	}
}

// TestClusterInvitation: a code that an operator made on one server lets one key in, on whichever server.
func TestClusterInvitation(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, "olivia")
	_, nodes := startPair(t, keys, "--access", "keys")
	out, status := nodes[0].runs("olivia", []string{keys["olivia"]}, "", "invite dave")
	fields := strings.Split(out, "\t")
	if status != 0 || len(fields) != 4 {
		t.Fatal(out)
	}
	upToDate(nodes...)
	got := make(chan bool, len(nodes))
	for _, n := range nodes {
		cmd := n.openSSH("dave+"+fields[1], []string{newKey(t)}, []string{"-o", "BatchMode=yes"}, "who")
		go func() { got <- cmd.Run() == nil }()
	}
	if a, b := <-got, <-got; a == b {
		t.Errorf("used twice, or never: %v", a)
	}
	upToDate(nodes...)
	if is, other := keysOf(t, nodes[0].data), keysOf(t, nodes[1].data); is != other || strings.Count(is, " dave\n") != 1 {
		t.Errorf("%s\nand\n%s", is, other)
	}
}

// TestClusterEndsSessions: a kick, a ban, and removed keys on one server end the sessions on the others.
func TestClusterEndsSessions(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, "olivia", "oscar", "bob")
	_, nodes := startPair(t, keys)
	a, b := nodes[0], nodes[1]
	watcher := sitDown(t, "oscar", b.openSSH("oscar", []string{keys["oscar"]}, nil))
	watcher.sees("you are oscar")
	sit := func() *person {
		bob := sitDown(t, "bob", b.openSSH("bob", []string{keys["bob"]}, nil))
		bob.sees("you are bob")
		if !inTime(func() bool {
			out, _ := a.runs("olivia", []string{keys["olivia"]}, "", "who")
			return strings.Contains(out, "bob")
		}) {
			t.Fatal("bob is not seen")
		}
		return bob
	}
	operates := func(command string) {
		t.Helper()
		if out, status := a.runs("olivia", []string{keys["olivia"]}, "", command); status != 0 {
			t.Fatalf("%s: %s", command, out)
		}
	}
	ends := func(bob *person, words string) {
		t.Helper()
		bob.sees(words)
		select {
		case <-bob.done:
		case <-time.After(patience):
			t.Errorf("still here after %q", words)
		}
	}
	bob := sit()
	operates("kick bob be kind")
	ends(bob, "you were kicked by olivia: be kind")
	watcher.sees("olivia kicked bob: be kind")

	bob = sit()
	operates("mute bob 1h")
	bob.sees("olivia muted you for 1h")
	bob.types("hello?")
	bob.sees("olivia muted you")
	operates("unmute bob")
	bob.sees("olivia unmuted you")
	operates("ban bob 1h spam")
	ends(bob, "you are banned ") // by olivia, or until when: the ban may be here before who set it
	if _, status := b.runs("bob", []string{keys["bob"]}, "", "who"); status == 0 {
		t.Error("a banned nick gets in on the other server")
	}
	list, err := os.ReadFile(filepath.Join(b.data, "bans.json"))
	if err != nil {
		t.Fatal(err)
	}
	operates("unban bob")

	bob = sit()
	if err := os.WriteFile(filepath.Join(a.data, "bans.json"), list, 0o600); err != nil { // as an editor does
		t.Fatal(err)
	}
	ends(bob, "you are banned")
	operates("unban bob")

	bob = sit()
	whoelse(t, "", "keys", "remove", "bob", "--data", a.data)
	ends(bob, "your key was removed")
	upToDate(nodes...)
	if strings.Contains(keysOf(t, b.data), " bob\n") {
		t.Error("the removed key is on the other server")
	}
}

// TestClusterRetires: a nick whose last key was removed on one server becomes free on all, and its history is set
// aside on all. The next holder finds nothing.
func TestClusterRetires(t *testing.T) {
	onlyFull(t) // servers retire nothing before they have run for ten seconds
	t.Parallel()
	keys := newKeys(t, "olivia", "bob", "carol")
	_, nodes := startPair(t, keys, "--nick-reserve", "0")
	gone := []string{"bob", "carol"} // each is removed on one server and claimed on the other
	for i, nick := range gone {
		for _, said := range []struct{ nick, command string }{
			{"olivia", "send " + nick + " a secret"},
			{nick, "say hello"}, // what is said in the lobby stays, and keeps the nick until it is retired
		} {
			if out, status := nodes[i].runs(said.nick, []string{keys[said.nick]}, "", said.command); status != 0 {
				t.Fatal(out)
			}
		}
	}
	upToDate(nodes...)
	for i, nick := range gone {
		whoelse(t, "", "keys", "remove", nick, "--data", nodes[1-i].data)
	}
	for i, nick := range gone { // the last server retires nothing: the first one leads
		for n := range nodes {
			aside := filepath.Join(nodes[n].data, "history", "users", ".retired", nick+"-*")
			if !inTime(func() bool { left, err := filepath.Glob(aside); return err == nil && len(left) > 0 }) {
				t.Fatalf("server %d: nothing of %s is set aside", n, nick)
			}
		}
		key := newKey(t)
		ask := func(command string) (string, int) { return nodes[i].runs(nick, []string{key}, "", command) }
		if !inTime(func() bool { out, _ := ask("nick"); return strings.Contains(out, "you are "+nick+",") }) {
			out, _ := ask("nick")
			t.Fatalf("server %d keeps %s: %s", i, nick, out)
		}
		if out, status := ask("inbox all 10"); status != 0 || strings.Contains(out, "secret") {
			t.Errorf("server %d: the next %s reads, with exit status %d, %s", i, nick, status, out)
		}
		whoelse(t, "", "keys", "remove", nick, "--data", nodes[i].data)
		if !inTime(func() bool {
			return !strings.Contains(keysOf(t, nodes[0].data)+keysOf(t, nodes[1].data), " "+nick+"\n")
		}) {
			t.Fatal("the key stays")
		}
	}
}

// TestClusterFiles: a file that was sent on one server is read on the other.
func TestClusterFiles(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, "olivia", "bob")
	_, nodes := startPair(t, keys)
	content := strings.Repeat("a line of the file\n", 30_000)
	if out, status := nodes[0].runs("olivia", []string{keys["olivia"]}, content, "paste bob --name a.txt"); status != 0 {
		t.Fatal(out)
	}
	upToDate(nodes...)
	list, _ := nodes[1].runs("bob", []string{keys["bob"]}, "", "inbox --json")
	id := regexp.MustCompile(`"ID":"(\w+)"`).FindStringSubmatch(list)
	if id == nil {
		t.Fatalf("no file in the inbox: %s", list)
	}
	nodes[1].monitor.tells("whoelse_cluster_connected 1", "whoelse_cluster_trouble 0", "whoelse_cluster_events_behind 0", "whoelse_cluster_servers 2")
	for range 2 {
		if got, _ := nodes[1].runs("bob", []string{keys["bob"]}, "", "fetch", id[1]); got != content {
			t.Errorf("fetched %d bytes of %d: %.100s", len(got), len(content), got)
		}
	}
}

// TestClusterImport: a single server's data folder founds a cluster. A new server begins with a snapshot of it, and what
// is exported from there is a single server's again.
func TestClusterImport(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, "olivia", "bob")
	data := registered(t, keys)
	s := startServer(t, data)
	ask := func(s *server, nick, command, input string) string {
		t.Helper()
		out, status := s.runs(nick, []string{keys[nick]}, input, command)
		if status != 0 {
			t.Fatalf("%s: %s", command, out)
		}
		return out
	}
	ask(s, "bob", "say from the old days", "")
	ask(s, "bob", "join #ops", "")
	ask(s, "bob", "send olivia unread", "")
	ask(s, "bob", "paste olivia --name a.txt", "content")
	s.signal(syscall.SIGINT, patience)
	engine := newEngine(t)
	args := append(inCluster(engine, "a"), "--data", data)
	whoelse(t, "", append([]string{"cluster", "import"}, args...)...)
	whoelse(t, "", append([]string{"cluster", "import"}, args...)...) // once more does no harm
	a := startNode(t, engine, "a", data)
	ask(a.server, "bob", "say in the cluster", "")

	// A new server, whose operator has given it the host key.
	dataB := filepath.Join(t.TempDir(), "b")
	whoelse(t, whoelse(t, "", "hostkey", "export", "--data", data), "hostkey", "import", "--data", dataB)
	b := startNode(t, engine, "b", dataB)
	for _, want := range []string{"from the old days", "in the cluster"} {
		if got := ask(b.server, "olivia", "history 10", ""); !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if got := ask(b.server, "olivia", "inbox", ""); !strings.Contains(got, "unread") || !strings.Contains(got, "a.txt") {
		t.Errorf("inbox: %s", got)
	}
	if got := ask(b.server, "bob", "rooms", ""); !strings.Contains(got, "#ops") {
		t.Errorf("rooms: %s", got)
	}
	list := ask(b.server, "olivia", "inbox all --json 1", "")
	id := regexp.MustCompile(`"ID":"(\w+)"`).FindStringSubmatch(list)
	if got := ask(b.server, "olivia", "fetch "+id[1], ""); got != "content" {
		t.Errorf("fetched %q", got)
	}
	status := whoelse(t, "", append([]string{"cluster", "status"}, args...)...)
	if !strings.Contains(status, "2 servers alive") || !strings.Contains(status, "  a  ") || !strings.Contains(status, "0 events behind") {
		t.Errorf("status:\n%s", status)
	}

	// Another data folder can't found it again, and a server on its own can't take one of the cluster.
	other := registered(t, keys)
	startServer(t, other).signal(syscall.SIGINT, patience)
	for _, refused := range [][]string{
		append([]string{"cluster", "import", "--data", other}, inCluster(engine, "c")...),
		append([]string{"--listen", "127.0.0.1:0", "--data", other}, inCluster(engine, "c")...),
		{"--listen", "127.0.0.1:0", "--data", dataB},
	} {
		out, err := exec.Command(binary, refused...).CombinedOutput()
		t.Logf("%s", out)
		if err == nil || !strings.Contains(string(out), "whoelse cluster") && !strings.Contains(string(out), "has a history already") {
			t.Errorf("%q: %v\n%s", refused, err, out)
		}
	}

	plain := filepath.Join(t.TempDir(), "plain")
	whoelse(t, "", "cluster", "snapshot", "--cluster", strings.Join(engine.URLs(), ","), "--data", dataB, "--cluster-replicas", "1")
	whoelse(t, "", "cluster", "export", plain, "--data", dataB)
	whoelse(t, "", "check", "--data", plain)
	c := startServer(t, plain)
	if got := ask(c, "olivia", "history 10", ""); !strings.Contains(got, "from the old days") || !strings.Contains(got, "in the cluster") {
		t.Errorf("exported: %s", got)
	}
}
