package keys

import (
	"bytes"
	"cmp"
	"slices"

	"whoelse/keys/nick"
)

// table is the file as last read, and what is found in it. Goroutines that hold
// Registry.updating read it; all others read it with Registry.mu held, too, and grow is
// called with both.
type table struct {
	raw        []byte // the file, byte for byte
	lines      int    // how many, also blank ones
	entries    []*line
	byKey      map[string][]*line // by the key's wire form, in the file's order
	byNick     map[string][]*line // all that hold it, in force or not
	bySkeleton map[string]string  // the first nick that reads so
	principals map[string]string  // the same of those in authorities' principals=
	nicks      []string           // byNick's, sorted
	unnamed    bool               // a line is disabled and does not say for certain whose it is
}

var bom = []byte("\xef\xbb\xbf")

func parseTable(raw []byte) *table {
	n := bytes.Count(raw, []byte("\n"))
	t := &table{
		byKey:      make(map[string][]*line, n),
		byNick:     make(map[string][]*line, n),
		bySkeleton: make(map[string]string, n),
		principals: map[string]string{},
	}
	t.grow(raw)
	return t
}

// continuedBy tells whether data is the file, which has something, with some lines more.
func (t *table) continuedBy(data []byte) bool {
	return bytes.HasSuffix(t.raw, []byte("\n")) && bytes.HasPrefix(data, t.raw)
}

// grow enters the lines that data has beyond the file, and gives them. Offsets into the
// file stay the same.
func (t *table) grow(data []byte) []*line {
	had, at := len(t.entries), len(t.raw)
	t.raw = data
	for piece := range bytes.Lines(data[at:]) {
		start := at
		at += len(piece)
		if t.lines++; t.lines == 1 && bytes.HasPrefix(piece, bom) {
			start, piece = start+len(bom), piece[len(bom):]
		}
		if text := withoutEnd(piece); hasEntry(text) {
			l := parseLine(t.lines, text)
			l.start, l.end = start, at
			t.add(l)
		}
	}
	slices.Sort(t.nicks)
	return t.entries[had:]
}

// withoutEnd cuts off a line's end, LF or CRLF.
func withoutEnd(text []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
}

// hasEntry tells lines with a key, or what should be one, from blank lines and
// comments.
func hasEntry(text []byte) bool {
	text = bytes.TrimLeft(text, " \t")
	return len(text) > 0 && text[0] != '#'
}

func (t *table) add(l *line) {
	t.entries = append(t.entries, l)
	t.unnamed = t.unnamed || l.Disabled != "" && l.Nick == ""
	if l.key != nil {
		k := string(l.key.Marshal())
		t.byKey[k] = append(t.byKey[k], l)
	}
	for _, n := range l.holds() {
		if len(t.byNick[n]) == 0 {
			t.nicks = append(t.nicks, n)
		}
		t.byNick[n] = append(t.byNick[n], l)
		if s := nick.Skeleton(n); t.bySkeleton[s] == "" {
			t.bySkeleton[s] = n
		}
	}
	for _, p := range l.Principals {
		if n, err := nick.Parse(p); err == nil {
			s := nick.Skeleton(n)
			t.principals[s] = cmp.Or(t.principals[s], n)
		}
	}
}

func (t *table) find(key PublicKey) []*line { return t.byKey[string(key.Marshal())] }

// asked gives the key's lines that count for whoever asks for user with it. Pending ones do for the nick
// that they are about, and if there are no others: anybody can add a public key.
func (t *table) asked(key PublicKey, user string) []*line {
	all := t.find(key)
	counts := slices.DeleteFunc(slices.Clone(all), func(l *line) bool { return l.Pending })
	n, err := nick.Parse(user)
	if len(counts) == 0 && err == nil {
		counts = slices.DeleteFunc(slices.Clone(all), func(l *line) bool { return l.Nick != n })
	}
	return counts
}

// confusable gives another nick, held or reserved, that n reads like.
func (t *table) confusable(n string) (string, bool) {
	if word, ok := nick.Imitates(n); ok {
		return word, true
	}
	held := t.bySkeleton[nick.Skeleton(n)]
	return held, held != "" && held != n && len(t.byNick[n]) == 0
}

// principal gives a nick of an authority's principals= that n is, or reads like.
func (t *table) principal(n string) (string, bool) {
	p, ok := t.principals[nick.Skeleton(n)]
	return p, ok
}

// missingFrom gives the lines in force of t that other does not have in force.
func (t *table) missingFrom(other *table) []Entry {
	var missing []*line
	for _, l := range t.entries {
		if l.Disabled == "" && !slices.ContainsFunc(other.find(l.key), l.equivalent) {
			missing = append(missing, l)
		}
	}
	return entries(missing)
}

// text is what the file has for a line, its end included.
func (t *table) text(l *line) []byte { return t.raw[l.start:l.end] }

// rewritten gives the file with other texts for its lines. What has no key is kept.
func (t *table) rewritten(f func(l *line, text []byte) []byte) []byte {
	out, at := make([]byte, 0, len(t.raw)), 0
	for _, l := range t.entries {
		out = append(out, t.raw[at:l.start]...)
		out = append(out, f(l, t.text(l))...)
		at = l.end
	}
	return append(out, t.raw[at:]...)
}

// without gives the file without some of its lines.
func (t *table) without(gone []*line) []byte {
	if len(gone) == 0 {
		return t.raw
	}
	cut := make(map[*line]bool, len(gone))
	for _, l := range gone {
		cut[l] = true
	}
	return t.rewritten(func(l *line, text []byte) []byte {
		if cut[l] {
			return nil
		}
		return text
	})
}

// with gives the file with text added, also where its last line lacks its end.
func (t *table) with(text string) []byte {
	data := make([]byte, 0, len(t.raw)+len(text)+1)
	data = append(data, t.raw...)
	if len(data) > 0 && !bytes.HasSuffix(data, []byte("\n")) {
		data = append(data, '\n')
	}
	return append(data, text...)
}
