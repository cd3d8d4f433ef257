package sessions

import (
	"slices"
	"strings"

	"whoelse/sessions/parse"
)

// complete answers Tab: commands at the beginning of a line, nicks everywhere. It
// runs on the reading goroutine.
func (s *session) complete(line string, pos int) (string, int, bool) {
	head, tail := line[:pos], line[pos:]
	start := strings.LastIndexAny(head, " ,@") + 1
	word := head[start:]
	candidates := s.candidates(head, start, word)
	if len(candidates) == 0 {
		return line, pos, true
	}
	done := commonPrefix(candidates)
	if len(candidates) == 1 {
		done = candidates[0] + s.after(head, start, candidates[0])
	} else if strings.EqualFold(done, word) {
		s.note(strings.Join(candidates[:min(len(candidates), 40)], "  "))
	}
	return head[:start] + done + strings.TrimPrefix(tail, " "), start + len(done), true
}

// candidates lists what word could become, sorted.
func (s *session) candidates(head string, start int, word string) []string {
	var all []string
	if start == 0 {
		all = commandWords(s.operator(), strings.HasPrefix(word, "/"))
	}
	if !strings.HasPrefix(word, "/") {
		all = append(all, s.everyNick()...)
	}
	word = strings.ToLower(word)
	all = slices.DeleteFunc(all, func(c string) bool { return !strings.HasPrefix(c, word) })
	slices.Sort(all)
	return slices.Compact(all)
}

func commandWords(operator, slash bool) (all []string) {
	for _, c := range commandsFor(operator) {
		switch {
		case slash:
			all = append(all, "/"+c.Name)
		default:
			all = append(all, c.BareWords...)
		}
	}
	return all
}

// after is what follows a whole word: a colon after a nick that a sentence starts
// with, else a space.
func (s *session) after(head string, start int, word string) string {
	if start == 0 && parse.Find(word) == nil {
		return ": "
	}
	return " "
}

func commonPrefix(words []string) string {
	prefix := words[0]
	for _, w := range words[1:] {
		for !strings.HasPrefix(w, prefix) {
			prefix = prefix[:len(prefix)-1]
		}
	}
	return prefix
}
