package sessions

import (
	"slices"
	"strings"

	"golang.org/x/time/rate"

	"whoelse/keys/nick"
	"whoelse/sessions/result"
)

// What Tab may cost. Over the rate, which is more than anybody presses it, it does
// nothing.
const (
	tabsPerSecond = 5
	tabsAtOnce    = 10
	mostNicks     = 200 // candidates of each kind: who is here, and who holds a key
	mostShown     = 40
)

// complete answers Tab: commands at the beginning of a line, nicks and rooms everywhere, guests' nicks also without
// their mark behind the first word or an '@'. It runs on the reading goroutine.
func (s *session) complete(line string, pos int) (string, int, bool) {
	if s.tabs == nil {
		s.tabs = rate.NewLimiter(tabsPerSecond, tabsAtOnce)
	}
	if !s.tabs.Allow() {
		return line, pos, true
	}
	head, tail := line[:pos], line[pos:]
	start := strings.LastIndexAny(head, " ,@") + 1
	word := head[start:]
	candidates, all := s.candidates(start, word)
	if len(candidates) == 0 {
		return line, pos, true
	}
	done := word
	if p := commonPrefix(candidates); all && len(p) > len(word) { // it may be shorter: bob and ~bobby
		done = p
	}
	if len(candidates) == 1 {
		done = candidates[0] + " "
		if start == 0 && Grammar.Find(candidates[0]) == nil && !strings.HasPrefix(word, nick.RoomMark) {
			done = candidates[0] + ": " // a sentence that starts with a nick
		}
		tail = strings.TrimPrefix(tail, " ")
	} else if strings.EqualFold(done, word) {
		s.report(result.Text{Words: strings.Join(candidates[:min(len(candidates), mostShown)], "  ")})
	}
	return head[:start] + done + tail, start + len(done), true
}

// candidates lists what word could become, sorted, and tells whether that is all.
func (s *session) candidates(start int, word string) (list []string, all bool) {
	slash := strings.HasPrefix(word, "/")
	word = strings.ToLower(word)
	switch {
	case strings.HasPrefix(word, nick.RoomMark):
		for _, name := range s.member.RoomNames() {
			list = append(list, nick.RoomMark+name)
		}
	case !slash:
		list = s.nicksAround(word, 0, mostNicks)
		if start > 0 {
			list = append(list, s.nicksAround(nick.GuestMark+word, 0, mostNicks)...)
		}
	}
	if start == 0 {
		for _, c := range commandsFor(s.operator()) {
			if !slash {
				list = append(list, c.BareWords...)
			} else if !commandNamed(c.Name).shellOnly {
				list = append(list, "/"+c.Name)
			}
		}
	}
	list = slices.DeleteFunc(list, func(c string) bool {
		return !strings.HasPrefix(c, word) && (start == 0 || !strings.HasPrefix(c, nick.GuestMark+word))
	})
	slices.Sort(list)
	list = slices.Compact(list)
	return list, len(list) < mostNicks-1 // of as many as were asked for, one's own may be left out
}

func commonPrefix(sorted []string) string {
	first, last := sorted[0], sorted[len(sorted)-1]
	n := 0
	for n < min(len(first), len(last)) && first[n] == last[n] {
		n++
	}
	return first[:n]
}
