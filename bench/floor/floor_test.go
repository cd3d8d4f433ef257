package floor

import "testing"

func TestSplitLine(t *testing.T) {
	for _, c := range []struct {
		data    string
		advance int
		token   string
	}{
		{"one\rtwo", 4, "one"},
		{"one\ntwo", 4, "one"},
		{"\n", 1, ""},
		{"half", 0, ""},
	} {
		advance, token, err := splitLine([]byte(c.data), false)
		if advance != c.advance || string(token) != c.token || err != nil {
			t.Errorf("splitLine(%q) = %d, %q, %v", c.data, advance, token, err)
		}
	}
}
