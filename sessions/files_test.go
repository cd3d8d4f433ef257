package sessions

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// What a sender calls a file becomes one line without folders, whatever it is.
func TestFileNames(t *testing.T) {
	for name, want := range map[string]string{
		"notes.txt": "notes.txt", "a b.txt": "a b.txt", "../../etc/passwd": "passwd", `C:\x\y.txt`: "y.txt", "/": "file", "": "file",
		".": "file", "..": "file", "...": "file", "a/..": "file", " ": "file", "x\x1b[2J\ny": "x y", "x\u202ey": "xy",
		strings.Repeat("日", 10_000): strings.Repeat("日", 100), "\xff": "?", ".bashrc": ".bashrc",
	} {
		got := fileName(name)
		if got != want {
			t.Errorf("%.40q becomes %q, want %q", name, got, want)
		}
	}
}

func FuzzFileName(f *testing.F) {
	f.Add("../x\n")
	f.Fuzz(func(t *testing.T, name string) {
		got := fileName(name)
		if n := utf8.RuneCountInString(got); n == 0 || n > maxFileName || strings.ContainsAny(got, "/\\\n\r\x1b\x00") || !utf8.ValidString(got) {
			t.Errorf("%q becomes %q", name, got)
		}
	})
}
