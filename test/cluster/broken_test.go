package cluster

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// whole is a story in which nothing is wrong.
func whole() *story {
	start := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	moment := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	one := message{"01", "alice", "one"}
	two := message{"02", "bob", "two"}
	three := message{"03", "alice", "three"}
	secret := message{"04", "bob", "secret"}
	open := message{"05", "bob", "open"}
	both := func(list ...message) map[string][]message {
		return map[string][]message{"chat1": list, "chat2": slices.Clone(list)}
	}
	return &story{
		attempts: []*attempt{
			{from: "alice", text: "one", begun: moment(1), answered: moment(2), fate: accepted, id: "01", node: "chat1"},
			{from: "bob", text: "two", begun: moment(3), answered: moment(5), fate: accepted, id: "02", node: "chat2"},
			{from: "alice", text: "three", begun: moment(4), node: "chat1"},
			{from: "bob", text: "secret", to: []string{"alice"}, begun: moment(6), answered: moment(7), fate: accepted, id: "04", node: "chat2"},
			{from: "bob", text: "open", begun: moment(7), node: "chat2"},
			{from: "bob", text: "no", begun: moment(8), answered: moment(9), fate: refused, node: "chat2", silence: 3 * time.Second},
		},
		sessions: []*shownSession{
			{nick: "alice", node: "chat1", lobby: []message{two, three}, direct: []message{secret}},
			{nick: "bob", node: "chat2", lobby: []message{one, two, three, open}, direct: []message{secret}},
		},
		lobby:  both(one, two, three, open),
		direct: map[string]map[string][]message{"alice": both(secret), "bob": both(secret)},
		claims: []claim{{"alice", "key1", "chat1"}, {"alice", "key1", "chat2"}},
		keys:   map[string]map[string][]string{"chat1": {"alice": {"key1"}}, "chat2": {"alice": {"key1"}}},
	}
}

// TestChecker: the checker accepts a story in which nothing is wrong, and finds each wrong that is done
// to it.
func TestChecker(t *testing.T) {
	if wrong := whole().check(4 * time.Second); len(wrong) > 0 {
		t.Error("a story that is whole: ", wrong)
	}
	for name, do := range map[string]struct {
		want   string
		damage func(*story)
	}{
		"a line lost on one server":   {"lost: ", func(s *story) { s.lobby["chat2"] = s.lobby["chat2"][1:] }},
		"a line lost on all servers":  {"lost: ", func(s *story) { drop(s.lobby, "one") }},
		"a direct message lost":       {"lost: ", func(s *story) { drop(s.direct["alice"], "secret") }},
		"the sender's copy lost":      {"lost: ", func(s *story) { drop(s.direct["bob"], "secret") }},
		"another order on one server": {"order: ", func(s *story) { swap(s.lobby["chat2"], 1, 2) }},
		"an order against the clock": {"order: ", func(s *story) {
			for _, has := range s.lobby {
				swap(has, 0, 1)
				has[0].id, has[1].id = "01", "02"
			}
		}},
		"ids that fall":            {"order: ", func(s *story) { s.lobby["chat1"][3].id, s.lobby["chat2"][3].id = "00", "00" }},
		"another id than answered": {"id: ", func(s *story) { s.attempts[0].id = "09" }},
		"stored twice": {"twice: ", func(s *story) {
			for node := range s.lobby {
				s.lobby[node] = append(s.lobby[node], message{"06", "bob", "two"})
			}
		}},
		"shown twice": {"twice: ", func(s *story) {
			s.sessions[0].lobby = append(s.sessions[0].lobby, s.sessions[0].lobby[0])
		}},
		"a gap on a screen":          {"shown: ", func(s *story) { s.sessions[1].lobby = slices.Delete(s.sessions[1].lobby, 1, 2) }},
		"another order on a screen":  {"shown: ", func(s *story) { swap(s.sessions[0].lobby, 0, 1) }},
		"shown, and in no history":   {"shown: ", func(s *story) { drop(s.lobby, "open") }},
		"refused, and there":         {"refused: ", func(s *story) { s.attempts[4].fate = refused }},
		"a line that nobody sent":    {"forged: ", func(s *story) { s.attempts = slices.Delete(s.attempts, 2, 3) }},
		"a line of somebody else":    {"forged: ", func(s *story) { s.attempts[2].from = "bob" }},
		"an answer that came late":   {"late: ", func(s *story) { s.attempts[5].silence = 5 * time.Second }},
		"a nick given to two keys":   {"claim: ", func(s *story) { s.claims[1].key = "key2" }},
		"a nick with two keys":       {"claim: ", func(s *story) { s.keys["chat2"]["alice"] = []string{"key1", "key2"} }},
		"a nick that lost its key":   {"claim: ", func(s *story) { clear(s.keys["chat2"]) }},
		"a nick that changed hands":  {"claim: ", func(s *story) { s.keys["chat2"]["alice"] = []string{"key2"} }},
		"a server without histories": {"lost: ", func(s *story) { s.lobby["chat2"] = nil }},
	} {
		s := whole()
		do.damage(s)
		wrong := s.check(4 * time.Second)
		if !slices.ContainsFunc(wrong, func(line string) bool { return strings.HasPrefix(line, do.want) }) {
			t.Errorf("%s: %q, want one that begins with %q", name, wrong, do.want)
		}
	}
}

func drop(on map[string][]message, text string) {
	for _, node := range slices.Collect(maps.Keys(on)) {
		on[node] = slices.DeleteFunc(on[node], func(m message) bool { return m.text == text })
	}
}

func swap(list []message, i, j int) { list[i], list[j] = list[j], list[i] }
