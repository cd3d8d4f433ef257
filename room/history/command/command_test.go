package command

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// Root must not leave files that the server can't read.
func TestRootKeepsOut(t *testing.T) {
	for _, c := range []struct {
		me, owner int
		refused   bool
	}{{0, 0, false}, {1000, 1000, false}, {0, 1000, true}, {1000, 2000, false}} {
		if err := mayWrite("data", c.me, c.owner); (err != nil) != c.refused {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestValidLines(t *testing.T) {
	long := `"` + strings.Repeat("x", 2*maxAudit) + `"` + "\n"
	for text, want := range map[string]string{
		"": "", "{}\n{}\n": "", "{}\n{\"half": "", "{}\n{x}\n{}\n": "byte 3", "\n": "byte 0", "{}\n" + long: "byte 3",
	} {
		err := validLines(strings.NewReader(text))
		if got := errorText(err); (want == "") != (err == nil) || !strings.Contains(got, want) {
			t.Errorf("%.20q: %s, want %q", text, got, want)
		}
	}
	if err := validLines(io.MultiReader(bytes.NewReader(bytes.Repeat([]byte("{}\n"), maxAudit)))); err != nil {
		t.Error(err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 1: "1 byte", 1023: "1023 bytes", 1024: "1.0 KiB", 3 << 29: "1.5 GiB", 1 << 60: "1048576.0 TiB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
