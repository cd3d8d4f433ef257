package sessions_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"whoelse/room"
	"whoelse/sessions/protocol"
)

// bot is a program that speaks the protocol. Every frame that it gets is held against the schema.
type bot struct {
	*client
	schema *jsonschema.Schema
	seen   int // lines
}

// serverFrames is the schema of what the server sends.
func serverFrames(t testing.TB) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("../docs/protocol.schema.json#/$defs/server")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func (r *rig) bot(name string) *bot {
	d := dial{user: name, command: "json"}
	if !strings.HasPrefix(name, "guest") {
		d.key = name
	}
	return &bot{client: connect(r.t, r.addr, d), schema: serverFrames(r.t)}
}

// writes sends frames, given as JSON.
func (b *bot) writes(frames ...string) {
	b.t.Helper()
	b.typed(strings.Join(frames, "\n") + "\n")
}

// next returns the next frame.
func (b *bot) next() (f protocol.Frame) {
	b.t.Helper()
	if err := json.Unmarshal(b.line(), &f); err != nil {
		b.t.Fatal(err)
	}
	return f
}

// line returns the next frame as it comes.
func (b *bot) line() []byte {
	b.t.Helper()
	var line string
	if !b.Await(patience, func() bool {
		lines := strings.SplitAfter(b.received(), "\n")
		if len(lines) <= b.seen+1 {
			return false
		}
		line = lines[b.seen]
		return true
	}) {
		b.t.Fatalf("no more frames after\n%s", b.received())
	}
	b.seen++
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
	if err == nil {
		err = b.schema.Validate(value)
	}
	if err != nil {
		b.t.Fatalf("%s\n%v", line, err)
	}
	return []byte(line)
}

// short is a frame without what differs each time.
func short(f protocol.Frame) string {
	f.ID, f.At = "", ""
	if f.CMD == protocol.List {
		var nicks []string
		for _, p := range f.Data {
			nicks = append(nicks, p.UID)
		}
		return "LIST " + strings.Join(nicks, ",")
	}
	return strings.TrimSuffix(string(protocol.Append(nil, f)), "\n")
}

// gets expects these frames next, and returns them.
func (b *bot) gets(want ...string) (all []protocol.Frame) {
	b.t.Helper()
	for _, w := range want {
		f := b.next()
		for f.CMD == protocol.List && short(f) != w { // they come as presence is announced
			f = b.next()
		}
		if got := short(f); got != w {
			b.t.Fatalf("got  %s\nwant %s\nof\n%s", got, w, b.received())
		}
		all = append(all, f)
	}
	return all
}

// frame returns the next one that is no LIST.
func (b *bot) frame() protocol.Frame {
	b.t.Helper()
	for {
		if f := b.next(); f.CMD != protocol.List {
			return f
		}
	}
}

// joins is a bot that has joined.
func (r *rig) joins(name string, more ...string) *bot {
	r.t.Helper()
	b := r.bot(name)
	b.writes(`{"CMD":"JOIN"` + strings.Join(more, "") + `}`)
	for b.next().CMD != protocol.List {
	}
	return b
}

func TestProgramsConversation(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registers("carol")
	alice := connect(t, r.addr, dial{user: "alice", key: "alice"})
	bob := r.bot("bob")
	bob.writes(`{"CMD":"SEND","MSG":"early","REF":"0"}`, `{"CMD":"JOIN","UN":"bob","UID":"bob"}`)
	bob.gets(`{"CMD":"ACK","TYPE":"FAIL","OF":"SEND","REF":"0","CODE":"not-joined","REASON":"you have not joined yet; send JOIN first"}`,
		`{"CMD":"ACK","TYPE":"OKAY","OF":"JOIN","UID":"bob"}`, "LIST alice,bob")
	alice.expects("bob joined")
	bob.writes(`{"CMD":"SEND","MSG":"hi all","TO":[],"FROM":"bob","REF":"1"}`)
	said := bob.gets(`{"CMD":"MSG","TYPE":"ALL","FROM":"bob","MSG":"hi all","ROOM":"lobby"}`,
		`{"CMD":"ACK","TYPE":"OKAY","OF":"SEND","REF":"1","STATUS":"delivered"}`)
	if said[0].ID != said[1].ID || said[0].ID == "" {
		t.Errorf("the message is %s, the answer about %s", said[0].ID, said[1].ID)
	}
	alice.expects("bob: hi all")
	bob.writes(`{"CMD":"SEND","MSG":"lunch?","TO":["Alice","carol","alice"],"REF":"2"}`)
	bob.gets(`{"CMD":"MSG","TYPE":"GROUP","FROM":"bob","MSG":"lunch?","TO":["alice","carol"]}`,
		`{"CMD":"ACK","TYPE":"OKAY","OF":"SEND","REF":"2","UID":"carol","STATUS":"kept","CODE":"offline"}`,
		`{"CMD":"ACK","TYPE":"OKAY","OF":"SEND","REF":"2","UID":"alice","STATUS":"delivered"}`)
	alice.typed("@bob yes!\n")
	id := bob.gets(`{"CMD":"MSG","TYPE":"PRIVATE","FROM":"alice","MSG":"yes!","TO":["bob"]}`)[0].ID
	bob.writes(`{"CMD":"READ","IDS":["`+id+`"]}`, `{"CMD":"INBOX"}`)
	bob.gets(`{"CMD":"ACK","TYPE":"OKAY","OF":"READ"}`, `{"CMD":"ACK","TYPE":"OKAY","OF":"INBOX"}`)
	alice.expects("delivered to bob")
	if said := runs(t, r, dial{user: "carol", key: "carol", command: "inbox"}); !strings.Contains(said, "lunch?") {
		t.Error(said)
	}
	if f := bob.frame(); f.CMD != protocol.Status || f.UID != "carol" || f.Status != "read" {
		t.Errorf("got %+v", f)
	}
	bob.writes(`{"CMD":"PING","REF":"p"}`, `{"CMD":"WHO","REF":"w"}`, `{"CMD":"HISTORY","N":1,"REF":"h"}`, `{"CMD":"JOIN"}`, `{"CMD":"QUIT"}`)
	bob.gets(`{"CMD":"PONG","REF":"p"}`)
	if who := bob.frame(); who.Ref != "w" || len(who.Data) != 2 {
		t.Errorf("got %+v", who)
	}
	bob.gets(`{"CMD":"MSG","TYPE":"ALL","REF":"h","FROM":"bob","MSG":"hi all","ROOM":"lobby","REPLAY":true}`,
		`{"CMD":"ACK","TYPE":"OKAY","OF":"HISTORY","REF":"h"}`,
		`{"CMD":"ACK","TYPE":"FAIL","OF":"JOIN","CODE":"joined-already","REASON":"you have joined already"}`,
		`{"CMD":"BYE","CODE":"quit"}`)
	bob.expects("(exit status 0)")
	alice.expects("bob left")
}

// What a program may not do is answered with a code.
func TestProgramsAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registers("carol")
	bob := r.bot("bob")
	bob.writes(`{"CMD":"JOIN","UN":"alice"}`, `{"CMD":"JOIN","SINCE":"yesterday"}`, `{"CMD":"JOIN"}`)
	for _, want := range []protocol.Code{"not-you", protocol.BadField} {
		if f := bob.frame(); f.Code != want {
			t.Errorf("got %+v, want %s", f, want)
		}
	}
	bob.gets(`{"CMD":"ACK","TYPE":"OKAY","OF":"JOIN","UID":"bob"}`, "LIST bob")
	for frame, want := range map[string]protocol.Code{
		`{"CMD":"SEND","MSG":"x","FROM":"alice"}`:                          "not-you",
		`{"CMD":"SEND","MSG":" \n "}`:                                      "empty",
		`{"CMD":"SEND","MSG":"` + strings.Repeat("x", 10001) + `"}`:        protocol.TextTooLong,
		`{"CMD":"SEND","MSG":"x","TO":"bob"}`:                              "self",
		`{"CMD":"SEND","MSG":"x","TO":["zebra"]}`:                          "unknown-nick",
		`{"CMD":"SEND","MSG":"x","TO":["what is that"]}`:                   "unknown-nick",
		`{"CMD":"SEND","MSG":"x","TO":["carol"],"ME":true}`:                protocol.BadField,
		`{"CMD":"SEND","MSG":"x","TO":[1]}`:                                protocol.BadField,
		`{"CMD":"JOINROOM"}`:                                               protocol.BadField,
		`{"CMD":"JOINROOM","ROOM":"-attic"}`:                               "no-such-room",
		`{"CMD":"HISTORY","ROOM":"attic"}`:                                 "no-such-room",
		`{"CMD":"SEND","MSG":"x","ROOM":"attic"}`:                          "no-such-room",
		`{"CMD":"HISTORY","WITH":"zebra"}`:                                 "no-such-nick",
		`{"CMD":"HISTORY","N":10001}`:                                      protocol.BadField,
		`{"CMD":"DANCE","REF":"7"}`:                                        protocol.UnknownCmd,
		`{"CMD":"SEND","MSG":"x","REF":"` + strings.Repeat("r", 65) + `"}`: protocol.BadField,
	} {
		bob.writes(frame, `{"CMD":"PING"}`)
		if f := bob.frame(); f.Code != want || f.Reason == "" {
			t.Errorf("%s: got %+v, want %s", frame, f, want)
		}
		bob.gets(`{"CMD":"PONG"}`)
	}
}

// A program hears the lobby and the rooms that it joins, not those where its nick is otherwise.
func TestProgramsRooms(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob, alice := r.joins("bob"), r.joins("alice")
	joined := `{"CMD":"ACK","TYPE":"OKAY","OF":"JOINROOM","ROOM":"ops"}`
	bob.writes(`{"CMD":"JOINROOM","ROOM":"lobby","REF":"1"}`, `{"CMD":"JOINROOM","ROOM":"#Ops"}`)
	bob.gets(`{"CMD":"ACK","TYPE":"OKAY","OF":"JOINROOM","REF":"1","ROOM":"lobby"}`, joined)
	other := r.joins("bob")
	alice.writes(`{"CMD":"SEND","MSG":"x","ROOM":"ops"}`)
	if f := alice.frame(); f.Code != "not-in-room" {
		t.Errorf("got %+v", f)
	}
	alice.writes(`{"CMD":"JOINROOM","ROOM":"ops"}`, `{"CMD":"SEND","MSG":"red","ROOM":"ops"}`, `{"CMD":"SEND","MSG":"hi"}`)
	red := `{"CMD":"MSG","TYPE":"ALL","FROM":"alice","MSG":"red","ROOM":"ops"}`
	hi := `{"CMD":"MSG","TYPE":"ALL","FROM":"alice","MSG":"hi","ROOM":"lobby"}`
	bob.gets(red, hi)
	other.gets(hi)
	alice.gets(joined, red)
	bob.writes(`{"CMD":"HISTORY","ROOM":"ops"}`)
	bob.gets(strings.Replace(red, "}", `,"REPLAY":true}`, 1), `{"CMD":"ACK","TYPE":"OKAY","OF":"HISTORY"}`)
	hidden := r.joins("bob", `,"HIDDEN":true,"ROOMS":"ops"`)
	hidden.writes(`{"CMD":"JOINROOM","ROOM":"ops"}`)
	if f := hidden.frame(); f.Code != "not-allowed" {
		t.Errorf("got %+v", f)
	}
	alice.writes(`{"CMD":"SEND","MSG":"blue","ROOM":"ops"}`)
	hidden.gets(strings.Replace(red, "red", "blue", 1))
	bob.writes(`{"CMD":"WHO","ROOM":"ops"}`)
	bob.gets(strings.Replace(red, "red", "blue", 1))
	if f := bob.frame(); f.CMD != protocol.Who || len(f.Data) != 2 || f.Data[0].UID != "alice" {
		t.Errorf("got %+v", f)
	}
	left := `{"CMD":"ACK","TYPE":"OKAY","OF":"LEAVEROOM","CODE":"room-left","ROOM":"ops"}`
	hidden.writes(`{"CMD":"LEAVEROOM","ROOM":"ops"}`)
	hidden.gets(left)
	alice.writes(`{"CMD":"SEND","MSG":"green","ROOM":"ops"}`, `{"CMD":"SEND","MSG":"hi"}`)
	hidden.gets(hi)
	bob.gets(hi)
	bob.writes(`{"CMD":"LEAVEROOM","ROOM":"ops"}`, `{"CMD":"READ","ROOM":"ops","IDS":"00000000001"}`)
	for range 2 {
		if f := bob.frame(); f.Code != "not-in-room" || f.Room != "ops" {
			t.Errorf("got %+v", f)
		}
	}
}

// A JOIN with a room that is not open fails, and can be tried again. Guests have no rooms before they join.
func TestProgramsRoomsNotOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob := r.terminal("bob", r.addr)
	bob.enters("/join #plans", "you made #plans")
	bob.enters("/room private", "#plans is private")
	dave, sam := r.bot("dave"), r.bot("guestsam")
	for range 5 { // as many rooms as one may make
		dave.writes(`{"CMD":"JOIN","ROOMS":["#plans"]}`)
		if f := dave.frame(); f.Type != protocol.Fail || f.Code != "no-such-room" || f.Room != "plans" {
			t.Errorf("got %+v", f)
		}
	}
	dave.writes(`{"CMD":"JOIN","ROOMS":["lobby"]}`)
	dave.gets(`{"CMD":"ACK","TYPE":"OKAY","OF":"JOIN","UID":"dave"}`)
	sam.writes(`{"CMD":"JOIN","ROOMS":["ops"]}`)
	if f := sam.frame(); f.Code != "keys-only" {
		t.Errorf("got %+v", f)
	}
}

// What a program gets is unread for the person whose nick it has, until the program reads it.
func TestProgramsReadRooms(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	alice := r.terminal("alice", r.addr)
	alice.enters("/join #ops", "you made #ops")
	bob := r.joins("bob", `,"ROOMS":["ops"]`)
	alice.enters("one", "alice: one")
	alice.enters("two", "alice: two")
	one := bob.frame()
	bob.frame()
	unread := func(want string) {
		t.Helper()
		if got := runs(t, r, dial{user: "bob", key: "bob", command: "rooms"}); !strings.Contains(got, "#ops\tjoined\t2\t"+want+"\t") {
			t.Errorf("got %q, want %s unread", got, want)
		}
	}
	unread("2")
	bob.writes(`{"CMD":"READ","ROOM":"ops","IDS":["` + one.ID + `"]}`)
	bob.gets(`{"CMD":"ACK","TYPE":"OKAY","OF":"READ"}`)
	unread("1")
	screen := r.terminal("bob", r.addr)
	screen.sees("#ops: 2 people, 1 unread")
	unread("1")
	screen.enters("/history #ops", "#ops alice: two")
	unread("0")
}

// Three lines in a row that are no frames end the session; a good one between them begins anew.
func TestProgramsBadLines(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob := r.joins("bob")
	long := `{"CMD":"SEND","MSG":"` + strings.Repeat("x", protocol.MaxLine) + `"}`
	bob.writes("hello", "[1]", `{"CMD":"PING"}`, "", "null", long, "{\"CMD\":\"PING\xff\"}", `{"CMD":"PING"}`)
	for _, want := range []protocol.Code{"not-json", "not-json", "", "not-json", "too-long", "not-json", "bad-lines"} {
		if f := bob.frame(); f.Code != want {
			t.Errorf("got %+v, want %s", f, want)
		}
	}
	bob.expects("(exit status 1)")
}

// A direct message is delivered when the program has sent READ.
func TestProgramsRead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob := r.joins("bob")
	alice := connect(t, r.addr, dial{user: "alice", key: "alice"})
	alice.typed("@bob one\n")
	for bob.next().Msg != "one" {
	}
	alice.expects("kept for bob (not answering)")
	bob.writes(`{"CMD":"INBOX"}`)
	one := bob.gets(`{"CMD":"MSG","TYPE":"PRIVATE","FROM":"alice","MSG":"one","TO":["bob"],"REPLAY":true}`,
		`{"CMD":"ACK","TYPE":"OKAY","OF":"INBOX"}`)[0]
	bob.writes(`{"CMD":"READ","IDS":"`+one.ID+`"}`, `{"CMD":"INBOX"}`)
	bob.gets(`{"CMD":"ACK","TYPE":"OKAY","OF":"READ"}`, `{"CMD":"ACK","TYPE":"OKAY","OF":"INBOX"}`)
	alice.expects("bob has read")

	alice.typed("@bob two\n")
	for bob.next().Msg != "two" {
	}
	bob.end() // without a word
	alice.expects("kept for bob (connection lost)")
	again := r.joins("bob")
	again.writes(`{"CMD":"INBOX"}`)
	two := again.frame()
	if two.Msg != "two" || !two.Replay {
		t.Errorf("got %+v", two)
	}
	again.gets(`{"CMD":"ACK","TYPE":"OKAY","OF":"INBOX"}`)
	again.writes(`{"CMD":"READ","IDS":["`+two.ID+`","00000000000"]}`, `{"CMD":"INBOX"}`)
	again.gets(`{"CMD":"ACK","TYPE":"OKAY","OF":"READ"}`, `{"CMD":"ACK","TYPE":"OKAY","OF":"INBOX"}`)
	alice.counts("bob has read", 2)
}

// All sessions of a nick get a message, and one READ is enough. READ of anything else changes nothing.
func TestProgramsConnectedTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one, two := r.joins("bob"), r.joins("bob")
	alice := connect(t, r.addr, dial{user: "alice", key: "alice"})
	alice.typed("@bob psst\n")
	const psst = `{"CMD":"MSG","TYPE":"PRIVATE","FROM":"alice","MSG":"psst","TO":["bob"]}`
	id := one.gets(psst)[0].ID
	two.gets(psst)
	two.writes(`{"CMD":"READ","IDS":["`+id+`"]}`, `{"CMD":"INBOX"}`)
	two.gets(`{"CMD":"ACK","TYPE":"OKAY","OF":"READ"}`, `{"CMD":"ACK","TYPE":"OKAY","OF":"INBOX"}`)
	alice.expects("delivered to bob")
	one.writes(`{"CMD":"READ","IDS":["` + id + `"]}`)
	one.gets(`{"CMD":"ACK","TYPE":"OKAY","OF":"READ"}`)
}

// A hidden program is in no list and hears all the same; what it hears is not delivered.
func TestProgramsHidden(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registers("carol")
	alice := connect(t, r.addr, dial{user: "alice", key: "alice"})
	carol := r.bot("carol")
	carol.writes(`{"CMD":"JOIN","HIDDEN":true}`)
	carol.gets(`{"CMD":"ACK","TYPE":"OKAY","OF":"JOIN","UID":"carol"}`, "LIST alice")
	alice.typed("whoelse\n@carol psst\nhello\n")
	carol.gets(`{"CMD":"MSG","TYPE":"PRIVATE","FROM":"alice","MSG":"psst","TO":["carol"]}`,
		`{"CMD":"MSG","TYPE":"ALL","FROM":"alice","MSG":"hello","ROOM":"lobby"}`)
	alice.expects("kept for carol (offline)")
	connect(t, r.addr, dial{user: "dave", key: "dave"}).end()
	carol.gets("LIST alice,dave")
	carol.writes(`{"CMD":"SEND","MSG":"I am here","ME":true}`)
	for carol.next().Kind != "me" {
	}
	alice.expects("* carol I am here")
	if strings.Contains(alice.received(), "carol joined") {
		t.Error("alice sees a hidden program come")
	}
}

// A program whose connection breaks again and again has a ledger of what was said to it, and in its rooms,
// without a gap or a repeat, by SINCE.
func TestProgramsLedger(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]string{"present": "", "hidden": `,"HIDDEN":true`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keepsLedger(t, `,"ROOMS":["lobby","#Ops"]`+how)
		})
	}
}

func keepsLedger(t *testing.T, how string) {
	r := newRig(t)
	alice := connect(t, r.addr, dial{user: "alice", key: "alice"})
	alice.typed("/join #ops\n/join #lobby\n")
	alice.expects("you are in the lobby")
	var ledger []string
	since := ""
	const all = 60
	next := 0
	say := func(n int) {
		for range n {
			alice.typed(fmt.Sprintf([]string{"@bob %d\n", "#ops %d\n", "/say %d\n"}[next%3], next))
			next++
		}
	}
	for round := 0; len(ledger) < all; round++ {
		bob := r.bot("bob")
		bob.writes(`{"CMD":"JOIN"` + how + since + `}`)
		if round == 0 {
			for bob.next().CMD != protocol.List {
			}
			say(all / 3)
		}
		for n := 0; n < 7 && len(ledger) < all; {
			f := bob.frame()
			if f.CMD != protocol.Msg {
				continue
			}
			n++
			ledger = append(ledger, f.Msg)
			since = `,"SINCE":"` + f.ID + `"`
			if next < all && n == 3 {
				say(5)
			}
		}
		bob.conn.Close()
	}
	want := make([]string, all)
	for i := range want {
		want[i] = fmt.Sprint(i)
	}
	if !slices.Equal(ledger, want) {
		t.Errorf("got %s", ledger)
	}
}

// What holds for people holds for programs: mutes, kicks, absence, the end of the server.
func TestProgramsAreTreatedLikePeople(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, "olivia")
	olivia := r.terminal("olivia", r.addr)
	bob, sam := r.joins("bob"), r.joins("guestsam")
	r.registers("carol")
	olivia.enters("/mute bob", "muted bob")
	if f := bob.frame(); f.Code != protocol.Notice || !strings.HasPrefix(f.Reason, "olivia muted you") {
		t.Errorf("got %+v", f)
	}
	bob.writes(`{"CMD":"SEND","MSG":"x"}`, `{"CMD":"SEND","MSG":"x","TO":"carol"}`)
	for range 2 {
		if f := bob.frame(); f.Code != "muted" {
			t.Errorf("got %+v", f)
		}
	}
	sam.writes(`{"CMD":"SEND","MSG":"x","TO":"bob"}`)
	sam.gets(`{"CMD":"MSG","TYPE":"PRIVATE","FROM":"~guestsam","MSG":"x","TO":["bob"]}`)
	if said := runs(t, r, dial{user: "bob", key: "bob", command: "away"}); !strings.Contains(said, "status 0") {
		t.Error(said)
	}
	sam.writes(`{"CMD":"SEND","MSG":"y","TO":"bob","REF":"y"}`)
	for f := sam.frame(); ; f = sam.frame() {
		if f.Ref == "y" {
			if f.Status != "kept" || f.Code != "away" {
				t.Errorf("got %+v", f)
			}
			break
		}
	}
	olivia.enters("/kick bob too chatty", "bob")
	for f := bob.frame(); ; f = bob.frame() {
		if f.CMD == protocol.Bye {
			if f.Code != "ended" || !strings.Contains(f.Reason, "too chatty") {
				t.Errorf("got %+v", f)
			}
			break
		}
	}
	bob.expects("(exit status 4)")
	r.stop()
	r.start()
	for f := sam.frame(); f.CMD != protocol.Bye; f = sam.frame() {
	}
	if !strings.Contains(sam.received(), `"CODE":"shutdown"`) {
		t.Error(sam.received())
	}
}

// Words are cleaned, and lines and REFs are what they were, whatever is in them.
func TestProgramsText(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob := r.joins("bob")
	bob.writes(`{"CMD":"SEND","MSG":"a\u001b[31m\u202eb\n<&>\u2028c\ud800","REF":"ü✓"}`)
	said := bob.frame()
	if strings.ContainsAny(said.Msg, "\x1b\u202e") || !strings.Contains(said.Msg, "<&>") {
		t.Errorf("got %q", said.Msg)
	}
	if f := bob.frame(); f.Ref != "ü✓" {
		t.Errorf("got %+v", f)
	}
}

// After more than can be searched for, a program is told so, gets nothing of the past, and goes on
// live.
func TestProgramsGap(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registers("bob")
	r.say("alice", "long ago")
	hidden := r.joins("bob", `,"HIDDEN":true`)
	hidden.writes(`{"CMD":"HISTORY","N":1}`)
	since := hidden.gets(`{"CMD":"MSG","TYPE":"ALL","FROM":"alice","MSG":"long ago","ROOM":"lobby","REPLAY":true}`)[0].ID
	r.registers("carol")
	runs(t, r, dial{user: "bob", key: "bob", command: "block carol"})
	carol := r.room.Visit(room.Identity{Nick: "carol"})
	const lines = 420 // that are hidden: 4 MiB
	said := make(chan error, lines)
	for range lines {
		sayInLobby(carol, strings.Repeat("x", 10_000), func(err error) { said <- err })
	}
	for range lines {
		r.must(<-said)
	}
	r.say("alice", "lately")
	bob := r.bot("bob")
	bob.writes(`{"CMD":"JOIN","SINCE":"` + since + `","REF":"j"}`)
	bob.gets(`{"CMD":"ACK","TYPE":"OKAY","OF":"JOIN","REF":"j","UID":"bob"}`,
		`{"CMD":"ERROR","REF":"j","CODE":"gap","REASON":"more was said since than is replayed"}`, "LIST bob")
	r.say("alice", "now")
	bob.gets(`{"CMD":"MSG","TYPE":"ALL","FROM":"alice","MSG":"now","ROOM":"lobby"}`)
	// Nor does a place move on from an ID that there is not yet.
	bob = r.bot("bob")
	bob.writes(`{"CMD":"JOIN","SINCE":"zzzzzzzzzzz","REF":"k"}`)
	bob.gets(`{"CMD":"ACK","TYPE":"OKAY","OF":"JOIN","REF":"k","UID":"bob"}`)
	if f := bob.next(); f.CMD != protocol.Err || f.Code != protocol.Gap || f.Ref != "k" {
		t.Errorf("got %+v", f)
	}
}

// So many direct messages wait for a program's READ; further ones are kept at once, until it has read
// some.
func TestProgramsHeld(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const most = 1000
	bob, alice := r.joins("bob"), r.joins("alice")
	send := func(ref int) { alice.writes(fmt.Sprintf(`{"CMD":"SEND","MSG":"%d","TO":"bob","REF":"%[1]d"}`, ref)) }
	answer := func(ref int) protocol.Frame {
		for {
			if f := alice.next(); f.CMD == protocol.Ack && f.Ref == fmt.Sprint(ref) {
				return f
			}
		}
	}
	ids := map[string]string{}
	for n := range most + 1 {
		send(n)
	}
	for len(ids) <= most {
		if f := bob.next(); f.CMD == protocol.Msg {
			ids[f.Msg] = f.ID
		}
	}
	if f := answer(most); f.Status != "kept" || f.Code != "lost" {
		t.Errorf("one too many: %+v", f)
	}
	bob.writes(`{"CMD":"READ","IDS":["` + ids["0"] + `"]}`)
	bob.gets(`{"CMD":"ACK","TYPE":"OKAY","OF":"READ"}`)
	send(most + 1)
	for bob.next().Msg != fmt.Sprint(most+1) {
	}
	bob.writes(`{"CMD":"INBOX"}`)
	for f := bob.frame(); f.Msg != fmt.Sprint(most) || !f.Replay; f = bob.frame() { // on a slow machine after others
		if f.CMD != protocol.Msg {
			t.Fatalf("it is not in the inbox: %+v", f)
		}
	}
}

// A client of the course's protocol, written from the names of its fields alone: it knows JOIN, SEND,
// ACK, LIST and MSG, fills in all fields it knows, and ignores others.
func TestClientOfTheCourse(t *testing.T) {
	t.Parallel()
	type user struct{ UN, UID string }
	type frame struct {
		CMD, TYPE, MSG, FROM string
		DATA                 []user
	}
	r := newRig(t)
	join := func(name string) (next func(cmd string) frame, send func(any)) {
		c := r.bot(name)
		next = func(cmd string) (f frame) {
			for f.CMD != cmd {
				f = frame{}
				r.must(json.Unmarshal(c.line(), &f))
			}
			return f
		}
		send = func(f any) {
			line, err := json.Marshal(f)
			r.must(err)
			c.typed(string(line) + "\n")
		}
		send(struct{ CMD, UN, UID string }{"JOIN", name, name})
		if f := next("ACK"); f.TYPE != "OKAY" {
			t.Errorf("%s joins: %+v", name, f)
		}
		return next, send
	}
	type message struct {
		CMD, MSG string
		TO       []string
		FROM     string
	}
	alice, toAlice := join("alice")
	bob, toBob := join("bob")
	if list := bob("LIST").DATA; !slices.Equal(list, []user{{"alice", "alice"}, {"bob", "bob"}}) {
		t.Errorf("bob sees %+v", list)
	}
	for list := alice("LIST").DATA; len(list) < 2; list = alice("LIST").DATA {
	}
	toBob(message{"SEND", "to all", []string{}, "bob"})
	if f := alice("MSG"); f.TYPE != "ALL" || f.FROM != "bob" || f.MSG != "to all" {
		t.Errorf("alice gets %+v", f)
	}
	toAlice(message{"SEND", "to one", []string{"bob"}, "alice"})
	f := bob("MSG")
	for ; f.FROM == "bob"; f = bob("MSG") { // what it said itself comes, too
	}
	if f.TYPE != "PRIVATE" || f.FROM != "alice" || f.MSG != "to one" {
		t.Errorf("bob gets %+v", f)
	}
	toAlice(message{"SEND", "to nobody", []string{"zebra"}, "alice"})
	for f := alice("ACK"); f.TYPE != "FAIL"; f = alice("ACK") {
	}
	toBob(struct{ CMD, MSG, FROM string }{"SEND", "without a list", "bob"})
	for f := alice("MSG"); f.MSG != "without a list"; f = alice("MSG") {
	}
}
