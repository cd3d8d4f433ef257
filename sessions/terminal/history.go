package terminal

const (
	maxPast      = 50
	maxPastBytes = 64 << 10
)

// history is what up and down walk through: the newest lines entered, as the
// editor shows them, without empty ones and without immediate repetitions. It is
// the reader's goroutine's.
type history struct {
	lines []string // oldest first
	bytes int      // of all of them

	at    int    // the line being looked at, len(lines) for the draft
	draft string // what was being typed when the walk began
}

// add takes a line that was entered.
func (h *history) add(line string) {
	defer h.forgetPlace()
	n := len(h.lines)
	if line == "" || n > 0 && h.lines[n-1] == line {
		return
	}
	h.lines = append(h.lines, line)
	h.bytes += len(line)
	for len(h.lines) > maxPast || h.bytes > maxPastBytes && len(h.lines) > 1 {
		h.bytes -= len(h.lines[0])
		h.lines[0] = ""
		h.lines = h.lines[1:]
	}
}

// forgetPlace makes the next walk begin at the newest line.
func (h *history) forgetPlace() {
	h.at, h.draft = len(h.lines), ""
}

// older returns what stands before line, which is being edited.
func (h *history) older(line string) (string, bool) {
	if h.at == 0 {
		return "", false
	}
	if h.at == len(h.lines) {
		h.draft = line
	}
	h.at--
	return h.lines[h.at], true
}

// newer goes back, at last to the draft.
func (h *history) newer() (string, bool) {
	if h.at == len(h.lines) {
		return "", false
	}
	h.at++
	if h.at == len(h.lines) {
		return h.draft, true
	}
	return h.lines[h.at], true
}
