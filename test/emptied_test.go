package test

import (
	"path/filepath"
	"strings"
	"testing"
)

// An editor that empties the file before it writes it anew, or a file that can't be read
// for a moment, does not make the server forget who has lost their last key.
func TestNickRemovedByWayOfAnEmptyFile(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.does("carol", "carol", "say hello", 0, "")
	p.does("bob", "bob", "say hi", 0, "")
	file := filepath.Join(p.s.data, "authorized_keys")
	_, bobs, _ := strings.Cut(readFile(t, file), "\n")
	writeFile(t, file, "")
	p.s.logs(1, "added=0 removed=2")
	writeFile(t, file, bobs)
	p.s.logs(1, "added=1 removed=0")
	p.s.logs(1, `msg="nick retired" nick=carol`)
}
