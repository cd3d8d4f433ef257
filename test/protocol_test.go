package test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// The bot that the description of the protocol begins with, run as it stands there with the real
// client: it answers a person, and not itself, where it was asked, and takes what it is sent.
func TestBotOfTheDocument(t *testing.T) {
	t.Parallel()
	python := needClient(t, "python3")
	s := startServer(t, t.TempDir())
	real := s.openSSH("bot", []string{newKey(t)}, []string{"-T"}, "json")
	args, err := json.Marshal(real.Args)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(document(t, "docs/protocol.md"), "```python\n")
	script, _, found := strings.Cut(rest, "```")
	const documented = `["ssh", "-T", "-p", "2222", "bot@chat.example.org", "json"]`
	if !found || !strings.Contains(script, documented) {
		t.Fatalf("the document has another bot: %q", script)
	}
	carol := plug(t, "carol", s.openSSH("carol", []string{newKey(t)}, []string{"-T"}))
	carol.sees("you are carol")
	bot := exec.Command(python, "-c", strings.Replace(script, documented, string(args), 1))
	bot.Env = real.Env
	var words strings.Builder
	bot.Stderr = &words
	if err := bot.Start(); err != nil {
		t.Fatal(err)
	}
	carol.sees("bot joined")
	for range 2 {
		carol.types("hello")
		carol.sees("bot: hello, carol")
	}
	carol.types("@bot hello")
	carol.sees("[bot -> you] hello, carol", "delivered to bot")
	carol.types("quit")
	carol.leaves()
	s.signal(syscall.SIGTERM, patience)
	if err := bot.Wait(); err != nil {
		t.Errorf("the bot: %v\n%s", err, words.String())
	}
	if strings.Contains(carol.all(), "hello, bot") {
		t.Error("the bot answers itself")
	}
}
