package terminal

import (
	"strings"
	"unicode/utf8"

	"whoelse/sessions/text"
)

// op is something that x/term has to be given alone, in a Read of its own.
type op uint8

const (
	opNone      op = iota
	opAsk          // asks the editor for its line, for the screen and to count it
	opEnter        // ends the line
	opEnd          // ^D
	opInterrupt    // forgets the line
	opTab          // asks Config.Complete
	opInsert       // inserts a whole text at once
	opOlder        // walks the history
	opNewer
	opKillWord // these take text away, which opYank inserts again
	opKillRight
	opKillLeft
	opYank
	opClear // ^L, which x/term has no part in
)

var keyOps = [keyCount]op{
	keyEnter:     opEnter,
	keyCtrlD:     opEnd,
	keyInterrupt: opInterrupt,
	keyTab:       opTab,
	keyUp:        opOlder,
	keyDown:      opNewer,
	keyClear:     opClear,
	keyKillWord:  opKillWord,
	keyKillRight: opKillRight,
	keyKillLeft:  opKillLeft,
	keyYank:      opYank,
}

// sentinel is the key on which x/term calls answer: one that it does nothing for
// by itself, and that decoder never lets through.
const sentinel = 0x1f

// perform does the op that is to be done, or begins it by what it puts into p.
// It reports whether there is something in p, which is then one byte.
func (f *filter) perform(p []byte) bool {
	o := f.op
	f.op, f.active, f.stale = opNone, o, o != opAsk
	switch o {
	case opClear:
		f.t.Clear()
		return false
	case opEnter:
		p[0] = '\r'
	case opEnd:
		f.exact, f.dropped = false, 0
		p[0] = 4
	default:
		f.t.edit.AutoCompleteCallback = f.callback
		p[0] = sentinel
	}
	return true
}

// answer is x/term's AutoCompleteCallback: it is told the line and the cursor's
// position, and may put others in their place. It is set only while one key is
// handled that needs it: x/term copies the whole line to call it.
func (f *filter) answer(line string, pos int, _ rune) (newLine string, newPos int, ok bool) {
	defer func() {
		if r := recover(); r != nil {
			f.panicked, ok = r, false
		}
	}()
	switch f.active {
	case opAsk:
		f.line = line
		f.t.out.edit(line, pos)
	case opInterrupt:
		f.begin()
		ok = true
	case opTab:
		newLine, newPos, ok = f.completed(line, pos)
	case opInsert:
		newLine, newPos = f.inserted(line, pos)
		ok = true
	case opOlder:
		newLine, ok = f.past.older(line)
		newPos = len(newLine)
	case opNewer:
		newLine, ok = f.past.newer()
		newPos = len(newLine)
	case opKillWord:
		newLine, newPos, ok = f.kill(line, wordStart(line[:pos]), pos)
	case opKillRight:
		newLine, newPos, ok = f.kill(line, pos, len(line))
	case opKillLeft:
		newLine, newPos, ok = f.kill(line, 0, pos)
	}
	if ok {
		line = newLine
	}
	f.used, f.exact = textSize(line), true
	if ok && f.active != opInsert {
		f.dropped = 0
	}
	return newLine, newPos, ok
}

// completed asks Config.Complete and believes only what x/term can bear.
func (f *filter) completed(line string, pos int) (string, int, bool) {
	if f.complete == nil {
		return "", 0, false
	}
	s, p, ok := f.complete(line, pos)
	if !ok || p < 0 || p > len(s) || p < len(s) && !utf8.RuneStart(s[p]) {
		return "", 0, false
	}
	if textSize(s) > f.max || !utf8.ValidString(s) {
		return "", 0, false
	}
	for _, r := range s {
		if !text.Allowed(r) {
			return "", 0, false
		}
	}
	return s, p, true
}

// inserted puts as much of f.paste into the line as there is room for.
func (f *filter) inserted(line string, pos int) (string, int) {
	s := string(f.paste)
	if room := max(0, f.max-textSize(line)); textSize(s) > room {
		s = string([]rune(s)[:room])
	}
	f.dropped += utf8.RuneCount(f.paste) - textSize(s) + f.pasteOver
	f.forgetPaste()
	s = strings.ReplaceAll(s, "\n", newlineSign)
	return line[:pos] + s + line[pos:], pos + len(s)
}

// kill takes line[from:to] out, for opYank.
func (f *filter) kill(line string, from, to int) (string, int, bool) {
	if from < to {
		f.killed = line[from:to]
	}
	return line[:from] + line[to:], from, true
}

// wordStart is where the last word of s begins.
func wordStart(s string) int {
	return strings.LastIndexByte(strings.TrimRight(s, " "), ' ') + 1
}

// textSize is the number of characters of the message that an editor's line makes.
func textSize(line string) int { return utf8.RuneCountInString(line) }
