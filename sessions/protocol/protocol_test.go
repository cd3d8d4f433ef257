package protocol

import (
	"cmp"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/room"
	"whoelse/sessions/result"
	"whoelse/sessions/text"
)

func TestDecode(t *testing.T) {
	for line, want := range map[string]Code{
		`{"CMD":"PING"}`: "",
		`{"CMD":"PING","NEWS":{"a":[1]},"REF":"1"}`: "",
		`{"CMD":"SEND","TO":null}`:                  "",
		`{"CMD":"READ","IDS":"1"}`:                  "",
		`{}`:                                        BadField,
		`{"CMD":1}`:                                 BadField,
		`{"CMD":"SEND","MSG":["x"]}`:                BadField,
		`{"CMD":"SEND","TO":{"a":"b"}}`:             BadField,
		`{"CMD":"PING","REF":"a\u0007"}`:            BadField,
		`{"CMD":"SEND","KEY":"a\u0007"}`:            BadField,
		`{"CMD":"SEND","KEY":"a b"}`:                "",
		`{"CMD":"HISTORY","N":-1}`:                  BadField,
		`{"CMD":"HISTORY","N":1.5}`:                 BadField,
		`{"CMD":"READ"}`:                            BadField,
		`{"CMD":"SEND","MSG":"x","TO":["bob",""]}`:  BadField,
		`[{"CMD":"PING"}]`:                          NotJSON,
		`{"CMD":"ping"}`:                            UnknownCmd,
		`{"CMD":"PING"} {}`:                         NotJSON,
		`null`:                                      NotJSON,
		`"PING"`:                                    NotJSON,
		``:                                          NotJSON,
		strings.Repeat("[", 60<<10):                 NotJSON,
		`{"X":` + strings.Repeat(`{"a":`, 11_000):   NotJSON,
		`{"CMD":"` + strings.Repeat("x", MaxLine):   TooLong,
	} {
		var got Code
		if _, wrong := Decode([]byte(line)); wrong != nil {
			got = wrong.Code
		}
		if got != want {
			t.Errorf("%.60s: got %q, want %q", line, got, want)
		}
	}
	to, wrong := Decode([]byte(`{"CMD":"SEND","MSG":"x","TO":"bob"}`))
	if wrong != nil || !slices.Equal(to.To, []string{"bob"}) {
		t.Errorf("got %v, %v", to, wrong)
	}
	for _, line := range []string{`{"REF":"7","CMD":"SEND","ME":"yes"}`, `{"CMD":"SEND","TO":5,"REF":"7"}`} {
		if _, wrong := Decode([]byte(line)); wrong.Ref != "7" {
			t.Errorf("%s: got %v", line, wrong)
		}
	}
}

// server compiles the schema of what the server sends.
func server(t testing.TB) *jsonschema.Schema {
	schema, err := jsonschema.NewCompiler().Compile("../../docs/protocol.schema.json#/$defs/server")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func valid(t *testing.T, schema *jsonschema.Schema, f Frame) {
	t.Helper()
	validLine(t, schema, string(Append(nil, f)))
}

func validLine(t *testing.T, schema *jsonschema.Schema, line string) {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
	if err == nil {
		err = schema.Validate(value)
	}
	if err != nil || strings.Count(line, "\n") != 1 {
		t.Errorf("%s%v", line, err)
	}
}

func TestFramesFollowTheSchema(t *testing.T) {
	schema := server(t)
	now := time.Now()
	m := room.Message{ID: "1k14awdp9yp", Time: now, From: "~sam", Text: "a\n\u2028<b>", Ref: "1k14awdp9yq", To: []string{"bob"}}
	for _, kind := range []room.Kind{room.KindDirect, room.KindGroup, room.KindReceipt} {
		m.Kind = kind
		valid(t, schema, OfMessage(&m))
	}
	m.Text = room.ReceiptGone
	valid(t, schema, OfMessage(&m))
	m.To = nil
	for _, kind := range []room.Kind{room.KindSay, room.KindMe, room.KindNotice} {
		m.Kind = kind
		valid(t, schema, OfMessage(&m))
	}
	send := Frame{CMD: Send, Ref: "1"}
	for outcome := room.Delivered; outcome <= room.Failed; outcome++ {
		if outcomes[outcome].status == "" {
			t.Errorf("outcome %d has no status", outcome)
		}
		valid(t, schema, send.OfReceipt(result.Receipt{Receipt: room.Receipt{To: "bob", Outcome: outcome}}, "words"))
	}
	all := []room.Presence{{Nick: "bob", Since: now, Active: now, Sessions: 1, Away: true, Reason: "lunch"}, {Nick: "~sam", Since: now, Active: now}}
	for _, people := range [][]room.Presence{nil, all} {
		valid(t, schema, ListOf(people))
	}
	_, wrong := Decode(nil)
	valid(t, schema, *wrong)
}

// Whatever a command can fail with, or find, has a CODE of the schema.
func TestCodesOfCommandsFollowTheSchema(t *testing.T) {
	schema := server(t)
	source, err := os.ReadFile("../result/result.go")
	if err != nil {
		t.Fatal(err)
	}
	constants := func(of string) (all []string) {
		for _, m := range regexp.MustCompile(of+` += "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
			all = append(all, m[1])
		}
		return all
	}
	kinds, reasons, whats := constants("Code"), constants("Reason"), constants("What")
	if len(kinds) < 5 || len(reasons) < 20 || len(whats) < 10 {
		t.Fatalf("%d, %d, %d constants", len(kinds), len(reasons), len(whats))
	}
	all := []result.Result{result.Done{Nick: "bob"}}
	for _, what := range whats {
		all = append(all, result.Done{What: result.What(what)})
	}
	for _, kind := range kinds {
		if result.Code(kind) != result.NotFound { // which always has a reason
			all = append(all, result.Failure{Code: result.Code(kind)})
		}
	}
	for _, reason := range reasons {
		f := result.Failure{Code: result.Refused, Reason: result.Reason(reason)}
		switch f.Reason {
		case result.NotAffordable, result.TooManyTails:
			f.Code = result.Limit
		case result.AnswersMissing, result.MarkingMissing:
			f.Code = result.Unconfirmed
		}
		if slices.Index(reasons, reason) >= slices.Index(reasons, string(result.Sending)) {
			f.Code = result.Storage
		}
		all = append(all, f)
	}
	for _, r := range all {
		for _, name := range []string{"SEND", ""} {
			for line := range strings.Lines(string(AppendResult(nil, Frame{CMD: name}, r, "words"))) {
				if name != "" || strings.Contains(line, "ERROR") {
					validLine(t, schema, line)
				}
			}
		}
	}
}

// Whatever a line is, it is a frame within the limits or an error that answers it.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"CMD":"SEND","MSG":"x","TO":["a","b"],"REF":"1"}`))
	f.Add([]byte(`{"CMD":"READ","IDS":"1","N":5}`))
	f.Add([]byte(`{"CMD":"JOINROOM","ROOM":"lobby"}`))
	f.Add([]byte("null"))
	schema := server(f)
	f.Fuzz(func(t *testing.T, line []byte) {
		frame, wrong := Decode(line)
		if wrong != nil {
			if wrong.Code == "" || utf8.RuneCountInString(wrong.Ref) > maxRef {
				t.Fatalf("%v", wrong)
			}
			valid(t, schema, *wrong)
			return
		}
		valid(t, schema, frame.Failed("empty", "x"))
		valid(t, schema, frame.Done())
		again, wrong := Decode(Append(nil, frame))
		if wrong != nil && len(line) < MaxLine/6 || !json.Valid(Append(nil, again)) {
			t.Fatalf("%q: %v", line, wrong)
		}
	})
}

// Whatever people have typed, and whatever is in the server's files, an answer is a line of the schema
// whose text moves no cursor.
func FuzzAppendResult(f *testing.F) {
	f.Add("lunch", "not done: \"x\"")
	f.Add("\x1b[2J\u202e\u2028\x00", "a\nb\xff<b>")
	schema := server(f)
	now := time.Now()
	f.Fuzz(func(t *testing.T, typed, words string) {
		words = cmp.Or(text.CleanLine(words), "why") // as render has it
		nick := room.Presence{Nick: "bob", Online: true, Since: now, Active: now, Sessions: 1, Away: true, Reason: typed}
		target := bans.Target{Nick: "bob"}
		for _, r := range []result.Result{
			result.Failure{Code: result.Usage}, result.Failure{Reason: result.Muted},
			result.RoomInfo{What: result.RoomIs, RoomSummary: room.RoomSummary{Name: "ops", Topic: typed}},
			result.Receipt{Receipt: room.Receipt{To: "bob", Outcome: room.KeptAway, Reason: typed}},
			result.Receipt{Receipt: room.Receipt{To: "bob", Outcome: room.RefusedFull}},
			result.Online{People: []result.Person{{Presence: nick, Silent: true}}},
			result.Lately{People: []room.Presence{nick, {Nick: "~sam", Lost: true, Active: now}}},
			result.MOTD{Text: typed}, result.Back{}, result.BlockList{Nicks: []string{"bob"}}, result.Version{Version: "1"},
			result.Settings{Preferences: room.Preferences{Absence: room.Absence{Since: now, Reason: typed}}, Zone: time.UTC},
			result.Bans{List: []bans.Ban{{Target: target, By: "olivia", Made: now, Reason: typed}}},
			result.Moderation{What: "kick", Whom: typed + ".", Why: typed, Hit: []string{"bob"}, Sessions: 1, From: []string{"::1"}, For: time.Hour},
			result.Keys{List: []result.Key{{Entry: keys.Entry{Fingerprint: "SHA256:x", Added: now, Disabled: typed}}}},
		} {
			line := string(AppendResult(nil, Frame{CMD: "BANS"}, r, words))
			validLine(t, schema, line)
			var frame map[string]any
			if err := json.Unmarshal([]byte(line), &frame); err != nil {
				t.Fatal(err)
			}
			checkText(t, frame)
		}
	})
}

// checkText asserts that all strings in a value are clean.
func checkText(t *testing.T, value any) {
	t.Helper()
	switch value := value.(type) {
	case string:
		if text.Clean(value) != value {
			t.Errorf("%q is not clean", value)
		}
	case []any:
		for _, v := range value {
			checkText(t, v)
		}
	case map[string]any:
		for _, v := range value {
			checkText(t, v)
		}
	}
}
