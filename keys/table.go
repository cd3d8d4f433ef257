package keys

import (
	"bytes"
	"maps"
	"slices"

	"whoelse/keys/nick"
)

// table is the file as last read, and what is found in it. The registry owns it:
// lookups under its read lock, add under its write lock.
type table struct {
	raw         []byte // the file, byte for byte; only the registry's writer looks at it
	lines       int    // how many, also blank ones
	entries     []*line
	byKey       map[string][]*line // by the key's wire form, in the file's order
	byNick      map[string][]*line // all that hold it, in force or not
	bySkeleton  map[string]string  // the first nick that reads so
	nicks       []string           // byNick's, sorted
	authorities []*line            // in force or expired, not the disabled
}

var bom = []byte("\xef\xbb\xbf")

func parseTable(raw []byte) *table {
	n := bytes.Count(raw, []byte("\n"))
	t := &table{
		raw:        raw,
		byKey:      make(map[string][]*line, n),
		byNick:     make(map[string][]*line, n),
		bySkeleton: make(map[string]string, n),
	}
	for text := range textLines(raw) {
		t.lines++
		if hasEntry(text) {
			t.add(parseLine(t.lines, text))
		}
	}
	t.nicks = slices.Sorted(maps.Keys(t.byNick))
	return t
}

// textLines gives the lines of a file without their ends, LF or CRLF, and without a
// byte order mark. A missing newline at the end makes no difference.
func textLines(raw []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		first := true
		for piece := range bytes.Lines(raw) {
			if first {
				piece = bytes.TrimPrefix(piece, bom)
				first = false
			}
			piece = bytes.TrimSuffix(piece, []byte("\n"))
			if !yield(bytes.TrimSuffix(piece, []byte("\r"))) {
				return
			}
		}
	}
}

// hasEntry tells lines with a key, or what should be one, from blank lines and
// comments.
func hasEntry(text []byte) bool {
	text = bytes.TrimLeft(text, " \t")
	return len(text) > 0 && text[0] != '#'
}

// add enters a line everywhere but in t.nicks.
func (t *table) add(l *line) {
	t.entries = append(t.entries, l)
	if l.key != nil {
		k := string(l.key.Marshal())
		t.byKey[k] = append(t.byKey[k], l)
	}
	if l.opts.authority && l.disabled == "" {
		t.authorities = append(t.authorities, l)
	}
	for _, n := range l.holds() {
		t.byNick[n] = append(t.byNick[n], l)
		if s := nick.Skeleton(n); t.bySkeleton[s] == "" {
			t.bySkeleton[s] = n
		}
	}
}

func (t *table) find(key PublicKey) []*line { return t.byKey[string(key.Marshal())] }

// confusable gives another nick, held or reserved, that n reads like.
func (t *table) confusable(n string) (string, bool) {
	if word, ok := nick.Imitates(n); ok {
		return word, true
	}
	held := t.bySkeleton[nick.Skeleton(n)]
	return held, held != "" && held != n && len(t.byNick[n]) == 0
}

// list enters a line's nicks in t.nicks, which is cheaper than to sort them all.
func (t *table) list(l *line) {
	for _, n := range l.holds() {
		if i, found := slices.BinarySearch(t.nicks, n); !found {
			t.nicks = slices.Insert(t.nicks, i, n)
		}
	}
}
