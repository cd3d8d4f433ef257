package terminal

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"whoelse/sessions/text"
)

const (
	rawSize  = 512 // read at once; small, because every idle session holds it
	keepText = 64  // bytes for typed text that are kept between two bursts of it

	// maxCopied bounds what the keys of one read can make the server copy, in bytes: no
	// hand is fast enough for it, and more keys are ignored. Each counts as keyCost and the
	// line before and after it.
	maxCopied = 256 << 10
	keyCost   = 256

	// maxMarks is how many combining marks can be typed onto each other. One more has all
	// of them drawn again, and text.Clean keeps fewer.
	maxMarks = 8

	// escapeWait is how long the rest of a key may take to follow its ESC. After that ESC was the key, which does nothing.
	escapeWait = 100 * time.Millisecond

	// newlineRune stands in the editor for a newline. One that a person types or pastes
	// becomes a space, so that it cannot be taken for ours.
	newlineRune = '\u2424'
	newlineSign = string(newlineRune)

	// sentinel is the key on which x/term calls answer: one that it does nothing for by
	// itself, and that press never gives it.
	sentinel = 0x1f
)

// editing makes another line of the editor's, with the cursor before a byte of it.
type editing func(line string, pos int) (newLine string, newPos int, ok bool)

// filter is what x/term reads from: it gives it one key at a time, and does by itself what
// x/term cannot do safely. A paste, or the text of a burst of keys, is inserted at once.
// x/term calls Read and answer without holding its lock. All of it belongs to the
// reader's goroutine.
type filter struct {
	t        *Terminal
	editor   *term.Terminal // of the line being read
	src      io.Reader
	complete editing
	begin    func()
	max      int // characters of a line

	raw            [rawSize]byte
	at, have       int // raw[at:have] is still to be decoded
	carried, fresh int // bytes of raw that came before the last read, and in it
	dec            decoder
	err            error // what src ended with

	typed      []byte // text that is to be inserted: of a paste in progress, or of keys
	size, over int    // the characters of typed, and those that it has no room for
	marks      int    // that typed ends in
	asked      editing
	copied     int      // bytes, since the last read
	killed     string   // by ^W, ^U or ^K, for ^Y
	past       []string // lines that were entered, oldest first

	current
	ended    error // what ReadLine has returned for good
	panicked any   // what a panic in Read or answer brought
}

// current is the line being edited.
type current struct {
	line        string // the editor's when it was last asked
	pos         int    // and the cursor's
	stale       bool   // x/term was given a key since then
	killing     bool   // it was ^W, ^U or ^K
	dropped     int    // characters that did not fit
	begun       bool   // begin was called
	interrupted bool   // it is to be forgotten
}

// Read implements io.Reader for x/term. p has room for a key.
func (f *filter) Read(p []byte) (n int, err error) {
	defer f.contain()
	f.editor.AutoCompleteCallback = nil
	for f.panicked == nil {
		if f.dropped > 0 && !f.stale && !f.dec.pasting { // what follows is dropped, until there is room again
			f.dropped += f.size + f.over
			f.forget()
		}
		var k key
		var r rune
		n := 0
		if f.at < f.have {
			k, r, n = f.dec.next(f.raw[f.at:f.have], f.at < f.carried)
		}
		isKey := k != keyNone && k != keyText
		waits := len(f.typed) > 0 && !f.dec.pasting
		switch {
		case waits && (n == 0 || isKey && f.affords(k)): // the key comes after it
			return f.ask(p, f.insert), nil
		case f.stale && (n == 0 || k.needsLine() || f.killing || f.dropped > 0):
			return f.ask(p, func(string, int) (string, int, bool) { return "", 0, false }), nil
		case n == 0:
			if err := f.fill(); err != nil {
				return 0, err
			}
			continue
		}
		f.at += n
		if !f.begun {
			f.begun = true
			f.begin()
		}
		switch {
		case f.dec.pasting:
			f.paste(k, r)
		case k == keyText:
			f.put(r)
		case isKey && f.affords(k):
			if n := f.press(p, k); n > 0 {
				return n, nil
			}
		}
	}
	return 0, io.EOF // ReadLine panics again
}

// Write implements io.Writer for x/term, which has nothing to draw on.
func (f *filter) Write(p []byte) (int, error) { return len(p), nil }

// contain keeps a panic from going through x/term, where it would be fatal to the process.
func (f *filter) contain() {
	if r := recover(); r != nil {
		f.panicked = r
	}
}

// fill reads more, after the screen has followed what came before.
func (f *filter) fill() error {
	f.t.show(f.line, f.pos)
	if f.err != nil {
		return f.err
	}
	f.have = copy(f.raw[:], f.raw[f.at:f.have])
	if f.have == rawSize { // a control sequence without an end
		f.have = 2 * maxSequence
	}
	f.at, f.carried, f.copied = 0, f.have, 0
	f.begun = f.line != "" || f.size > 0
	began := time.Now()
	f.fresh, f.err = f.src.Read(f.raw[f.have:])
	f.have += f.fresh
	if f.carried == 1 && f.raw[0] == 0x1b && !f.dec.pasting && time.Since(began) > escapeWait {
		f.at = 1
	}
	return nil
}

// affords tells whether one more key may be served.
func (f *filter) affords(k key) bool {
	return f.copied < maxCopied || k == keyEnter || k == keyInterrupt
}

// press takes a key, and returns how many bytes of p are for x/term.
func (f *filter) press(p []byte, k key) int {
	switch k {
	case keyPasteStart:
		f.dec.pasting = true
	case keyClear:
		f.copied += keyCost + len(f.line)
		f.t.Clear()
	case keyYank:
		f.typed = append(f.typed, f.killed...)
		f.size += utf8.RuneCountInString(f.killed)
	case keyInterrupt:
		f.interrupted = true
		return f.give(p, keyEnter)
	case keyTab:
		return f.ask(p, f.complete)
	case keyKillWord, keyKillLeft, keyKillRight:
		f.killing = true
		return f.give(p, k)
	case keyEnter, keyUp, keyDown, keyLineStart, keyLineEnd, keyWordLeft, keyWordRight, keyTranspose:
		return f.give(p, k)
	case keyEnd, keyDelete, keyBackspace, keyLeft, keyRight:
		if k == keyEnd && f.line == "" { // the end of the input
			return f.give(p, k)
		}
		return f.giveEach(p, k)
	}
	return 0
}

// needsLine reports whether press has to know the line for the key.
func (k key) needsLine() bool {
	switch k {
	case keyEnd, keyDelete, keyBackspace, keyLeft, keyRight, keyKillWord, keyKillLeft, keyKillRight:
		return true
	}
	return false
}

// giveEach gives x/term a key once for each rune of the character that it is about, since x/term knows only runes. It follows
// what x/term does to the line, so that this need not be copied for each key.
func (f *filter) giveEach(p []byte, k key) int {
	before, behind := f.line[:f.pos], f.line[f.pos:]
	var over string
	switch k {
	case keyBackspace, keyLeft:
		f.copied += len(before) - text.Begins(before) // which are looked at
		at := len(before) - text.LastCharacter(before)
		before, over = before[:at], before[at:]
		f.pos = at
	default:
		size, _ := text.Character(behind)
		over, behind = behind[:size], behind[size:]
	}
	switch k {
	case keyLeft:
	case keyRight:
		f.pos += len(over)
	default:
		if before != "" && behind != "" {
			f.copied += len(f.line)
		}
		f.line = before + behind
	}
	if k == keyDelete {
		k = keyEnd // the same to x/term, unless the line is empty
	}
	f.stale = f.dropped > 0 // there may be room now
	return copy(p, strings.Repeat(string(rune(k)), utf8.RuneCountInString(over)))
}

// xtermKeys is what x/term knows the keys by that are no control characters.
var xtermKeys = map[key]string{keyWordLeft: "\x1b[1;3D", keyWordRight: "\x1b[1;3C"}

// give gives x/term a key that it handles by itself.
func (f *filter) give(p []byte, k key) int {
	f.stale = true
	p[0] = byte(k)
	return max(1, copy(p, xtermKeys[k]))
}

// ask has x/term call answer, which copies the line. It returns the size of the key for that.
func (f *filter) ask(p []byte, what editing) int {
	f.asked = what
	f.editor.AutoCompleteCallback = f.answer
	p[0] = sentinel
	return 1
}

// answer is x/term's AutoCompleteCallback: it is told the line and the cursor's position,
// and may put others in their place.
func (f *filter) answer(line string, pos int, _ rune) (newLine string, newPos int, ok bool) {
	defer f.contain()
	if n := len(f.line) - len(line); f.killing && n > 0 {
		f.killed = f.line[pos : pos+n]
	}
	f.killing = false
	newLine, newPos, fits := f.asked(line, pos)
	ok = fits && utf8.RuneCountInString(newLine) <= f.max
	f.copied += keyCost + len(line) + len(newLine)
	if ok {
		line, pos = newLine, newPos
	}
	if utf8.RuneCountInString(line) < f.max {
		f.dropped = 0 // only the text on the screen counts
	}
	f.line, f.pos, f.stale = line, pos, false
	return newLine, newPos, ok
}

// insert puts as much of the typed text into the line as there is room for.
func (f *filter) insert(line string, pos int) (string, int, bool) {
	s := string(f.typed)
	if room := max(0, f.max-utf8.RuneCountInString(line)); f.size > room {
		s = string([]rune(s)[:room])
	}
	f.dropped = f.size + f.over - utf8.RuneCountInString(s)
	f.forget()
	return line[:pos] + s + line[pos:], pos + len(s), true
}

// paste takes what belongs to a paste, which ends with its end marker. Should that have
// been lost, nothing the person types would be seen again, so ^C ends it too, but only
// when it comes in a read of its own, as a pressed key does: the text behind one that was
// pasted must not count as typed.
func (f *filter) paste(k key, r rune) {
	switch k {
	case keyText:
		f.put(r)
	case keyEnter:
		f.put('\n')
	case keyTab:
		for range "    " { // as text.Clean has it
			f.put(' ')
		}
	case keyPasteEnd:
		f.dec.pasting = false
		if f.over == 0 {
			f.typed = bytes.TrimRight(f.typed, newlineSign)
			f.size = utf8.RuneCount(f.typed)
		}
	case keyInterrupt:
		if f.fresh == 1 {
			f.dec.pasting = false
			f.forget()
			f.at-- // it is a key
		}
	}
}

// put takes a character that is to be inserted.
func (f *filter) put(r rune) {
	switch {
	case r == '\n':
		r = newlineRune
	case r == newlineRune:
		r = ' '
	case !text.Allowed(r):
		return
	}
	f.marks++
	if r < utf8.RuneSelf || text.RuneWidth(r) > 0 {
		f.marks = 0
	}
	switch {
	case f.marks > maxMarks:
	case f.size >= f.max:
		f.over++
	default:
		f.typed = utf8.AppendRune(f.typed, r)
		f.size++
	}
}

// forget empties typed.
func (f *filter) forget() {
	f.typed, f.size, f.over = f.typed[:0], 0, 0
	if cap(f.typed) > keepText {
		f.typed = nil
	}
}

const (
	maxPast      = 50
	maxPastBytes = 64 << 10
)

// Add, Len and At implement x/term's History, which is what up and down walk through. With its
// echo off x/term does not add to it.
func (f *filter) Add(string) {}

func (f *filter) Len() int { return len(f.past) }

func (f *filter) At(i int) string {
	line := f.past[len(f.past)-1-i]
	f.copied += keyCost + len(line)
	return line
}

// remember adds a line that was entered to the history: no empty one, and none twice in a row.
func (f *filter) remember(line string) {
	if line == "" || len(f.past) > 0 && f.past[len(f.past)-1] == line {
		return
	}
	f.past = append(f.past, line)
	size := 0
	for i, l := range slices.Backward(f.past) {
		if size += len(l); len(f.past)-i > maxPast || size > maxPastBytes && size > len(line) {
			f.past = slices.Delete(f.past, 0, i+1)
			break
		}
	}
}
