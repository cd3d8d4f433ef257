package history

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"whoelse/room"
)

func mustLine(t testing.TB, m *room.Message) []byte {
	t.Helper()
	l, err := messageLine(m)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLineFormat(t *testing.T) {
	m := direct(1, "bob", "carol", "dave")
	m.Text = "say \"hi\"\n\x1b[2J\u009b é 日 \U0001f600 \U000e0041 \u202e \xff"
	m.Ref, m.RefTime = "id-0", epoch
	want := `{"id":"id-000000001","time":"2026-11-21T06:31:04.123Z","kind":"direct","from":"bob","to":["carol","dave"],` +
		`"text":"say \"hi\"\n\u001b[2J\u009b é 日 😀 \udb40\udc41 \u202e \ufffd","ref":"id-0","reftime":"2026-11-21T06:31:03.123Z","crc":"`
	got := string(mustLine(t, m))
	if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\"}\n") || len(got) != len(want)+11 {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !json.Valid([]byte(got)) {
		t.Error("that is not JSON")
	}
	e, ok := decode([]byte(got[:len(got)-1]))
	m.Text = strings.ToValidUTF8(m.Text, "\ufffd")
	if !ok {
		t.Fatal("can't be decoded")
	}
	if d := cmp.Diff(m, e.msg); d != "" {
		t.Error(d)
	}
}

func TestMarkFormat(t *testing.T) {
	l := stateLine(epoch, 500, []ref{{off: 100, id: "a"}, {off: 300, id: "b"}})
	if want := `{"time":"2026-11-21T06:31:03.123Z","kind":"state","at":500,"unread":[100,300],"then":500,"crc":"`; !strings.HasPrefix(string(l), want) {
		t.Errorf("got %s", l)
	}
	many := make([]ref, maxListed+5)
	for i := range many {
		many[i].off = 1e11 + int64(i)
	}
	l = stateLine(epoch, 1e12, many)
	e, ok := decode(l[:len(l)-1])
	if !ok || len(l) > maxLine || len(e.mark.unread) != maxListed || e.mark.then != 1e11+maxListed {
		t.Errorf("a long mark: %v, %d bytes", ok, len(l))
	}
}

func TestForeignLines(t *testing.T) {
	for _, l := range []string{
		``, `{}`, `{"id":"x","kind":"direct","text":"by hand"}`, `{"id":"x","kind":"direct","crc":"00000000"}`,
		string(seal([]byte(`{"id":"x"`), 0)), string(seal([]byte(`{"kind":"read","ids":[]`), 0)), string(seal([]byte(`{"kind":7`), 0)),
	} {
		if e, ok := decode([]byte(strings.TrimSpace(l))); ok {
			t.Errorf("%s: accepted as %+v", l, e)
		}
	}
	ours := seal([]byte(`{ "kind":"direct", "id":"x", "from":"bob"`), 0)
	if e, ok := decode(ours[:len(ours)-1]); !ok || e.msg.From != "bob" {
		t.Error("a line in another form, with a checksum, was not accepted")
	}
	capital := []byte(strings.Replace(string(mustLine(t, direct(1, "bob"))), `"crc":"`, `"crc":"+`, 1))
	if _, ok := decode(capital[:len(capital)-1]); ok {
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
		found, whole := decodeLine(l)
		if len(found) != 3 || whole {
			t.Fatalf("%s: found %d", name, len(found))
		}
		for i, m := range []*room.Message{a, b, c} {
			if d := cmp.Diff(m, found[i].msg); d != "" {
				t.Error(name, d)
			}
			if again, _ := decodeLine(l[found[i].off:]); len(again) == 0 || again[0].msg.ID != m.ID {
				t.Errorf("%s: record %d is not at its offset", name, i)
			}
		}
	}
}

// FuzzDecode: whatever a file holds, decoding ends, and what it accepts has the
// right checksum and means the same to encoding/json.
func FuzzDecode(f *testing.F) {
	m := direct(1, "bob", "carol")
	m.Text = "a\nb\u202e\"\\"
	f.Add(mustLine(f, m))
	f.Add(stateLine(epoch, 500, []ref{{off: 100, id: "a"}}))
	f.Add(trimLine(epoch, trimMark{at: 300, was: 70_000}))
	marks, _ := readLines(epoch, []string{"a", "b"})
	f.Add(marks[0])
	f.Add(append(mustLine(f, m)[:20], mustLine(f, m)...))
	for _, file := range []string{"users/bob.jsonl", "users/carol.jsonl", "room.jsonl", "journal/000001.log"} {
		for l := range bytes.Lines(readAll(f, "testdata/v1/"+file)) {
			f.Add(bytes.TrimSuffix(l, []byte("\n")))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		found, whole := decodeLine(b)
		if whole && !sealed(b) {
			t.Fatal("accepted without a checksum")
		}
		for _, e := range found {
			if e.off < 0 || e.off > int64(len(b)) {
				t.Fatal("an offset outside of the line")
			}
		}
		// And as if its checksum were right:
		body := seal(append([]byte{}, b[:max(0, len(b)-crcLen)]...), 0)
		body = body[:len(body)-1]
		fast, ok := parseWire(body)
		if !ok {
			return
		}
		var slow wire
		if err := json.Unmarshal(body, &slow); err != nil {
			t.Fatalf("only parseWire accepts it: %v", err)
		}
		if d := cmp.Diff(slow, fast); d != "" {
			t.Fatal(d)
		}
	})
}

// FuzzMessage: what is encoded is JSON, and decodes to the same.
func FuzzMessage(f *testing.F) {
	f.Add("id", "bob", "carol", "text\x00\xff\u2028", "ref", int64(1795243863123))
	f.Fuzz(func(t *testing.T, id, from, nick, text, ref string, ms int64) {
		valid := func(s string) string { return strings.ToValidUTF8(s, "\ufffd") }
		m := &room.Message{ID: valid(id), Time: time.UnixMilli(ms).UTC(), Kind: room.KindDirect, From: valid(from), To: []string{valid(nick)}, Text: valid(text), Ref: valid(ref)}
		l, err := messageLine(m)
		if err != nil {
			return
		}
		e, ok := decode(l[:len(l)-1])
		if !ok || !json.Valid(l) {
			t.Fatalf("%s", l)
		}
		if d := cmp.Diff(m, e.msg); d != "" {
			t.Fatal(d)
		}
	})
}

// TestFlippedBits: no single flipped bit of a line goes unnoticed.
func TestFlippedBits(t *testing.T) {
	l := mustLine(t, direct(1, "bob", "carol"))
	l = l[:len(l)-1]
	for i := range l {
		l[i] ^= 1 << rand.IntN(8)
		if _, ok := decode(l); ok {
			t.Fatalf("byte %d", i)
		}
		l = mustLine(t, direct(1, "bob", "carol"))
		l = l[:len(l)-1]
	}
}
