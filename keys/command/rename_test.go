package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"whoelse/internal/cli"
	"whoelse/keys"
	"whoelse/room"
	"whoelse/room/history/record"
)

// bobs is a data folder of somebody who has everything there is.
func bobs(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, "# people", keyLine(t)+" bob@laptop", `environment="NICK=bob" `+keyLine(t)+" phone", keyLine(t)+" carol")
	unread := &room.Message{ID: "1", Time: time.Unix(1, 0), Kind: room.KindDirect, From: "carol", To: []string{"bob"}, Text: "hi"}
	text, err := record.AppendMessage(nil, 1, unread)
	if err != nil {
		t.Fatal(err)
	}
	r.write("history/users/bob.jsonl", string(text))
	r.write("settings/bob.json", "{}\n")
	r.write("rooms/ops.json", `{"id":"1","topic":"bob","owners":["bob","carol"],"muted":["robert","bob"],"later":{"bob":1}}`)
	r.write("rooms/den.json", `{"id":"2","members":["carol"]}`)
	return r
}

// stick makes the next step of a rename fail, that of the history, until the function that it returns is called.
func (r *rig) stick() (free func()) {
	r.t.Helper()
	inTheWay := filepath.Join(r.data, "history/users/bob.jsonl.tmp")
	if err := os.MkdirAll(filepath.Join(inTheWay, "x"), 0o700); err != nil {
		r.t.Fatal(err)
	}
	return func() {
		if err := os.RemoveAll(inTheWay); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) wantRenamed() {
	r.t.Helper()
	list := r.does("list")
	if strings.Contains(list, "bob") || strings.Count(list, "robert ") != 2 || !strings.Contains(list, "carol") {
		r.t.Errorf("keys:\n%s", list)
	}
	for name, want := range map[string]bool{
		"history/users/bob.jsonl": false, "history/users/robert.jsonl": true,
		"settings/bob.json": false, "settings/robert.json": true, "renaming.json": false,
	} {
		if r.has(name) != want {
			r.t.Errorf("%s is there: %v", name, !want)
		}
	}
	if !r.has("rooms/ops.json") { // a folder of before there were rooms
		return
	}
	ops := strings.Join(strings.Fields(r.read("rooms/ops.json")), "")
	if want := `{"id":"1","later":{"bob":1},"muted":["robert"],"owners":["robert","carol"],"topic":"bob"}`; ops != want {
		r.t.Errorf("the room: %s", ops)
	}
}

func (r *rig) wantUntouched() {
	r.t.Helper()
	if text := r.read("authorized_keys"); !strings.Contains(text, "bob@laptop") || r.has("renaming.json") ||
		!r.has("history/users/bob.jsonl") || !r.has("settings/bob.json") {
		r.t.Errorf("something was changed:\n%s", text)
	}
}

func TestRename(t *testing.T) {
	r := bobs(t)
	if out := r.does("rename", "Bob", "Robert"); out != "renamed bob to robert\n" {
		t.Errorf("%q", out)
	}
	r.wantRenamed()
}

func TestRenameWithNothingButKeys(t *testing.T) {
	r := newRig(t, keyLine(t)+" bob")
	if err := os.RemoveAll(filepath.Join(r.data, "settings")); err != nil {
		t.Fatal(err)
	}
	r.does("rename", "bob", "robert")
	if r.has("settings") || r.has("renaming.json") || !strings.HasPrefix(r.does("list"), "robert ") {
		t.Error(r.does("list"))
	}
}

// TestRenameInterrupted stops after each step. The same command completes it;
// others, and whoever asks before serving, are told.
func TestRenameInterrupted(t *testing.T) {
	for n := 1; n <= 4; n++ {
		r := bobs(t)
		reg, err := keys.Open(filepath.Join(r.data, "authorized_keys"), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []func() error{
			func() error { return keys.Renaming{From: "bob", To: "robert"}.Write(r.data) },
			func() error { _, err := reg.Rename("bob", "robert"); return err },
			func() error { h := r.hold(); return errors.Join(h.Rename("bob", "robert"), h.Close()) },
			func() error { return os.Rename(r.data+"/settings/bob.json", r.data+"/settings/robert.json") },
		}[:n] {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		const words = "whoelse keys rename bob robert"
		if err := keys.Unfinished(r.data); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("after %d steps: %v", n, err)
		}
		r.refuses(words, "check")
		r.refuses(words, "rename", "carol", "caroline")
		r.refuses(words, "rename", "robert", "bob")
		r.does("rename", "bob", "robert")
		r.wantRenamed()
		if err := keys.Unfinished(r.data); err != nil {
			t.Error(err)
		}
	}
}

func TestRenameRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(r *rig)
		to    string
		words string
	}{
		"running":    {func(r *rig) { r.hold() }, "robert", "a whoelse is running"},
		"held":       {nil, "carol", "carol is held by another key"},
		"alike":      {nil, "car0l", "reads like carol"},
		"history":    {func(r *rig) { r.write("history/users/robert.jsonl", "") }, "robert", "users/robert.jsonl"},
		"settings":   {func(r *rig) { r.write("settings/robert.json", "") }, "robert", "settings/robert.json away"},
		"invitation": {func(r *rig) { r.does("invite", "robert") }, "robert", "whoelse keys remove robert"},
		"invites":    {func(r *rig) { r.write("invites.json", "{") }, "robert", "invites.json"},
		"note":       {func(r *rig) { r.write("renaming.json", "{") }, "robert", "can't be understood"},
		"empty note": {func(r *rig) { r.write("renaming.json", "{}") }, "robert", "can't be understood"},
	} {
		t.Run(name, func(t *testing.T) {
			r := bobs(t)
			if c.spoil != nil {
				c.spoil(r)
			}
			r.refuses(c.words, "rename", "bob", c.to)
			if !strings.Contains(name, "note") {
				r.wantUntouched()
			}
		})
	}
	r := bobs(t)
	r.refuses("nobody holds dave", "rename", "dave", "eve")
	r.wantUntouched()
}

// A line that a human has to change is found out late, and undoes the beginning.
func TestRenameRefusedByALine(t *testing.T) {
	r := bobs(t)
	r.write("authorized_keys", keyLine(t)+" bob@laptop\n"+`environment="NICK=bob",environment="NICK=bob" `+keyLine(t)+" x\n")
	r.refuses("line 2 cannot be renamed by itself", "rename", "bob", "robert")
	r.wantUntouched()
}

func TestRenameStuckHistory(t *testing.T) {
	r := bobs(t)
	free := r.stick()
	r.refuses("only in part: history of bob", "rename", "bob", "robert")
	if keys.Unfinished(r.data) == nil {
		t.Error("there is no note")
	}
	r.refuses("only in part: history of bob", "rename", "bob", "robert")
	free()
	r.does("rename", "bob", "robert")
	r.wantRenamed()
}

func TestRenameStuckSettings(t *testing.T) {
	r := bobs(t)
	free := r.stick()
	r.refuses("only in part", "rename", "bob", "robert")
	free()
	r.write("settings/robert.json", "{}")
	r.refuses("settings/robert.json is in the way", "rename", "bob", "robert")
	if err := os.Remove(filepath.Join(r.data, "settings/robert.json")); err != nil {
		t.Fatal(err)
	}
	r.does("rename", "bob", "robert")
	r.wantRenamed()
}

// Between a power cut and the second try somebody else got the old nick: nothing
// that could be theirs is moved.
func TestRenameAfterTheOldNickWasTaken(t *testing.T) {
	r := bobs(t)
	free := r.stick()
	r.refuses("only in part", "rename", "bob", "robert")
	free()
	r.write("authorized_keys", r.read("authorized_keys")+keyLine(t)+" bob\n")
	r.refuses("only in part", "rename", "bob", "robert")
	if !r.has("history/users/bob.jsonl") || keys.Unfinished(r.data) == nil {
		t.Error("it went on")
	}
}

func TestRenameClosesInvitationsForTheOldNick(t *testing.T) {
	r := bobs(t)
	if _, err := (&command{Run: &cli.Run{Data: r.data}}).invitations().Create("bob", "alice", 1e12); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintln("renamed bob to robert") + fmt.Sprintln("closed 1 invitation for bob")
	if out := r.does("rename", "bob", "robert"); out != want {
		t.Errorf("%q", out)
	}
}
