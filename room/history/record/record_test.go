package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"whoelse/room"
	"whoelse/room/internal/jsonl"
	"whoelse/room/log"
)

var epoch = time.Date(2026, 11, 21, 6, 31, 3, 123e6, time.UTC)

func direct(n int, from string, to ...string) *room.Message {
	return &room.Message{
		ID: fmt.Sprintf("id-%09d", n), Time: epoch.Add(time.Duration(n) * time.Second),
		Kind: room.KindDirect, From: from, To: to, Text: fmt.Sprintf("message %d", n),
	}
}

func mustLine(t testing.TB, m *room.Message) []byte {
	t.Helper()
	l, err := AppendMessage(nil, 7, m)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// one parses a line that is to be one good record.
func one(l []byte) (Record, bool) {
	found, whole := Parse(jsonl.Line{Data: []byte(strings.TrimSuffix(string(l), "\n"))})
	if !whole {
		return Record{}, false
	}
	return found[0], true
}

func TestMessageLine(t *testing.T) {
	m := direct(1, "bob", "carol", "dave")
	m.Text = "say \"hi\"\n\x1b[2J\u009b é 日 \U0001f600 \U000e0041 \u202e \xff"
	m.Key, m.Ref, m.RefTime = "nightly-1", "id-0", epoch
	want := `{"seq":7,"id":"id-000000001","time":"2026-11-21T06:31:04.123Z","kind":"direct","from":"bob","to":["carol","dave"],` +
		`"text":"say \"hi\"\n\u001b[2J\u009b é 日 😀 \udb40\udc41 \u202e �","key":"nightly-1","ref":"id-0","reftime":"2026-11-21T06:31:03.123Z","crc":"`
	got := string(mustLine(t, m))
	if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\"}\n") || len(got) != len(want)+11 {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !json.Valid([]byte(got)) {
		t.Error("that is not JSON")
	}
	r, ok := one([]byte(got))
	m.Text = strings.ToValidUTF8(m.Text, "\ufffd")
	if !ok {
		t.Fatal("can't be decoded")
	}
	if d := cmp.Diff(Record{Seq: 7, Len: len(got) - 1, Message: m}, r); d != "" {
		t.Error(d)
	}
}

func TestFileInALine(t *testing.T) {
	m := direct(1, "bob", "carol")
	m.Text, m.File = "", &room.File{Name: "a \"b\".txt", Size: 1 << 40, Ref: "20261126T030227.917439Z-bob-58"}
	l := mustLine(t, m)
	if want := `,"file":{"name":"a \"b\".txt","size":1099511627776,"ref":"20261126T030227.917439Z-bob-58"},"crc":"`; !strings.Contains(string(l), want) {
		t.Errorf("%s lacks %s", l, want)
	}
	if r, ok := one(l); !ok || !cmp.Equal(r.Message, m) {
		t.Errorf("%+v, want %+v", r.Message, m)
	}
	event, err := log.AppendLine(nil, 7, &room.Event{Message: *m})
	if e, ok := log.ParseLine(event[:len(event)-1]); err != nil || !ok || !cmp.Equal(e.Message, *m) {
		t.Errorf("%s: %+v, %v", event, e.Event, err)
	}
}

func TestReadLine(t *testing.T) {
	l, err := AppendRead(nil, 44, epoch, []string{"a", "b\u202e"}, nil)
	if want := `{"seq":44,"time":"2026-11-21T06:31:03.123Z","kind":"read","ids":["a","b\u202e"],"crc":"`; err != nil || !strings.HasPrefix(string(l), want) {
		t.Errorf("got %s, %v", l, err)
	}
	if r, ok := one(l); !ok || r.Seq != 44 || !slices.Equal(r.Read, []string{"a", "b\u202e"}) {
		t.Errorf("%+v", r)
	}
}

func TestStateLine(t *testing.T) {
	places := []Place{{12, 0}, {41, 3100}, {41, 3250}}
	l := AppendState(nil, 44, epoch, places)
	if want := `{"seq":44,"time":"2026-11-21T06:31:03.123Z","kind":"state","at":[[12,0],[41,3100],[41,3250]],"crc":"`; !strings.HasPrefix(string(l), want) {
		t.Errorf("got %s", l)
	}
	if r, ok := one(l); !ok || r.Seq != 44 || !slices.Equal(r.State.Unread, places) {
		t.Errorf("%+v %v", r, ok)
	}
	if r, ok := one(AppendState(nil, 44, epoch, nil)); !ok || len(r.State.Unread) != 0 || r.State.Unread == nil {
		t.Errorf("without any: %+v", r)
	}
	older := jsonl.Seal([]byte(`{"seq":44,"time":"2026-11-21T06:31:03.123Z","kind":"state","unread":[12,41.001],"then":44`), 0)
	if r, ok := one(older); !ok || r.State.Unread != nil || r.Seq != 44 {
		t.Errorf("an older one: %+v", r)
	}
}

// TestLongStateLine: it lists not more than fit.
func TestLongStateLine(t *testing.T) {
	many := make([]Place, MaxListed+5)
	for i := range many {
		many[i] = Place{1e18 + uint64(i), 1e18 + uint64(i)}
	}
	l := AppendState(nil, 1e18, epoch, many)
	r, ok := one(l)
	if !ok || len(l) > jsonl.MaxLine || !slices.Equal(r.State.Unread, many[:MaxListed]) {
		t.Errorf("a long state line: %v, %d bytes", ok, len(l))
	}
}

func TestRefused(t *testing.T) {
	for what, change := range map[string]func(*room.Message){
		"long":    func(m *room.Message) { m.Text = strings.Repeat("\x01", jsonl.MaxLine/6) },
		"year":    func(m *room.Message) { m.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"ref":     func(m *room.Message) { m.RefTime = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC) },
		"state":   func(m *room.Message) { m.Kind = KindState },
		"read":    func(m *room.Message) { m.Kind = room.KindRead },
		"retired": func(m *room.Message) { m.Kind = room.KindRetired },
		"none":    func(m *room.Message) { m.Kind = "" },
	} {
		m := direct(1, "bob", "carol")
		change(m)
		if b, err := AppendMessage([]byte("before"), 1, m); !errors.Is(err, room.ErrInvalid) || string(b) != "before" {
			t.Errorf("%s: %q %v", what, b, err)
		}
	}
	for _, list := range [][]string{nil, {strings.Repeat("x", jsonl.MaxLine)}} {
		if b, err := AppendRead([]byte("before"), 1, epoch, list, nil); !errors.Is(err, room.ErrInvalid) || string(b) != "before" {
			t.Errorf("%q %v", b, err)
		}
	}
}

func seal(s string) []byte { return jsonl.Seal([]byte(s), 0) }

func TestForeignLines(t *testing.T) {
	for _, l := range []string{
		``, `{}`, `{"seq":1,"id":"x","kind":"direct","text":"by hand"}`, `{"seq":1,"id":"x","kind":"direct","crc":"00000000"}`,
		string(seal(`{"seq":1,"id":"x"`)), string(seal(`{"seq":1,"kind":"read","ids":[]`)), string(seal(`{"seq":1,"kind":7`)),
		string(seal(`{"id":"x","kind":"direct"`)), string(seal(`{"seq":0,"id":"x","kind":"direct"`)), string(seal(`{"seq":-1,"id":"x","kind":"direct"`)),
	} {
		if r, ok := one([]byte(l)); ok {
			t.Errorf("%s: accepted as %+v", l, r)
		}
	}
	if r, ok := one(seal(`{ "kind":"direct", "seq":9, "id":"x", "from":"bob"`)); !ok || r.Message.From != "bob" || r.Seq != 9 {
		t.Error("a line in another form, with a checksum, was not accepted")
	}
	signed := strings.Replace(string(mustLine(t, direct(1, "bob"))), `"crc":"`, `"crc":"+`, 1)
	if _, ok := one([]byte(signed)); ok {
		t.Error("a sign in a checksum")
	}
}

// TestTwoInOne: a newline that was lost or changed costs neither of its records.
func TestTwoInOne(t *testing.T) {
	a, b, c := direct(1, "bob", "carol"), direct(2, "bob", "carol"), direct(3, "bob", "carol")
	la, lb, lc := mustLine(t, a), mustLine(t, b), mustLine(t, c)
	cut := func(l []byte) []byte { return l[:len(l)-1] }
	for name, l := range map[string][]byte{
		"lost": slices.Concat(cut(la), cut(lb), cut(lc)), "changed": slices.Concat(cut(la), []byte("x"), cut(lb), []byte{0}, cut(lc)),
		"and junk": slices.Concat(cut(la), []byte("x"), cut(lb), []byte{0}, cut(lc), []byte("junk")),
	} {
		found, whole := Parse(jsonl.Line{Off: 100, Data: l})
		if len(found) != 3 || whole {
			t.Fatalf("%s: found %d", name, len(found))
		}
		for i, m := range []*room.Message{a, b, c} {
			if d := cmp.Diff(m, found[i].Message); d != "" {
				t.Error(name, d)
			}
			if again, _ := Parse(jsonl.Line{Data: l[found[i].Off-100:]}); len(again) == 0 || again[0].Message.ID != m.ID {
				t.Errorf("%s: record %d is not at its offset", name, i)
			}
		}
	}
}

// TestFlippedBits: no single flipped bit of a line goes unnoticed.
func TestFlippedBits(t *testing.T) {
	for i := range len(mustLine(t, direct(1, "bob", "carol"))) - 1 {
		l := mustLine(t, direct(1, "bob", "carol"))
		l[i] ^= 1 << rand.IntN(8)
		if _, ok := one(l); ok {
			t.Fatalf("byte %d", i)
		}
	}
}

// FuzzParse: whatever a file holds, parsing ends, and what it accepts has the
// right checksum.
func FuzzParse(f *testing.F) {
	m := direct(1, "bob", "carol")
	m.Text = "a\nb\u202e\"\\"
	mark, _ := AppendRead(nil, 3, epoch, []string{"a", "b"}, nil)
	for _, l := range [][]byte{
		mustLine(f, m), mark, AppendState(nil, 500, epoch, []Place{{100, 0}, {100, 150}}),
		append(mustLine(f, m)[:20], mustLine(f, m)...), slices.Concat(mustLine(f, m), mark),
	} {
		f.Add(l)
		f.Add(l[:len(l)-1])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		found, whole := Parse(jsonl.Line{Data: b})
		if whole && !jsonl.Sealed(b) {
			t.Fatal("accepted without a checksum")
		}
		for _, r := range found {
			set := 0
			for _, is := range []bool{r.Message != nil, len(r.Read) > 0, r.State != nil} {
				if is {
					set++
				}
			}
			if r.Off < 0 || r.Off > int64(len(b)) || r.Seq == 0 || set != 1 {
				t.Fatalf("%+v", r)
			}
		}
		// And as if its checksum were right:
		body := jsonl.Seal(append([]byte{}, b[:max(0, len(b)-jsonl.Trailer)]...), 0)
		if r, ok := one(body); ok && (r.Len != len(body)-1 || r.Seq == 0) {
			t.Fatalf("%+v", r)
		}
	})
}

// FuzzMessage: what is encoded is JSON, and decodes to the same.
func FuzzMessage(f *testing.F) {
	f.Add(uint64(1), "id", "bob", "carol", "text\x00\xff\u2028", "ref", int64(1795243863123))
	f.Fuzz(func(t *testing.T, seq uint64, id, from, nick, text, ref string, ms int64) {
		valid := func(s string) string { return strings.ToValidUTF8(s, "\ufffd") }
		m := &room.Message{ID: valid(id), Time: time.UnixMilli(ms).UTC(), Kind: room.KindDirect, From: valid(from), To: []string{valid(nick)}, Text: valid(text), Ref: valid(ref)}
		seq = max(seq, 1)
		l, err := AppendMessage(nil, seq, m)
		if err != nil {
			return
		}
		r, ok := one(l)
		if !ok || !json.Valid(l) {
			t.Fatalf("%s", l)
		}
		if d := cmp.Diff(Record{Seq: seq, Len: len(l) - 1, Message: m}, r); d != "" {
			t.Fatal(d)
		}
	})
}
