package test

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// ledger is what people know: what they typed and what they were told of it. What
// was acknowledged has to be on disk for ever, what was refused must never be there,
// and of what nobody was told anything all or nothing. Safe for concurrent use.
type ledger struct {
	mu      sync.Mutex
	clock   int
	words   map[string]*word // by text: no text is typed twice
	screens []screenful
	odd     []string // what nobody typed and somebody was shown, and the like
}

// word is one text that somebody typed.
type word struct {
	from    string
	to      []string // nil for everyone
	begun   int      // when it was typed, by the ledger's clock
	told    int      // when it was acknowledged; 0 if it was not
	refused bool
}

// screenful is what one session without a terminal was shown, in its order.
type screenful struct {
	nick         string
	room, direct []string // texts
}

func newLedger() *ledger { return &ledger{words: map[string]*word{}} }

// begin notes that text is being typed, to everyone if to nobody.
func (l *ledger) begin(text, from string, to ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock++
	l.words[text] = &word{from: from, to: to, begun: l.clock}
}

// acked notes that somebody was told, or shown, that text is on record.
func (l *ledger) acked(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ackedNow(text)
}

func (l *ledger) ackedNow(text string) {
	l.clock++
	switch w := l.words[text]; {
	case w == nil:
		l.odd = append(l.odd, text+" was shown, and nobody has typed it")
	case w.told == 0:
		w.told = l.clock
	}
}

// refused notes that the sender was told that text is not on record.
func (l *ledger) refused(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.words[text].refused = true
}

// only notes to whom of its recipients text was sent.
func (l *ledger) only(text string, to []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.words[text].to = to
}

// known returns the texts whose words match, in the order in which they were typed.
func (l *ledger) known(match func(*word) bool) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var texts []string
	for text, w := range l.words {
		if match(w) {
			texts = append(texts, text)
		}
	}
	slices.SortFunc(texts, func(a, b string) int { return l.words[a].begun - l.words[b].begun })
	return texts
}

// forget drops what was said until now, once it was checked.
func (l *ledger) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.words, l.screens = map[string]*word{}, nil
}

// What is shown: "12:00 bob: text" and "12:00 [bob -> you, carol] text", or by a command a line with
// tabs.
var (
	shownRoom   = regexp.MustCompile(`^\d\d:\d\d [\w~]+: (.*)$`)
	shownDirect = regexp.MustCompile(`^\d\d:\d\d \[([^\]]* -> [^\]]*)\] (.*)$`)
	shownFact   = regexp.MustCompile(`^\S+Z\t\w+\t(\w+)\t[\w~]+\t\S+\t(.*)$`)
	shownFate   = regexp.MustCompile(`^ \* (?:delivered to|kept for) (\w+)`)
)

// shownIn takes the texts out of what a client without a terminal was shown.
func shownIn(nick, output string) screenful {
	s := screenful{nick: nick}
	for line := range wholeLines(output) {
		if m := shownRoom.FindStringSubmatch(line); m != nil {
			s.room = append(s.room, m[1])
		} else if m := shownDirect.FindStringSubmatch(line); m != nil {
			s.direct = append(s.direct, m[2])
		} else if m := shownFact.FindStringSubmatch(line); m != nil && m[1] == "room" {
			s.room = append(s.room, m[2])
		} else if m != nil {
			s.direct = append(s.direct, m[2])
		}
	}
	return s
}

func wholeLines(output string) func(func(string) bool) {
	return strings.SplitSeq(output[:strings.LastIndexByte(output, '\n')+1], "\n")
}

// saw notes what a session was shown, all of which counts as acknowledged, and that
// nobody was told what became of a message before it was shown.
func (l *ledger) saw(nick, output string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := shownIn(nick, output)
	l.screens = append(l.screens, s)
	for _, text := range slices.Concat(s.room, s.direct) {
		l.ackedNow(text)
	}
	sent := map[string]int{}
	for line := range wholeLines(output) {
		if m := shownDirect.FindStringSubmatch(line); m != nil {
			from, to, _ := strings.Cut(m[1], " -> ")
			for _, nick := range strings.Split(to, ", ") {
				if from == "you" {
					sent[nick]++
				}
			}
		} else if m := shownFate.FindStringSubmatch(line); m != nil {
			if sent[m[1]]--; sent[m[1]] < 0 {
				l.odd = append(l.odd, nick+" was told of more than they have sent: "+line)
			}
		}
	}
}

// check holds what was found on disk against all of it.
func (l *ledger) check(t testing.TB, found *findings) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var wrong complaints
	for _, odd := range l.odd {
		wrong.add("%s", odd)
	}
	l.odd = nil
	where := map[string]bool{}
	for id, m := range found.byID {
		if w := l.words[m.Text]; m.Text != "" {
			switch {
			case w == nil || w.from != m.From || !slices.Equal(w.to, m.To):
				wrong.add("%s is there, and nobody has typed it: %+v", id, m)
			case where[m.Text]:
				wrong.add("%q is there twice, under different ids", m.Text)
			case w.refused:
				wrong.add("%q was refused and is there", m.Text)
			}
			where[m.Text] = true
		}
	}
	for text, w := range l.words {
		if w.told > 0 && !where[text] {
			wrong.add("%q was acknowledged and is lost: %+v", text, *w)
		}
	}
	for owner, lines := range found.lines {
		l.checkOrder(&wrong, owner, lines)
	}
	for _, s := range l.screens {
		run(&wrong, s.nick+" in the room", s.room, textsOf(found.lines["room"]))
		run(&wrong, s.nick, s.direct, textsOf(found.lines[s.nick]))
	}
	wrong.report(t)
}

// checkOrder sees that nothing that was typed after the acknowledgement of something
// else comes before it, and that each sender's messages are in their order.
func (l *ledger) checkOrder(wrong *complaints, owner string, lines []record) {
	latest := 0 // when the latest of those before was typed
	typed := map[string]int{}
	for _, m := range lines {
		w := l.words[m.Text]
		if w == nil {
			continue
		}
		if w.told > 0 && w.told < latest {
			wrong.add("%s has %q too late: it was acknowledged before one in front of it was typed", owner, m.Text)
		}
		if typed[m.From] > w.begun {
			wrong.add("%s has %q too late: %s typed it before others in front of it", owner, m.Text, m.From)
		}
		latest, typed[m.From] = max(latest, w.begun), w.begun
	}
}

// run sees that what was shown is a part of the file, without gaps or repetitions.
func run(wrong *complaints, whose string, shown, file []string) {
	if len(shown) == 0 {
		return
	}
	at := max(0, slices.Index(file, shown[0]))
	for i, text := range shown {
		if at+i >= len(file) || file[at+i] != text {
			wrong.add("%s was shown %q as number %d, which is not what the file has there", whose, text, i)
			return
		}
	}
}

func textsOf(lines []record) (texts []string) {
	for _, m := range lines {
		if m.Text != "" {
			texts = append(texts, m.Text)
		}
	}
	return texts
}
