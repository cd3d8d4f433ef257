package log

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"whoelse/internal/disk"
	"whoelse/room"
	"whoelse/room/internal/jsonl"
)

// TestLine is what a line looks like, as docs/decisions/015-one-log.md has it.
func TestLine(t *testing.T) {
	e := &room.Event{
		Message: room.Message{ID: "01", Time: epoch, Kind: room.KindDirect, From: "bob", To: []string{"carol", "dan"}, Text: "h\u00a0i\x1b\u202e\"\\\n", Key: "k1"},
		Max:     1000,
	}
	b, err := AppendLine([]byte("before"), 41, e)
	want := `before{"seq":41,"v":1,"id":"01","time":"2026-11-21T06:31:03.123Z","kind":"direct","from":"bob","to":["carol","dan"],` +
		`"text":"h\u00a0i\u001b\u202e\"\\\n","key":"k1","max":1000,"crc":"`
	if err != nil || !strings.HasPrefix(string(b), want) || !strings.HasSuffix(string(b), "\"}\n") || len(b) != len(want)+11 {
		t.Errorf("%v, got\n%s want\n%s", err, b, want)
	}
}

// TestStateLine: what changed goes into the line, and what only memory has does not.
func TestStateLine(t *testing.T) {
	e := direct(1)
	e.Kind, e.Doc, e.Data, e.Node, e.Tag = room.KindState, "settings/bob", []byte("{}\x00\xff"), "n1", "01"
	for seq := range uint64(2) {
		b, err := AppendLine(nil, seq, e)
		if err != nil || !strings.Contains(string(b), `,"doc":"settings/bob","data":"e30A/w==","crc":"`) {
			t.Errorf("%v, %s", err, b)
		}
		line := b[:len(b)-1]
		en, numbered := ParseLine(line)
		got, without := ParseEvent(line)
		if numbered != (seq == 1) || without != (seq == 0) || en.Seq != seq {
			t.Errorf("with the number %d: %v, %v", seq, numbered, without)
		}
		want := *e
		want.Node, want.Tag = "", ""
		if !reflect.DeepEqual(got, &want) || IsNewer(line) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	newer := jsonl.Seal([]byte(`{"v":2,"kind":"x"`), 0)
	if _, ok := ParseEvent(newer[:len(newer)-1]); ok || !IsNewer(newer[:len(newer)-1]) {
		t.Error("a newer line is not seen as one")
	}
}

// TestUnknownMembers: what only a newer program knows is kept as it is, of receipts too.
func TestUnknownMembers(t *testing.T) {
	line := jsonl.Seal([]byte(`{"seq":7,"v":1,"id":"01","time":"2026-11-21T06:31:03.123Z","kind":"new","from":"bob","x":{"y":[1,2.50]},`+
		`"receipts":[{"id":"02","time":"2026-11-21T06:31:03.123Z","kind":"receipt","from":"bob","to":["carol"],"z":null}],"text2":"\u202e"`), 0)
	en, ok := ParseLine(line[:len(line)-1])
	want := room.Message{ID: "01", Time: epoch, Kind: "new", From: "bob", Extra: []byte(`,"x":{"y":[1,2.50]},"text2":"\u202e"`)}
	if !ok || en.Seq != 7 || !reflect.DeepEqual(en.Message, want) || string(en.Receipts[0].Extra) != `,"z":null` {
		t.Errorf("%v, %+v, %+v", ok, en.Event, en.Receipts[0])
	}
	again, err := AppendLine(nil, 8, en.Event)
	if got, ok := ParseLine(again[:len(again)-1]); err != nil || !ok || !reflect.DeepEqual(got.Event, en.Event) {
		t.Errorf("written again: %v, %s", err, again)
	}
}

// TestInvalid: what could not be read back is not accepted, and nothing of it is appended.
func TestInvalid(t *testing.T) {
	for what, spoil := range map[string]func(*room.Event){
		"no kind": func(e *room.Event) { e.Kind = "" },
		"year":    func(e *room.Event) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"reftime": func(e *room.Event) { e.RefTime = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC) },
		"receipt": func(e *room.Event) {
			e.Receipts = []*room.Message{{Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}}
		},
		"no receipt": func(e *room.Event) { e.Receipts = []*room.Message{nil} },
		"long":       func(e *room.Event) { e.Text = strings.Repeat("\x01", jsonl.MaxLine/6) },
	} {
		e := direct(1)
		spoil(e)
		b, err := AppendLine([]byte("before"), 1, e)
		if !errors.Is(err, room.ErrInvalid) || string(b) != "before" {
			t.Errorf("%s: %v, %d bytes", what, err, len(b))
		}
	}
	longest := direct(1)
	longest.Text = ""
	b, err := AppendLine(nil, 1, longest)
	if err != nil {
		t.Fatal(err)
	}
	for extra := range 2 {
		longest.Text = strings.Repeat("x", jsonl.MaxLine-len(b)-len(`,"text":""`)+extra)
		line, err := AppendLine(nil, 1, longest)
		if extra == 1 {
			if !errors.Is(err, room.ErrInvalid) {
				t.Errorf("one byte too long: %v", err)
			}
			continue
		}
		in := four(t)
		write(t, in, SegmentName(1), line)
		if got := all(t, mustOpen(t, in, Options{}), 0); err != nil || len(got) != 3 || got[0].Text != longest.Text {
			t.Errorf("the longest line: %v, %d events", err, len(got))
		}
	}
}

// TestNotALine: with a good checksum, and still nothing that is ever written.
func TestNotALine(t *testing.T) {
	const rest = `"id":"01","time":"2026-11-21T06:31:03.123Z","kind":"direct","from":"bob"`
	for _, s := range []string{
		`{"v":1,` + rest, `{"seq":0,"v":1,` + rest, `{"seq":-1,"v":1,` + rest, `{"seq":4611686018427387904,"v":1,` + rest,
		`{"seq":1,` + rest, `{"seq":1,"v":2,` + rest, `{"seq":1,"v":1,"kind":""`, `{"seq":1,"v":1`, `["seq",1`,
		`{"seq":1,"v":1,"kind":"x","time":"today"`, `{"seq":1,"v":1,"kind":"x","time":"2026-11-21"`,
		`{"seq":1,"v":1,"to":"carol",` + rest, `{"seq":1,"v":1,"receipts":[1],` + rest,
		`{"seq":1,"v":1,"receipts":[{"time":"x"}],` + rest, `{"seq":1,"v":1,"receipts":[null],` + rest,
		`{"seq":1,"v":1,"kind":"x","time":"0000-01-01T00:00:00+01:00"`,
	} {
		b := jsonl.Seal([]byte(s), 0)
		if en, ok := ParseLine(b[:len(b)-1]); ok {
			t.Errorf("%s is %+v", s, en.Event)
		}
	}
}

// FuzzParseLine: what is read is written, and read again, as the same; and is harmless on a screen.
func FuzzParseLine(f *testing.F) {
	for n := range 3 {
		e := direct(n)
		e.Receipts = []*room.Message{{Kind: room.KindReceipt, To: []string{"ann"}, Ref: "x", RefTime: epoch}}[:min(n, 1)]
		b, err := AppendLine(nil, uint64(n+1), e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:len(b)-1-jsonl.Trailer])
	}
	f.Add([]byte(`{"seq":1,"v":1,"id":"1","kind":"state","from":"","doc":"settings/bob","data":"e30A/w=="`))
	f.Add([]byte(`{"v":1,"id":"1","kind":"state","doc":"","data":"AA="`))
	f.Add([]byte(`{"seq":1,"v":1,"kind":"k","Kind":{"\u0000":[1e9,"\u202e"]},"x":null`))
	f.Fuzz(func(t *testing.T, body []byte) {
		ParseLine(body)
		line := jsonl.Seal(body, 0)
		en, ok := ParseLine(line[:len(line)-1])
		if !ok {
			return
		}
		b, err := AppendLine(nil, en.Seq, en.Event)
		if err != nil {
			if len(line) < jsonl.MaxLine/7 {
				t.Fatalf("%+v: %v", en.Event, err)
			}
			return
		}
		if strings.ContainsFunc(string(b[:len(b)-1]), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("not printable: %q", b)
		}
		again, ok := ParseLine(b[:len(b)-1])
		if !ok {
			t.Fatalf("%s can't be read", b)
		}
		c, err := AppendLine(nil, again.Seq, again.Event)
		if err != nil || string(b) != string(c) {
			t.Fatalf("%v\n%s\n%s", err, b, c)
		}
	})
}

// TestLargestProposal: a line has room for the largest change of a file that is proposed.
func TestLargestProposal(t *testing.T) {
	e := &room.Event{
		Message: room.Message{ID: "1", Time: time.Now(), Kind: room.KindState},
		Doc:     "settings/" + strings.Repeat("x", 32), Data: make([]byte, disk.MaxProposal),
	}
	if _, err := AppendLine(nil, maxSeq-1, e); err != nil {
		t.Error(err)
	}
}
