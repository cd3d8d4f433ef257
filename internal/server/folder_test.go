package server

import (
	"path/filepath"
	"strings"
	"testing"
)

// Root must not write among the files of somebody else.
func TestRootServesNobodyElse(t *testing.T) {
	for _, c := range []struct {
		me, owner int
		refused   bool
	}{{0, 0, false}, {1000, 1000, false}, {0, 1000, true}, {1000, 2000, false}} {
		err := serving("data/history", c.me, c.owner)
		if (err != nil) != c.refused {
			t.Errorf("%+v: %v", c, err)
		}
		if err != nil && !strings.Contains(err.Error(), "data/history belongs to uid 1000") {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if err := mayServe(t.TempDir()); err != nil {
		t.Errorf("a folder of one's own: %v", err)
	}
	if err := mayServe(filepath.Join(t.TempDir(), "missing")); err != nil {
		t.Errorf("a new one: %v", err)
	}
}
