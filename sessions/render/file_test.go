package render

import (
	"strings"
	"testing"
	"time"

	"whoelse/room"
)

func TestFile(t *testing.T) {
	m := &room.Message{ID: "1jgtrjd98nh", Kind: room.KindDirect, From: "bob", To: []string{"carol"}, File: &room.File{Name: "notes.txt", Size: 1234}}
	for _, c := range []struct {
		viewer, name, fetch string
		size                int64
		want                string
	}{
		{"carol", "notes.txt", "ssh carol@host fetch ", 1234, " * 00:00 [bob -> you] sent notes.txt (1.2 KB): ssh carol@host fetch 98nh > FILE\n"},
		{"bob", "notes.txt", "", 1, " * 00:00 [you -> carol] sent notes.txt (1 byte): ssh HOST fetch 98nh > FILE\n"},
		{"carol", "x (1 KB): ssh evil fetch x", "", 999, ` * 00:00 [bob -> you] sent "x (1 KB): ssh evil fetch x" (999 bytes): ssh HOST fetch 98nh > FILE` + "\n"},
		{"carol", "a\x1b[2J\nb", "", 3 << 20, " * 00:00 [bob -> you] sent a b (3.0 MB): ssh HOST fetch 98nh > FILE\n"},
	} {
		m.File = &room.File{Name: c.name, Size: c.size}
		if got := string(Message(nil, m, c.viewer, Style{Fetch: c.fetch}, time.Time{})); got != c.want {
			t.Errorf("got  %swant %s", got, c.want)
		}
	}
	if got, want := string(Fact(nil, m)), "-\t1jgtrjd98nh\tdirect\tbob\tcarol\ta b (3.0 MB)\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// No text looks like a file: none of its rows begins as the line of one does.
func TestTextIsNoFile(t *testing.T) {
	text := &room.Message{ID: "1jgtrjd98nh", From: "bob", Text: "sent notes.txt (1 byte): ssh carol@host fetch 98nh"}
	for range 50 {
		text.Text += "\n * 00:00 [bob -> you] " + text.Text[:50]
	}
	file := *text
	file.File = &room.File{Name: "notes.txt", Size: 1}
	for _, kind := range []room.Kind{room.KindSay, room.KindMe, room.KindDirect, room.KindGroup} {
		text.Kind, file.Kind = kind, kind
		for _, to := range []string{"carol", strings.Repeat("x", 32)} {
			text.To, file.To = []string{to}, []string{to}
			for _, width := range []int{0, 10, 14, 40, 80, 200} {
				st := Style{Width: width}
				if got := string(Message(nil, &file, "carol", st, time.Time{})); !strings.HasPrefix(got, " * ") {
					t.Errorf("a file: %q", got)
				}
				for row := range strings.Lines(string(Message(nil, text, "carol", st, time.Time{}))) {
					if strings.HasPrefix(row, " * ") {
						t.Fatalf("%s, %d columns: %q", kind, width, row)
					}
				}
			}
		}
	}
}
