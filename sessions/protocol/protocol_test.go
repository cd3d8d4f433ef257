package protocol

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"whoelse/room"
	"whoelse/sessions/result"
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
		`{"CMD":"ping"}`:                            UnknownCmd,
		`{"CMD":"PING"} {}`:                         NotJSON,
		`null`:                                      NotJSON,
		`"PING"`:                                    NotJSON,
		``:                                          NotJSON,
		strings.Repeat("[", 60<<10):                 NotJSON,
		`{"X":` + strings.Repeat(`{"a":`, 11_000):   NotJSON,
		`{"CMD":"` + strings.Repeat("x", MaxLine):   TooLong,
	} {
		_, err := Decode([]byte(line))
		e, _ := errors.AsType[*Error](err)
		if e == nil {
			e = &Error{}
		}
		if e.Code != want {
			t.Errorf("%.60s: got %q, want %q", line, e.Code, want)
		}
	}
	to, err := Decode([]byte(`{"CMD":"SEND","MSG":"x","TO":"bob"}`))
	if err != nil || !slices.Equal(to.To, []string{"bob"}) {
		t.Errorf("got %v, %v", to, err)
	}
	if _, err := Decode([]byte(`{"REF":"7","CMD":"SEND","ME":"yes"}`)); err.(*Error).Ref != "7" {
		t.Errorf("got %v", err)
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
	line := string(Append(nil, f))
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
		valid(t, schema, WhoOf(people, map[string]bool{"bob": true}))
	}
	valid(t, schema, (&Error{Code: NotJSON, Reason: "x"}).Frame())
}

// Whatever a line is, it is a frame within the limits or an error that answers it.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"CMD":"SEND","MSG":"x","TO":["a","b"],"REF":"1"}`))
	f.Add([]byte(`{"CMD":"READ","IDS":"1","N":5}`))
	f.Add([]byte("null"))
	schema := server(f)
	f.Fuzz(func(t *testing.T, line []byte) {
		frame, err := Decode(line)
		if err != nil {
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Code == "" || utf8.RuneCountInString(e.Ref) > maxRef {
				t.Fatalf("%v", err)
			}
			valid(t, schema, e.Frame())
			return
		}
		valid(t, schema, frame.Failed(Empty, "x"))
		valid(t, schema, frame.Done())
		again, err := Decode(Append(nil, frame))
		if err != nil && len(line) < MaxLine/6 || !json.Valid(Append(nil, again)) {
			t.Fatalf("%q: %v", line, err)
		}
	})
}
