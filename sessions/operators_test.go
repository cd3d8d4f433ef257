package sessions_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whoelse/room"
)

// newRigOf starts a server on which these are operators.
func newRigOf(t testing.TB, operators ...string) *rig {
	r := newRig(t)
	for _, nick := range operators {
		r.trust(nick)
	}
	return r
}

// enters types one line and waits for an answer with each of texts.
func (c *client) enters(line string, texts ...string) {
	c.t.Helper()
	c.typed(line + "\r")
	c.sees(texts...)
}

// neverSaw fails if something was shown until now.
func (c *client) neverSaw(what string) {
	c.t.Helper()
	if strings.Contains(c.received(), what) {
		c.t.Errorf("%q is shown", what)
	}
}

// counts waits until something was shown n times.
func (c *client) counts(what string, n int) {
	c.t.Helper()
	if _, ok := c.await(patience, func([]string) bool { return strings.Count(c.received(), what) >= n }); !ok {
		c.t.Fatalf("%q is not shown %d times", what, n)
	}
}

// Nobody but operators gets anything of what is theirs, whatever they type.
func TestOnlyOperators(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, "olivia")
	olivia, bob := r.terminal("olivia", r.addr), r.pipe("bob")
	lines := []string{
		"/kick olivia", "/kick", "/kick olivia why", "/ban olivia", "/ban", "/ban 203.0.113.9 2h x", "/ban x 90x", "/unban x", "/bans",
		"/mute olivia", "/unmute olivia", "/invite carol", "/invite", "/announce hear me", "/help ban", "/KICK olivia",
	}
	for _, line := range lines {
		bob.typed(line + "\n")
	}
	rows, _ := bob.await(patience, func(rows []string) bool { return len(refusals(rows)) >= len(lines) })
	if got := refusals(rows); len(got) != len(lines) {
		t.Errorf("%d of %d are refused:\n%s", len(got), len(lines), strings.Join(rows, "\n"))
	}
	bob.typed("help\nthat is all\n")
	olivia.sees("bob: that is all")
	if all := bob.received(); strings.Contains(all, "/ban") || strings.Contains(all, "/invite") {
		t.Errorf("help shows bob operators' commands:\n%s", all)
	}
	olivia.enters("help", "/ban NICK|FINGERPRINT|ADDRESS|CIDR", "/announce TEXT")
	if got := r.audited(); len(got) != 0 {
		t.Errorf("on record: %v", got)
	}
}

func refusals(rows []string) []string {
	return slices.DeleteFunc(slices.Clone(rows), func(row string) bool { return row != " * only operators can do that" })
}

// A kick ends all sessions of a nick, a command that waits for input and a client
// that takes nothing among them, and nobody else's.
func TestKickEndsEverySession(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, "olivia")
	carol := r.terminal("carol", r.addr)
	one, two := r.terminal("bob", r.addr), r.pipe("bob")
	carol.sees("bob joined")
	waits := connect(t, r.addr, dial{user: "bob", key: "bob", command: "send carol -"})
	waits.typed("half a mess")
	r.awaitVisits("bob", 3)
	kick := connect(t, r.addr, dial{user: "olivia", key: "olivia", command: "kick BOB \u202eevil\x1b[2J\r\n<b>\x9b\u200b"})
	kick.sees("kicked bob: 3 sessions, from 127.0.0.1", "(exit status 0)")
	for _, c := range []*client{one, two} {
		c.sees("you were kicked by olivia: evil <b>", "(exit status 1)")
		if strange := c.strange(); len(strange) > 0 {
			t.Errorf("bob got %q", strange)
		}
	}
	waits.sees("! whoelse: you were kicked by olivia: evil", "(exit status 4)")
	carol.sees("bob left")
	carol.neverSaw("half a mess")
	if got, want := r.audited(), []map[string]string{{"who": "olivia", "what": "kick", "whom": "bob", "why": "evil <b>?"}}; !cmp.Equal(got, want) {
		t.Errorf("on record (-want +got):\n%s", cmp.Diff(want, got))
	}
}

// A kick that the cluster may still get to the other servers is done here, and nobody says that it failed.
func TestKickUnconfirmed(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, dir: t.TempDir()}
	r.files.TellServers = func([]byte) error { return room.ErrUncertain }
	r.start()
	t.Cleanup(r.stop)
	r.trust("olivia")
	bob, olivia := r.terminal("bob", r.addr), r.terminal("olivia", r.addr)
	olivia.enters("/kick bob", "kick is not confirmed: the cluster did not answer in time; it may still happen")
	bob.sees("you were kicked by olivia")
}

// Guests are known by the name that they were given.
func TestKickOneOfTwoGuests(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, "olivia")
	olivia := r.terminal("olivia", r.addr)
	first := connect(t, r.addr, dial{user: "eve"})
	second := connect(t, r.addr, dial{user: "eve"})
	second.sees("you are ~eve2")
	olivia.enters("/kick ~eve2", "kicked ~eve2: 1 session")
	second.sees("you were kicked by olivia")
	first.typed("still here\n")
	olivia.sees("~eve: still here")
}

// Muted people read and do not write, also over a restart, until the time is over
// or somebody ends it.
func TestMute(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, "olivia")
	olivia := r.terminal("olivia", r.addr)
	bob := r.terminal("bob", r.addr)
	olivia.sees("bob joined")
	olivia.enters("/mute bob 2h", "muted bob for 2h")
	bob.sees("olivia muted you for 2h")
	olivia.enters("do you hear me", "olivia: do you hear me")
	bob.sees("olivia: do you hear me")
	for _, line := range []string{"aloud", "@olivia aloud", "/me is aloud", "broadcast aloud", "broadcast user olivia,zoe aloud", "/r aloud", "/away aloud"} {
		run := connect(t, r.addr, dial{user: "bob", key: "bob", command: strings.TrimPrefix(commandOf(line), "/")})
		run.sees("not sent: olivia muted you until", "(exit status 4)")
		before := strings.Count(bob.received(), "not sent: olivia muted you until")
		bob.typed(line + "\r")
		bob.counts("not sent: olivia muted you until", before+1)
	}
	bob.enters("whoelse", "1 other person is here")
	olivia.neverSaw("is aloud")
	olivia.neverSaw("bob: aloud")
	olivia.neverSaw("-> you")
	r.stop()
	r.start()
	connect(t, r.addr, dial{user: "bob", key: "bob", command: "say aloud"}).sees("olivia muted you until")
	connect(t, r.addr, dial{user: "olivia", key: "olivia", command: "unmute bob"}).sees("bob can write again", "(exit status 0)")
	connect(t, r.addr, dial{user: "bob", key: "bob", command: "say aloud"}).sees("(exit status 0)")
}

func commandOf(line string) string {
	if strings.ContainsAny(line[:1], "/@b") {
		return line
	}
	return "say " + line
}

// An announcement reaches everyone, rings, and stands in the history.
func TestAnnounce(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, "olivia")
	olivia, bob := r.terminal("olivia", r.addr), r.terminal("bob", r.addr)
	bob.enters("/block olivia", "olivia's messages are hidden")
	olivia.typed("/announce down at \x1b]0;x\x07noon\u202e\r")
	bob.sees("olivia announces: down at ")
	if n := bob.bells(); n != 1 {
		t.Errorf("%d bells", n)
	}
	if strange := bob.strange(); len(strange) > 0 {
		t.Errorf("bob got %q", strange)
	}
	connect(t, r.addr, dial{user: "bob", key: "bob", command: "history 1"}).sees("\tnotice\tolivia\t#lobby\tdown at ")
	r.terminal("carol", r.addr).sees("olivia announces: down at ")
}

// An invitation prints what to type; nobody is taken over by one.
func TestInvite(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, "olivia", "oscar")
	olivia, oscar := r.terminal("olivia", r.addr), r.terminal("oscar", r.addr)
	olivia.enters("/invite carol 3d", "one-time invitation for carol, valid for 3d", "ssh -p 2222 carol+")
	oscar.sees("olivia invited carol")
	oscar.neverSaw("carol+")
	olivia.enters("/invite oscar", "oscar is already registered to a key")
	olivia.enters("/invite 0scar", "reads like oscar")
	olivia.enters("/invite ~eve", "guests need no invitation")
	olivia.enters("/invite root", "can't be a nick")
	olivia.enters("/invite dave soon", `"soon" is not a duration`)
	want := []map[string]string{
		{"who": "olivia", "what": "invite", "whom": "carol", "for": "3d"},
		{"who": "olivia", "what": "invite", "whom": "oscar", "for": "1d"},
		{"who": "olivia", "what": "invite", "whom": "oscar", "for": "1d", "failed": "oscar is already registered to a key; its owner can add another one with /key add"},
	}
	if got := r.audited()[:3]; !cmp.Equal(got, want) {
		t.Errorf("on record (-want +got):\n%s", cmp.Diff(want, got))
	}
}

// What can't be put on record is not done, and what fails is on record as failed.
// Nobody reads an internal error.
func TestAuditFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.trust("olivia")
	olivia, bob := r.terminal("olivia", r.addr), r.terminal("bob", r.addr)
	for _, name := range []string{"bans.json", "mutes.json", "invites.json"} {
		r.must(os.Mkdir(filepath.Join(r.dir, name), 0o700)) // nothing can be put in its place
	}
	olivia.enters("/ban bob", "ban failed: storage trouble")
	olivia.enters("/mute bob", "mute failed: storage trouble")
	olivia.enters("/invite carol", "invite failed: storage trouble")
	olivia.enters("/unmute bob", "bob is not muted")
	bob.enters("and now", "bob: and now")
	const trouble = "storage trouble; please try again in a moment"
	want := []map[string]string{
		{"who": "olivia", "what": "ban", "whom": "bob"},
		{"who": "olivia", "what": "ban", "whom": "bob", "failed": trouble},
		{"who": "olivia", "what": "mute", "whom": "bob"},
		{"who": "olivia", "what": "mute", "whom": "bob", "failed": trouble},
		{"who": "olivia", "what": "invite", "whom": "carol", "for": "1d"},
		{"who": "olivia", "what": "invite", "whom": "carol", "for": "1d", "failed": trouble},
		{"who": "olivia", "what": "unmute", "whom": "bob"},
		{"who": "olivia", "what": "unmute", "whom": "bob", "failed": "bob is not muted"},
	}
	if got := r.audited(); !cmp.Equal(got, want) {
		t.Errorf("on record (-want +got):\n%s", cmp.Diff(want, got))
	}
	r.must(r.files.Audit.Close())
	for _, line := range []string{"/kick bob", "/ban bob", "/mute bob", "/announce hear me", "/invite carol"} {
		before := strings.Count(olivia.received(), "not done: writing the audit log failed: storage trouble")
		olivia.typed(line + "\r")
		olivia.counts("not done: writing the audit log failed: storage trouble", before+1)
	}
	bob.enters("still here and heard", "bob: still here and heard")
	bob.neverSaw("hear me\r")
	olivia.neverSaw(r.dir)
	if got := r.audited(); len(got) != len(want) {
		t.Errorf("%d are on record, want %d", len(got), len(want))
	}
}
