package terminal

const (
	maxPast      = 50
	maxPastBytes = 64 << 10
)

// history is what up and down walk through: the newest lines entered, as the
// editor shows them, without empty ones and without immediate repetitions. It
// implements x/term's History and is the reader's goroutine's.
type history struct {
	lines []string // oldest first
	bytes int
	skip  bool // the line about to be added was interrupted
}

// Add implements term.History.
func (h *history) Add(line string) {
	n := len(h.lines)
	if h.skip || line == "" || n > 0 && h.lines[n-1] == line {
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

// Len implements term.History.
func (h *history) Len() int { return len(h.lines) }

// At implements term.History.
func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }
