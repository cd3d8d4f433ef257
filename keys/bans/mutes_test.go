package bans

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func openMutes(t *testing.T, path string) *Mutes {
	t.Helper()
	l, err := OpenMutes(path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestMutesExpireAndSurvive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "mutes.json")
		l := openMutes(t, path)
		if _, muted := l.Find("bob"); muted {
			t.Error("bob is muted from the start")
		}
		m, err := l.Add("bob", "al\u202eice", time.Hour)
		if err != nil || m.By != "al?ice" || !m.Until.Equal(m.Made.Add(time.Hour)) {
			t.Errorf("%+v, %v", m, err)
		}
		if _, err := l.Add("~eve", "alice", 0); err != nil {
			t.Fatal(err)
		}
		l = openMutes(t, path)
		if got, muted := l.Find("bob"); !muted || got != m {
			t.Errorf("after reopening: %+v, %v", got, muted)
		}
		time.Sleep(time.Hour)
		if _, muted := l.Find("bob"); muted {
			t.Error("it does not expire")
		}
		time.Sleep(50 * 365 * 24 * time.Hour)
		if _, muted := l.Find("~eve"); !muted {
			t.Error("one without an end expires")
		}
		if was, err := l.Remove("bob"); was || err != nil {
			t.Errorf("lifting an expired one: %v, %v", was, err)
		}
		if was, err := l.Remove("~eve"); !was || err != nil {
			t.Errorf("lifting one: %v, %v", was, err)
		}
		if text, _ := os.ReadFile(path); string(text) != "[]\n" {
			t.Errorf("the file is %q", text)
		}
	})
}

func TestBadMutes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mutes.json")
	l := openMutes(t, path)
	for _, n := range []string{"", "../x", "root", "a b"} {
		if _, err := l.Add(n, "alice", 0); err == nil {
			t.Errorf("%q is muted", n)
		}
	}
	for _, text := range []string{"{", `[{"nick":""}]`, `[{"nick":"a/b"}]`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenMutes(path); err == nil {
			t.Errorf("%s is read", text)
		}
	}
}

func TestMutesAreReadAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mutes.json")
	l := openMutes(t, path)
	if _, err := l.Add("bob", "alice", 0); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file       string
		bob, carol bool
		fails      bool
	}{
		{`[{"nick":"Carol","by":"the\nfile"}]`, false, true, false},
		{`[{"nick":"bob"`, false, true, true},
		{`[{"nick":"bob"},{"nick":"a/b"}]`, false, true, true},
		{``, false, false, false},
		{`[{"nick":"bob"}]`, true, false, false},
	} {
		if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := l.Reload(); (err != nil) != c.fails {
			t.Errorf("%s: %v", c.file, err)
		}
		_, bob := l.Find("bob")
		m, carol := l.Find("carol")
		if bob != c.bob || carol != c.carol || carol && m.By != "the?file" {
			t.Errorf("%s: bob is muted: %v; carol: %v, %+v", c.file, bob, carol, m)
		}
	}
	if _, err := l.Add("carol", "alice", 0); err != nil {
		t.Fatal(err)
	}
	if _, muted := l.Find("bob"); !muted {
		t.Error("what was read is lost with the next mute")
	}
}
