package record

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"whoelse/room"
	"whoelse/room/internal/jsonl"
)

// parseWire reads a line whose members stand in the order and form in which
// this package writes them, which is several times as fast as encoding/json. It
// reports false for any other line, which may be good nevertheless.
func parseWire(b []byte) (wire, bool) {
	c := cursor{b: b}
	var w wire
	c.must(`{"seq":`)
	w.Seq = c.uint()
	if c.skip(`,"id":`) {
		c.message(&w)
	} else {
		c.must(`,"time":`)
		c.mark(&w)
	}
	return w, !c.bad && len(c.b) == jsonl.Trailer && c.skip(`,"crc":"`)
}

func (c *cursor) message(w *wire) {
	w.ID = c.str()
	c.must(`,"time":`)
	w.Time = c.time()
	c.must(`,"kind":`)
	w.Kind = c.kind()
	c.must(`,"from":`)
	w.From = c.str()
	if c.skip(`,"to":`) {
		w.To = c.strs()
	}
	if c.skip(`,"text":`) {
		w.Text = c.str()
	}
	if c.skip(`,"ref":`) {
		w.Ref = c.str()
	}
	if c.skip(`,"reftime":`) {
		w.RefTime = c.time()
	}
}

func (c *cursor) mark(w *wire) {
	w.Time = c.time()
	c.must(`,"kind":`)
	w.Kind = c.kind()
	if c.skip(`,"ids":`) {
		w.IDs = c.strs()
		return
	}
	c.must(`,"unread":`)
	w.Unread = c.places()
	c.must(`,"then":`)
	w.Then = c.uint()
}

// cursor reads JSON from the front of b. Once something is not as expected it
// is bad, and stays so.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) skip(s string) bool {
	if len(c.b) < len(s) || string(c.b[:len(s)]) != s {
		return false
	}
	c.b = c.b[len(s):]
	return true
}

func (c *cursor) must(s string) { c.bad = c.bad || !c.skip(s) }

// quoted takes a string with its quotes, and tells whether it has escapes.
func (c *cursor) quoted() (s []byte, escaped bool) {
	if len(c.b) > 0 && c.b[0] == '"' {
		for i := 1; i < len(c.b); i++ {
			switch c.b[i] {
			case '\\':
				escaped = true
				i++
			case '"':
				s, c.b = c.b[:i+1], c.b[i+1:]
				return s, escaped
			}
		}
	}
	c.bad = true
	return []byte(`""`), false
}

func (c *cursor) str() string {
	q, escaped := c.quoted()
	if !escaped && plain(q) {
		return string(q[1 : len(q)-1])
	}
	var s string
	c.bad = json.Unmarshal(q, &s) != nil || c.bad
	return s
}

// plain reports whether there is nothing in b for encoding/json to look at.
func plain(b []byte) bool {
	for _, x := range b {
		if x < ' ' || x >= 0x80 {
			return false
		}
	}
	return true
}

// kind is a string for which no memory is needed when it is a known one.
func (c *cursor) kind() room.Kind {
	for _, k := range [...]room.Kind{room.KindDirect, room.KindSay, room.KindRead, KindState, room.KindGroup, room.KindAlive} {
		if n := len(k) + 2; len(c.b) > n && c.b[0] == '"' && c.b[n-1] == '"' && string(c.b[1:n-1]) == string(k) {
			c.b = c.b[n:]
			return k
		}
	}
	return room.Kind(c.str())
}

func (c *cursor) time() time.Time {
	q, _ := c.quoted()
	t, err := time.Parse(jsonl.TimeLayout, string(q[1:len(q)-1]))
	c.bad = c.bad || err != nil || len(q) != len(jsonl.TimeLayout)+2
	return t
}

// strs takes a list of strings that has at least one.
func (c *cursor) strs() []string {
	list := make([]string, 0, 1)
	c.must(`[`)
	for !c.bad {
		list = append(list, c.str())
		if c.skip(`]`) {
			break
		}
		c.must(`,`)
	}
	return list
}

func (c *cursor) uint() uint64 {
	n := len(c.b) - len(bytes.TrimLeft(c.b, "0123456789"))
	v, err := strconv.ParseUint(string(c.b[:n]), 10, 64)
	c.bad = c.bad || err != nil || n > 1 && c.b[0] == '0'
	c.b = c.b[n:]
	return v
}

// places takes a list of places, which may be empty.
func (c *cursor) places() []Place {
	list := []Place{}
	c.must(`[`)
	if c.skip(`]`) {
		return list
	}
	for !c.bad {
		p := Place{Seq: c.uint()}
		if c.skip(`.`) {
			c.bad = c.bad || len(c.b) < 3
			if !c.bad {
				i, err := strconv.Atoi(string(c.b[:3]))
				p.Index, c.b, c.bad = i, c.b[3:], err != nil || i < 0
			}
		}
		list = append(list, p)
		if c.skip(`]`) {
			break
		}
		c.must(`,`)
	}
	return list
}
