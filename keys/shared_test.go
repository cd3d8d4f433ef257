package keys

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"whoelse/internal/disk"
	"whoelse/internal/sharetest"
)

// node is a registry whose file other servers have alike.
type node struct {
	*Registry
	*sharetest.Server
	at  string
	log bytes.Buffer
}

func (n *node) open(t testing.TB) {
	t.Helper()
	r, err := open(n.at, slog.New(slog.NewTextHandler(&n.log, nil)), disk.Store{}, anHourAhead)
	if err == nil {
		n.Registry = r
		n.Server.Receive = func(_ string, data []byte) error { return n.Registry.Receive(data) }
		err = r.Share(n.Server.Share("keys"))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// nodes are n servers that begin with the same lines.
func nodes(t testing.TB, dir string, n int, lines ...string) []*node {
	t.Helper()
	log, all := &sharetest.Log{}, make([]*node, n)
	for i := range all {
		path := filepath.Join(dir, fmt.Sprint(i), "authorized_keys")
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, path, strings.Join(append(lines, ""), "\n"))
		all[i] = &node{Server: &sharetest.Server{Log: log}, at: path}
		all[i].open(t)
	}
	return all
}

// edit is what a person does with an editor.
func (n *node) edit(t testing.TB, change func(text string) string) {
	t.Helper()
	text, err := os.ReadFile(n.at)
	if err != nil {
		t.Fatal(err)
	}
	write(t, n.at, change(string(text)))
}

// propose does what a server does once a second, and reports whether there was anything.
func (n *node) propose(t testing.TB) bool {
	t.Helper()
	before := n.Log.Len()
	if err := n.ShareEdits(); err != nil && !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	return n.Log.Len() > before
}

// settle has all servers follow, and propose edits until there are none.
func settle(t testing.TB, all []*node) {
	t.Helper()
	for busy, rounds := true, 0; busy; rounds++ {
		busy = false
		for _, n := range all {
			if err := n.Follow(n.Log.Len()); err != nil {
				t.Fatal(err)
			}
			busy = n.propose(t) || busy
		}
		if rounds > 20 {
			t.Fatal("there is no end of edits")
		}
	}
}

func (n *node) shared(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile(n.at)
	if err != nil {
		t.Fatal(err)
	}
	if copied, err := os.ReadFile(disk.Agreed(n.at)); err != nil || !maps.Equal(lineSet(text), lineSet(copied)) {
		t.Errorf("%v; the file has\n%s\nand its copy\n%s", err, text, copied)
	}
	return slices.Sorted(maps.Keys(lineSet(text)))
}

func wantAlike(t testing.TB, all []*node) []string {
	t.Helper()
	first := all[0].shared(t)
	for i, n := range all[1:] {
		if got := n.shared(t); !slices.Equal(got, first) {
			t.Errorf("server %d has\n%s\nand the first\n%s", i+1, strings.Join(got, "\n"), strings.Join(first, "\n"))
		}
	}
	return first
}

var errBroken = errors.New("broken disk")

// unexpected reports whether err is none that a model expects.
func unexpected(err error, expected ...error) bool {
	return err != nil && !slices.ContainsFunc(append(expected, sharetest.ErrConflict, errBroken), func(one error) bool {
		return errors.Is(err, one)
	})
}

// TestSharedModel: whatever people claim, operators remove, rename and edit, on whichever server, in whatever moment,
// and whatever crashes or fails on a disk, no nick is held by two keys and no key holds two nicks, and in the end all
// have the same lines.
func TestSharedModel(t *testing.T) {
	t.Parallel()
	nicks := []string{"ann", "bob", "cyd"}
	keys := make([]PublicKey, 5)
	for i := range keys {
		keys[i] = newKey(t)
	}
	root, run := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		dir := filepath.Join(root, fmt.Sprint(run))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		all := nodes(t, dir, 3, "# each server's own", keyLine(keys[0], "ann"))
		depth, between := 0, 0
		interrupted := false // by a step in between
		var busy *node
		step := func() {
			n := all[rapid.IntRange(0, len(all)-1).Draw(rt, "server")]
			who := rapid.SampledFrom(nicks).Draw(rt, "nick")
			key := keys[rapid.IntRange(0, len(keys)-1).Draw(rt, "key")]
			for gone := range n.departed { // as the server does once it has looked what belongs to them
				n.Release(gone)
			}
			if left := rapid.IntRange(-20, 25).Draw(rt, "fault"); left > 0 { // the step with that number fails
				n.store.Fault = func(op, _ string) error {
					if op == "remove" { // of what was replaced, which nothing reads
						return nil
					}
					if left--; left == 0 {
						return errBroken
					}
					return nil
				}
			}
			switch rapid.IntRange(0, 8).Draw(rt, "what") {
			case 0, 1:
				held := n.Registered(who)
				if err := n.Claim(who, key); err == nil && !(held && interrupted) { // else it may be gone again
					n.refresh()
					if h, err := n.Lookup(key, here); depth == 0 && (err != nil || h.Nick != who) {
						rt.Fatalf("claimed %s: %+v, %v", who, h, err)
					}
				} else if unexpected(err, ErrHeld, ErrKeyKnown, ErrReserved) {
					rt.Fatal(err)
				}
			case 2:
				had := n.Registered(who)
				gone, err := n.Remove(Selector{Nick: who})
				if err == nil && depth == 0 && (len(gone) == 0 || n.Registered(who)) || unexpected(err, ErrNoSuchKey) {
					rt.Fatalf("removed %s (%v): %v, %v", who, had, gone, err)
				}
			case 3:
				n.store.Fault = nil
				_ = n.Reload() // what a disk failed to read
				if !n.Registered(who) && len(n.table.find(key)) == 0 {
					n.edit(t, func(text string) string { return text + keyLine(key, who+"@by-hand") + "\n" })
				}
			case 4:
				n.edit(t, func(text string) string {
					lines := strings.SplitAfter(text, "\n")
					return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, " "+who) }), "")
				})
			case 5:
				if n == busy { // it would be another process that goes on
					return
				}
				n.Crash(rapid.IntRange(0, 3).Draw(rt, "lost"))
				n.open(t)
			case 6:
				n.propose(t)
			case 7:
				to := rapid.SampledFrom(nicks).Draw(rt, "to")
				list, err := n.Rename(who, to)
				if err == nil && depth == 0 && !interrupted && (len(list) == 0 || len(n.Keys(who)) > 0) {
					rt.Fatalf("renamed %s to %s: %v, %v", who, to, list, n.Keys(who))
				}
				if unexpected(err, ErrHeld, ErrNoSuchKey, ErrReserved) {
					rt.Fatal(err)
				}
			case 8:
				n.edit(t, func(text string) string { return strings.ReplaceAll(text, "# each", "# # each") })
			}
		}
		for _, n := range all {
			n.Between = func() {
				if between++; depth == 0 && between < 6 && rapid.Bool().Draw(rt, "between") {
					depth++
					busy, interrupted = n, true
					step()
					busy = nil
					depth--
				}
			}
		}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			between, interrupted = 0, false
			step()
		}
		for _, n := range all {
			n.Between = nil
			n.store.Fault = nil
			_ = n.Reload()
		}
		settle(t, all)
		holder, nick := map[string]string{}, map[string]string{}
		for _, text := range wantAlike(t, all) {
			l := parseLine(0, []byte(text))
			key := Fingerprint(l.key)
			if cmp.Or(holder[l.Nick], key) != key || cmp.Or(nick[key], l.Nick) != l.Nick {
				rt.Fatalf("%s has several keys, or a key several nicks:\n%s", l.Nick, strings.Join(all[0].shared(t), "\n"))
			}
			holder[l.Nick], nick[key] = key, l.Nick
		}
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// TestSharedClaimsRace: one of many who claim a nick on all servers at once gets it, and only that one is told so.
func TestSharedClaimsRace(t *testing.T) {
	all := nodes(t, t.TempDir(), 3)
	var claiming sync.WaitGroup
	won := make(chan PublicKey, 100)
	for i := range 12 {
		key, n := newKey(t), all[i%3]
		claiming.Go(func() {
			switch err := n.Claim("bob", key); {
			case err == nil:
				won <- key
			case !errors.Is(err, ErrHeld):
				t.Error(err)
			}
			if rand.IntN(2) == 0 {
				if err := n.Claim(fmt.Sprint("n", i), newKey(t)); err != nil && !errors.Is(err, ErrConfusable) {
					t.Error(err)
				}
			}
		})
	}
	claiming.Wait()
	settle(t, all)
	wantAlike(t, all)
	if len(won) != 1 {
		t.Fatalf("%d got it", len(won))
	}
	key := <-won
	for _, n := range all {
		if h, err := n.Lookup(key, here); err != nil || h.Nick != "bob" || len(n.Keys("bob")) != 1 {
			t.Errorf("%+v, %v", h, err)
		}
	}
}

// TestSharedResults: what an operation returns is right also where it had to be decided again.
func TestSharedResults(t *testing.T) {
	a, b, c := newKey(t), newKey(t), newKey(t)
	all := nodes(t, t.TempDir(), 2, keyLine(a, "ann"))
	between := func(n *node, f func()) { n.Between = func() { n.Between = nil; f() } }
	one, two := all[0], all[1]
	between(one, func() {
		if _, err := two.Add("ann", []PublicKey{b}, AddOptions{}); err != nil {
			t.Error(err)
		}
	})
	added, err := one.Add("ann", []PublicKey{b, c}, AddOptions{})
	if err != nil || len(added) != 1 || added[0].Fingerprint != Fingerprint(c) {
		t.Errorf("added %+v, %v", added, err)
	}
	between(two, func() {
		if _, err := one.Remove(Selector{Fingerprint: Fingerprint(b)}); err != nil {
			t.Error(err)
		}
	})
	gone, err := two.Remove(Selector{Nick: "ann"})
	if err != nil || len(gone) != 2 || gone[0].Fingerprint != Fingerprint(a) || gone[1].Fingerprint != Fingerprint(c) {
		t.Errorf("removed %+v, %v", gone, err)
	}
	if _, err := one.Remove(Selector{Nick: "ann"}); !errors.Is(err, ErrNoSuchKey) {
		t.Errorf("removed again: %v", err)
	}
	n := one.Log.Len()
	one.Release("ann")
	if err := one.Claim("ann", a); err != nil {
		t.Error(err)
	}
	if err := one.Claim("ann", a); err != nil || one.Log.Len() != n+1 {
		t.Errorf("claimed again: %v, %d changes", err, one.Log.Len()-n)
	}
	between(two, func() {
		if _, err := one.Remove(Selector{Nick: "ann", KeepLast: true}); !errors.Is(err, ErrLastKey) {
			t.Error(err)
		}
		if _, err := one.Add("ann", []PublicKey{b}, AddOptions{}); err != nil {
			t.Error(err)
		}
		if _, err := one.Remove(Selector{Fingerprint: Fingerprint(a), KeepLast: true}); err != nil {
			t.Error(err)
		}
	})
	if renamed, err := two.Rename("ann", "eve"); err != nil || len(renamed) != 1 || renamed[0].Fingerprint != Fingerprint(b) {
		t.Errorf("renamed %+v, %v", renamed, err)
	}
	settle(t, all)
	if lines := wantAlike(t, all); len(lines) != 1 {
		t.Errorf("%q", lines)
	}
}

// TestSharedRevocation: a key that is removed on one server ends access on the others, and they tell of it.
func TestSharedRevocation(t *testing.T) {
	key := newKey(t)
	all := nodes(t, t.TempDir(), 2, keyLine(key, "ann"))
	var told []Change
	all[1].OnChange(func(c Change) { told = append(told, c) })
	if _, err := all[0].Remove(Selector{Nick: "ann"}); err != nil {
		t.Fatal(err)
	}
	settle(t, all)
	if _, err := all[1].Lookup(key, here); !errors.Is(err, ErrUnknownKey) {
		t.Error(err)
	}
	if len(told) != 1 || len(told[0].Removed) != 1 || told[0].Removed[0].Nick != "ann" {
		t.Errorf("%+v", told)
	}
}

// TestSharedEdits: edits on two servers reach both, also those made while a server was stopped; what a server had
// when it first joined is not proposed.
func TestSharedEdits(t *testing.T) {
	all := nodes(t, t.TempDir(), 2, "# mine", keyLine(newKey(t), "ann"))
	if settle(t, all); all[0].Log.Len() > 0 {
		t.Error("something is proposed at first")
	}
	latin := keyLine(newKey(t), "dora@caf\xe9")
	all[0].edit(t, func(text string) string { return text + "# a comment\n\n" })
	if settle(t, all); all[0].Log.Len() > 0 {
		t.Error("a comment is proposed")
	}
	all[0].edit(t, func(text string) string { return text + keyLine(newKey(t), "bob") + "\n" + latin + "\n" })
	all[1].edit(t, func(text string) string { return strings.Replace(text, " ann", " ann@her-laptop", 1) })
	settle(t, all)
	if lines := wantAlike(t, all); len(lines) != 3 {
		t.Errorf("%q", lines)
	}
	if all[0].Log.Len() != 2 {
		t.Errorf("%d changes", all[0].Log.Len())
	}
	// Stopped, edited, while others go on.
	stopped := all[1]
	stopped.Registry = nil
	stopped.edit(t, func(text string) string { return text + "\n" + keyLine(newKey(t), "eve") + "\n" })
	key := newKey(t)
	for _, err := range []error{all[0].Claim("fay", key), second(all[0].Remove(Selector{Nick: "bob"}))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	stopped.open(t)
	settle(t, all)
	var nicks []string
	wantAlike(t, all)
	for _, e := range all[0].List() {
		nicks = append(nicks, e.Nick)
	}
	if slices.Sort(nicks); !slices.Equal(nicks, []string{"ann", "dora", "eve", "fay"}) {
		t.Errorf("%q", nicks)
	}
}

func second(_ []Entry, err error) error { return err }

// TestSharedEditsGoAlong: a claim of a nick whose line was just removed by hand is not seen beside that line anywhere.
func TestSharedEditsGoAlong(t *testing.T) {
	old, fresh := newKey(t), newKey(t)
	all := nodes(t, t.TempDir(), 2, keyLine(old, "bob"))
	one, two := all[0], all[1]
	one.edit(t, func(string) string { return "# nobody\n" })
	one.refresh()
	one.Release("bob")
	if err := one.Claim("bob", fresh); err != nil {
		t.Fatal(err)
	}
	if err := two.Follow(1); err != nil || len(two.Keys("bob")) != 1 || two.Log.Len() != 1 {
		t.Errorf("%+v, %v, %d changes", two.Keys("bob"), err, two.Log.Len())
	}
	if h, err := two.Lookup(fresh, here); err != nil || h.Nick != "bob" {
		t.Errorf("%+v, %v", h, err)
	}
	settle(t, all)
	wantAlike(t, all)
}

// TestSharedAgain: a line that was removed by hand, and is claimed again before the others have that, is there again.
func TestSharedAgain(t *testing.T) {
	key := newKey(t)
	all := nodes(t, t.TempDir(), 2, keyLine(newKey(t), "ann"))
	one := all[0]
	if err := one.Claim("bob", key); err != nil {
		t.Fatal(err)
	}
	one.edit(t, func(text string) string { return text[:strings.Index(text, "\n")+1] })
	one.refresh()
	one.Release("bob")
	if err := one.Claim("bob", key); err != nil {
		t.Fatal(err)
	}
	if h, err := one.Lookup(key, here); err != nil || h.Nick != "bob" {
		t.Errorf("%+v, %v", h, err)
	}
	settle(t, all)
	if lines := wantAlike(t, all); len(lines) != 2 {
		t.Errorf("%q", lines)
	}
}

// TestSharedOvertaken: a line added by hand loses against a claim that came first, and the log names it.
func TestSharedOvertaken(t *testing.T) {
	ann, mine, theirs := newKey(t), newKey(t), newKey(t)
	all := nodes(t, t.TempDir(), 2, keyLine(ann, "ann"))
	one, two := all[0], all[1]
	second := newKey(t)
	one.edit(t, func(text string) string {
		return text + keyLine(mine, "bob") + "\n" + keyLine(theirs, "carol") + "\n" + keyLine(second, "ann") + "\n"
	})
	for _, err := range []error{two.Claim("bob", theirs), two.Claim("dora", mine)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	settle(t, all)
	if lines := wantAlike(t, all); len(lines) != 4 {
		t.Errorf("%q", lines)
	}
	for nick, keys := range map[string]int{"ann": 2, "bob": 1, "carol": 0, "dora": 1} {
		if got := len(one.Keys(nick)); got != keys {
			t.Errorf("%s has %d keys", nick, got)
		}
	}
	log := one.log.String()
	if !strings.Contains(log, "nick=bob key="+Fingerprint(mine)) || !strings.Contains(log, "nick=carol key="+Fingerprint(theirs)) ||
		strings.Count(log, "is dropped") != 2 {
		t.Error(log)
	}
}

// TestSharedOvertakenAfterACrash: also where the server died with the claim in its copy, and not yet in its file.
func TestSharedOvertakenAfterACrash(t *testing.T) {
	mine, theirs := newKey(t), newKey(t)
	all := nodes(t, t.TempDir(), 2, keyLine(newKey(t), "ann"))
	one, two := all[0], all[1]
	if err := two.Claim("bob", theirs); err != nil {
		t.Fatal(err)
	}
	one.store.Fault = func(op, path string) error {
		if op == "rename" && path == one.at {
			return errBroken
		}
		return nil
	}
	if err := one.Follow(1); err == nil {
		t.Error("nothing failed")
	}
	one.open(t)
	one.edit(t, func(text string) string { return text + keyLine(mine, "bob") + "\n" })
	settle(t, all)
	wantAlike(t, all)
	if list := one.Keys("bob"); len(list) != 1 || list[0].Fingerprint != Fingerprint(theirs) {
		t.Errorf("%+v", list)
	}
}

// TestSharedLargeEdit: an edit that is too large for one proposal takes several, and is not overtaken by itself.
func TestSharedLargeEdit(t *testing.T) {
	t.Parallel()
	all := nodes(t, t.TempDir(), 2)
	var text strings.Builder
	for i := range 1500 {
		text.WriteString(keyLine(newKey(t), fmt.Sprintf("n%d@%s", i/750, strings.Repeat("x", 400))) + "\n")
	}
	all[0].edit(t, func(string) string { return text.String() })
	settle(t, all)
	if lines := wantAlike(t, all); len(lines) != 1500 || all[0].Log.Len() < 2 {
		t.Errorf("%d lines in %d changes", len(lines), all[0].Log.Len())
	}
	for _, c := range all[0].Log.Sizes() {
		if c > disk.MaxProposal {
			t.Errorf("a change has %d bytes", c)
		}
	}
	if _, err := all[1].Rename("n1", "renamed"); err == nil || !strings.Contains(err.Error(), "too many lines") {
		t.Error(err)
	}
	all[0].edit(t, func(string) string { return keyLine(newKey(t), "ann") + "\n" })
	settle(t, all)
	if lines := wantAlike(t, all); len(lines) != 1 {
		t.Errorf("%d lines are left", len(lines))
	}
}

// TestSharedLargeEditInterrupted: nor is it when the server ends before it has received the first part.
func TestSharedLargeEditInterrupted(t *testing.T) {
	all := nodes(t, t.TempDir(), 2)
	one := all[0]
	var text strings.Builder
	for range 300 {
		text.WriteString(keyLine(newKey(t), "bob@"+strings.Repeat("x", 400)) + "\n")
	}
	one.edit(t, func(string) string { return text.String() })
	one.Between = func() {
		one.store.Fault = func(string, string) error { return errBroken }
	}
	if err := one.ShareEdits(); err == nil || one.Log.Len() != 1 {
		t.Errorf("%v, %d changes", err, one.Log.Len())
	}
	one.Between = nil
	one.open(t)
	settle(t, all)
	if lines := wantAlike(t, all); len(lines) != 300 {
		t.Errorf("%d lines", len(lines))
	}
}

// TestSharedUnusable: where the file is lost, or can't be used, it is made again of what is in force.
func TestSharedUnusable(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"gone":     os.Remove,
		"unsafe":   func(path string) error { return os.Chmod(path, 0o666) },
		"a folder": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"emptied":  func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			ann, bob := newKey(t), newKey(t)
			all := nodes(t, t.TempDir(), 2, keyLine(ann, "ann"), keyLine(bob, "bob"))
			if err := spoil(all[0].at); err != nil {
				t.Fatal(err)
			}
			if name == "emptied" {
				settle(t, all)
				if err := spoil(all[0].at); err != nil {
					t.Fatal(err)
				}
				all[0].open(t) // nicks with histories would be retired now
			}
			if name != "unsafe" && name != "a folder" && !all[0].Registered("ann") {
				t.Error("ann is nobody's")
			}
			if err := all[0].Claim("carol", newKey(t)); err != nil {
				t.Fatal(err)
			}
			if err := all[1].Claim("dora", newKey(t)); err != nil {
				t.Fatal(err)
			}
			settle(t, all)
			if lines := wantAlike(t, all); len(lines) != 4 {
				t.Errorf("%q", lines)
			}
			if !strings.Contains(all[0].log.String(), "level=ERROR") {
				t.Error("the log says nothing")
			}
			if fi, err := os.Stat(all[0].at); err != nil || fi.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", fi, err)
			}
		})
	}
}

// TestSharedFaults: whatever fails once on the disk, the change is received with the next try, durably.
func TestSharedFaults(t *testing.T) {
	t.Parallel()
	steps := 0
	for fail := 1; fail == 1 || steps >= fail-1; fail++ {
		all := nodes(t, t.TempDir(), 2, keyLine(newKey(t), "ann"))
		if err := all[0].Claim("bob", newKey(t)); err != nil {
			t.Fatal(err)
		}
		broken := errors.New("broken disk")
		steps = 0
		all[1].store.Fault = func(op, _ string) error {
			if op == "remove" { // of what was replaced, which nothing reads
				return nil
			}
			if steps++; steps == fail {
				return broken
			}
			return nil
		}
		err := all[1].Follow(1)
		if failed := steps >= fail; failed != (err != nil) && !strings.Contains(all[1].log.String(), "is set aside") {
			t.Errorf("step %d of %d: %v", fail, steps, err)
		}
		if fail%2 == 0 { // it may also die
			all[1].open(t)
		}
		settle(t, all)
		if lines := wantAlike(t, all); len(lines) != 2 || all[0].Log.Len() != 1 {
			t.Errorf("step %d: %q, %d changes", fail, lines, all[0].Log.Len())
		}
		if fail > 50 {
			t.Fatal("there is no end of steps")
		}
	}
}

// TestSharedOdd: what is not understood is passed over.
func TestSharedOdd(t *testing.T) {
	all := nodes(t, t.TempDir(), 1, keyLine(newKey(t), "ann"))
	for _, odd := range []string{"", "{", "[]", `{"add":["# x"]}`, `{"add":["a\nb"]}`, `{"remove":[""]}`, `{"add":[1]}`} {
		if err := all[0].Registry.Receive([]byte(odd)); err != nil {
			t.Errorf("%q: %v", odd, err)
		}
		if !strings.Contains(all[0].log.String(), "passed over") {
			t.Errorf("%q: the log has nothing", odd)
		}
		all[0].log.Reset()
	}
	if lines := wantAlike(t, all); len(lines) != 1 {
		t.Errorf("%q", lines)
	}
}

// TestSharedLinesStay: what is shared of a line is read again as it is written.
func TestSharedLinesStay(t *testing.T) {
	for _, line := range []string{
		"ssh-ed25519 AAAA bob", "\ufeffssh-ed25519 AAAA bob", "\ufeff\ufeffssh-ed25519 AAAA bob", "ssh-ed25519 AAAA bob\r\r",
		"ssh-ed25519 AAAA b\xffb", "ssh-ed25519 AAAA " + strings.Repeat("\xff", lineMax-20), "ssh-ed25519 AAAA bob \r",
	} {
		for text := range sharedLines([]byte(line + "\n")) {
			if text == "" {
				continue // this server's alone
			}
			for again := range sharedLines([]byte(text + "\n")) {
				if again != text {
					t.Errorf("%.40q is shared as %.40q, and read as %.40q", line, text, again)
				}
			}
		}
	}
}
