package test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The karma bot answers, counts each message once however it ends, does not answer the past in the room,
// and does answer the direct messages that waited for it.
func TestExampleKarma(t *testing.T) {
	t.Parallel()
	python := needClient(t, "python3")
	s := startServer(t, t.TempDir(), "--listen", freeAddress(t)) // and again on the same port
	file := filepath.Join(t.TempDir(), "karma.json")
	real := s.openSSH("karma", []string{newKey(t)}, nil)
	start := func() *server {
		bot := exec.Command(python, append([]string{"../examples/karma.py", file}, real.Args[1:]...)...)
		bot.Env = real.Env
		return s.beside(bot)
	}
	carolKey := newKey(t)
	carol := plug(t, "carol", s.openSSH("carol", []string{carolKey}, []string{"-T"}))
	carol.sees("you are carol")
	bot := start()
	carol.sees("karma joined")
	carol.types("dave++ for lunch, c++ and carol++")
	carol.types("karma dave")
	carol.sees("karma: dave has 1")
	carol.types("karma carol") // nobody praises themselves
	carol.sees("karma: carol has 0")
	carol.types("@karma karma")
	carol.sees("[karma -> you] bob++ and bob--")
	if !strings.Contains(carol.all(), "delivered to karma") { // which can come before the answer
		carol.sees("delivered to karma")
	}

	bot.kill()
	carol.types("dave++")
	carol.types("karma dave")
	carol.types("@karma karma dave")
	carol.sees("kept for karma")
	start()
	carol.sees("[karma -> you] dave has 2")
	carol.types("karma c")
	carol.sees("karma: c has 1")
	if strings.Contains(carol.all(), "karma: dave has 2") {
		t.Error("the bot answers the past")
	}

	s.kill()
	s = s.again()
	carol = plug(t, "carol", s.openSSH("carol", []string{carolKey}, []string{"-T"}))
	carol.sees("you are carol")
	carol.meets("karma")
	carol.types("dave--")
	carol.types("karma dave")
	carol.sees("karma: dave has 1")
}
