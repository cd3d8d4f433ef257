package adversarial

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"whoelse/keys"
	"whoelse/keys/nick"
	"whoelse/sessions/internal/rawssh"
)

func selectNick(n string) keys.Selector { return keys.Selector{Nick: n} }

// names are usernames that nobody may have.
func names() []string {
	all := []string{
		"", ".", "..", "../x", "../../etc/passwd", "-rf", "--data", "~", "~~x", "~../x", "/", "\\", "a/b", "a b", "a\x00b", "a\r\nb", "a\nforged: x",
		"a\x1b[2Jb", "\u009b2J", "a%n%s", "$(id)", "`id`", "a'b", "a\"b", "a,b", "@a", "+", "a+", "+a", "a+b+c",
		"\u0430lice", "a\u200dlice", "\ufb01x", "\u0130x", "\u212aelvin", "ﾡlice", "al\u0131ce", "\u202ebob", "b\u0301ob", "\xff\xfe", "b\xc3", "bob\x7f",
		strings.Repeat("x", 33), strings.Repeat("x", 1<<10), strings.Repeat("\u0301", 1<<10), strings.Repeat("x", 200<<10), strings.Repeat("\x1b", 200<<10),
		"BOB", "Bob", "~bob", "~BOB", "b0b", // held, or alike
	}
	for _, word := range []string{"all", "everyone", "room", "here", "server", "system", "operator", "admin", "root", "guest", "you", "me"} {
		all = append(all, word, strings.ToUpper(word), "~"+word)
	}
	return all
}

var plainNick = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)

// No name that is none, or is somebody's, gets in, with a key or without; what is
// said about it is clean, and no file is called like it.
func TestNames(t *testing.T) {
	t.Parallel()
	along(t, options{}, func(r *rig) {
		for i, name := range names() {
			for _, key := range []string{"", fmt.Sprint("name ", i)} {
				_, words, err := r.login(visit{user: name, key: key})
				if err == nil {
					t.Errorf("%.40q is let in", name)
				}
				if bad := unclean(words); bad != "" || len(words) > 1000 {
					t.Errorf("%.40q: %d bytes of words have %s", name, len(words), bad)
				}
			}
			c := r.stranger(rawssh.Dial)
			if got := c.None(name); got == rawssh.AuthSuccess {
				t.Errorf("%.40q is let in with nothing", name)
			}
			c.Close()
		}
		r.onlyPlainFiles()
	})
}

// onlyPlainFiles asserts that all files and folders are called as we call them.
func (r *rig) onlyPlainFiles() {
	r.Helper()
	err := filepath.WalkDir(filepath.Dir(r.dir), func(path string, d os.DirEntry, err error) error {
		if err == nil && path != filepath.Dir(r.dir) && !strings.HasPrefix(d.Name(), "00") && !plainNick.MatchString(strings.TrimLeft(d.Name(), "_.")) {
			r.Errorf("a file is called %q", path)
		}
		return err
	})
	if err != nil {
		r.Error(err)
	}
}

// Case is no difference: ALICE is alice with her key, and nobody without it.
func TestCaseOfNames(t *testing.T) {
	t.Parallel()
	along(t, options{lines: []string{keyLine("alice")}}, func(r *rig) {
		for _, user := range []string{"alice", "Alice", "ALICE", "\u0430lice", "root", "../x", "a\x1b[2Jb"} {
			c := r.connect(visit{user: user, key: "alice", command: "nick"})
			c.sees("you are alice, with the key")
			c.clean("alice as " + user)
		}
		for _, user := range []string{"alice", "Alice", "ALICE", "\u0430lice"} {
			for _, key := range []string{"", "mallory"} {
				if _, words, err := r.login(visit{user: user, key: key}); err == nil {
					t.Errorf("%s with the key %q is let in: %q", user, key, words)
				}
			}
		}
	})
}

// What the Big List of Naughty Strings makes of usernames.
func TestNaughtyNames(t *testing.T) {
	t.Parallel()
	along(t, options{}, func(r *rig) {
		list := naughty(t)
		step := 10
		if full && !raceOn {
			step = 1
		}
		for i := 0; i < len(list); i += step {
			_, err := nick.Guest(list[i])
			_, words, failed := r.login(visit{user: list[i]})
			if (failed == nil) != (err == nil) {
				t.Errorf("%q: %v, though as a nick: %v", list[i], failed, err)
			}
			if bad := unclean(words); bad != "" {
				t.Errorf("%q: %s", list[i], bad)
			}
			if len(r.visitors) > 50 {
				r.hangUp()
			}
		}
		r.onlyPlainFiles()
	})
}
