package terminal

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"whoelse/sessions/text"
)

const (
	rawSize  = 512 // read at once; small, because every idle session holds it
	keepText = 64  // bytes for typed text that are kept between two bursts of it

	// maxCopied bounds what the keys of one read can make the server copy, in bytes: no
	// hand is fast enough for it, and more keys are ignored. Each counts as keyCost, and those
	// that copy the line for its length.
	maxCopied = 256 << 10
	keyCost   = 256

	// maxMarks is how many combining marks can be typed onto each other. One more has all
	// of them drawn again, and text.Clean keeps fewer.
	maxMarks = 8

	// newlineRune stands in the editor for a newline. One that a person types or pastes
	// becomes a space, so that it cannot be taken for ours.
	newlineRune = '\u2424'
	newlineSign = string(newlineRune)
)

// editor makes a line of what a person types. A paste, or the text of a burst of keys, is
// inserted at once. All of it belongs to the reader's goroutine.
type editor struct {
	t        *Terminal
	src      io.Reader
	complete func(line string, pos int) (newLine string, newPos int, ok bool)
	max      int // characters of a line

	raw            [rawSize]byte
	at, have       int // raw[at:have] is still to be decoded
	carried, fresh int // bytes of raw that came before the last read, and in it
	dec            decoder
	err            error // what src ended with

	typed      []byte   // text that is to be inserted: of a paste in progress, or of keys
	size, over int      // the characters of typed, and those that it has no room for
	marks      int      // that typed ends in
	copied     int      // bytes, since the last read
	killed     string   // by ^W, ^U or ^K, for ^Y
	past       []string // lines that were entered, oldest first

	edited
	ended error // what ReadLine has returned for good
}

// edited is the line being edited.
type edited struct {
	line    string
	pos     int    // the cursor's, in bytes
	dropped int    // characters that did not fit
	back    int    // how many lines of the past one has gone up
	draft   string // the line that was left for them
}

// key returns the next key, with the text before it in the line.
func (e *editor) key() (key, error) {
	for {
		for e.at < e.have {
			k, r, n := e.dec.next(e.raw[e.at:e.have], e.at < e.carried)
			if n == 0 {
				break
			}
			e.at += n
			switch {
			case e.dec.pasting:
				e.paste(k, r)
			case k == keyText:
				e.put(r)
			case k != keyNone && (e.copied < maxCopied || k == keyEnter || k == keyInterrupt):
				e.insert()
				e.copied += keyCost
				return k, nil
			}
		}
		if !e.dec.pasting {
			e.insert()
		}
		if err := e.fill(); err != nil {
			return keyNone, err
		}
	}
}

// fill reads more, after the screen has followed what came before.
func (e *editor) fill() error {
	e.t.show(e.line, e.pos)
	if e.err != nil {
		return e.err
	}
	e.have = copy(e.raw[:], e.raw[e.at:e.have])
	if e.have == rawSize { // a control sequence without an end
		e.have = 2 * maxSequence
	}
	e.at, e.carried, e.copied = 0, e.have, 0
	e.fresh, e.err = e.src.Read(e.raw[e.have:])
	e.have += e.fresh
	return nil
}

// press does what a key does to the line.
func (e *editor) press(k key) {
	left, right := e.line[:e.pos], e.line[e.pos:]
	switch k {
	case keyPasteStart:
		e.dec.pasting = true
	case keyClear:
		e.t.Clear()
	case keyTab:
		e.copied += len(e.line)
		if line, pos, ok := e.complete(e.line, e.pos); ok && utf8.RuneCountInString(line) <= e.max {
			e.line, e.pos = line, pos
		}
	case keyLeft:
		e.pos -= lastSize(left)
	case keyRight:
		e.pos += firstSize(right)
	case keyWordLeft:
		e.pos = wordBefore(left)
	case keyWordRight:
		e.pos = len(e.line) - len(wordAfter(right))
	case keyLineStart:
		e.pos = 0
	case keyLineEnd:
		e.pos = len(e.line)
	case keyBackspace:
		e.cut(e.pos-lastSize(left), e.pos)
	case keyDelete, keyEnd:
		e.cut(e.pos, e.pos+firstSize(right))
	case keyKillWord:
		e.kill(wordBefore(left), e.pos)
	case keyKillLeft:
		e.kill(0, e.pos)
	case keyKillRight:
		e.kill(e.pos, len(e.line))
	case keyYank:
		e.typed = append(e.typed, e.killed...)
		e.size += utf8.RuneCountInString(e.killed)
	case keyTranspose:
		e.transpose()
	case keyUp:
		e.recall(e.back + 1)
	case keyDown:
		e.recall(e.back - 1)
	}
	if e.dropped > 0 && utf8.RuneCountInString(e.line) < e.max {
		e.dropped = 0 // only the text on the screen counts
	}
}

func firstSize(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}

func lastSize(s string) int {
	_, n := utf8.DecodeLastRuneInString(s)
	return n
}

// wordBefore is where the last word of s begins.
func wordBefore(s string) int { return strings.LastIndexByte(strings.TrimRight(s, " "), ' ') + 1 }

// wordAfter is s from its second word on; its first one may be cut.
func wordAfter(s string) string {
	_, rest, _ := strings.Cut(s, " ")
	return strings.TrimLeft(rest, " ")
}

// cut removes line[from:to], where the cursor is.
func (e *editor) cut(from, to int) {
	if 0 < from && to < len(e.line) {
		e.copied += len(e.line)
	}
	e.line, e.pos = e.line[:from]+e.line[to:], from
}

// kill is cut for ^Y.
func (e *editor) kill(from, to int) {
	if from < to {
		e.killed = e.line[from:to]
		e.cut(from, to)
	}
}

// transpose swaps the characters beside the cursor, or the last two.
func (e *editor) transpose() {
	at := e.pos
	if at == len(e.line) {
		at -= lastSize(e.line)
	}
	from, to := at-lastSize(e.line[:at]), at+firstSize(e.line[at:])
	if from < at {
		e.copied += len(e.line)
		e.line, e.pos = e.line[:from]+e.line[at:to]+e.line[from:at]+e.line[to:], to
	}
}

// recall shows a line of the past, so many back, or what was typed before that.
func (e *editor) recall(back int) {
	switch {
	case back < 0 || back > len(e.past):
		return
	case e.back == 0:
		e.draft = e.line
	}
	e.back, e.line = back, e.draft
	if back > 0 {
		e.line = e.past[len(e.past)-back]
	}
	e.pos = len(e.line)
}

// insert puts as much of the typed text into the line as there is room for.
func (e *editor) insert() {
	if e.size+e.over == 0 {
		return
	}
	if fits := min(e.size, e.max-utf8.RuneCountInString(e.line)); fits > 0 {
		s := string([]rune(string(e.typed))[:fits])
		e.line, e.pos = e.line[:e.pos]+s+e.line[e.pos:], e.pos+len(s)
		e.size -= fits
	}
	e.dropped += e.size + e.over
	e.copied += len(e.line)
	e.forget()
}

// paste takes what belongs to a paste, which ends with its end marker. Should that have
// been lost, nothing the person types would be seen again, so ^C ends it too, but only
// when it comes in a read of its own, as a pressed key does: the text behind one that was
// pasted must not count as typed.
func (e *editor) paste(k key, r rune) {
	switch k {
	case keyText:
		e.put(r)
	case keyEnter:
		e.put('\n')
	case keyTab:
		e.copied += len(e.line)
		for range "    " { // as text.Clean has it
			e.put(' ')
		}
	case keyPasteEnd:
		e.dec.pasting = false
		if e.over == 0 {
			e.typed = bytes.TrimRight(e.typed, newlineSign)
			e.size = utf8.RuneCount(e.typed)
		}
	case keyInterrupt:
		if e.fresh == 1 {
			e.dec.pasting = false
			e.forget()
			e.at-- // it is a key
		}
	}
}

// put takes a character that is to be inserted.
func (e *editor) put(r rune) {
	switch {
	case r == '\n':
		r = newlineRune
	case r == newlineRune:
		r = ' '
	case !text.Allowed(r):
		return
	}
	e.marks++
	if r < utf8.RuneSelf || text.RuneWidth(r) > 0 {
		e.marks = 0
	}
	switch {
	case e.marks > maxMarks:
	case e.size >= e.max || e.dropped > 0 && !e.dec.pasting: // after dropped text there is no room
		e.over++
	default:
		e.typed = utf8.AppendRune(e.typed, r)
		e.size++
	}
}

// forget empties typed.
func (e *editor) forget() {
	e.typed, e.size, e.over = e.typed[:0], 0, 0
	if cap(e.typed) > keepText {
		e.typed = nil
	}
}

const (
	maxPast      = 50
	maxPastBytes = 64 << 10
)

// remember adds a line that was entered to the history: no empty one, and none twice in a row.
func (e *editor) remember(line string) {
	if line == "" || len(e.past) > 0 && e.past[len(e.past)-1] == line {
		return
	}
	e.past = append(e.past, line)
	size := 0
	for i, l := range slices.Backward(e.past) {
		if size += len(l); len(e.past)-i > maxPast || size > maxPastBytes && size > len(line) {
			e.past = slices.Delete(e.past, 0, i+1)
			break
		}
	}
}
