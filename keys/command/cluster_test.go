package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInCluster: in the data folder of a cluster's server a nick is not renamed, and given back without its history, while
// the server runs; and what takes time to reach the other servers is said.
func TestInCluster(t *testing.T) {
	r := bobs(t)
	if err := os.Mkdir(filepath.Join(r.data, "cluster"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := r.run("", "rename", "bob", "robert"); got.err == nil || !strings.Contains(got.err.Error(), "one of a cluster") {
		t.Errorf("%+v", got)
	}
	r.wantUntouched()
	const elsewhere = "the other servers of the cluster get this within"
	for _, one := range []struct {
		input  string
		args   []string
		remark bool
	}{
		{keyLine(t), []string{"add", "dora"}, true},
		{"", []string{"remove", "dora"}, true},
		{"", []string{"invite", "erin"}, true},
		{"", []string{"list"}, false},
	} {
		if got := r.run(one.input, one.args...); got.err != nil || strings.Contains(got.remarks, elsewhere) != one.remark {
			t.Errorf("%q: %+v", one.args, got)
		}
	}
	const nickOnly = "give back the nick alone with: whoelse keys restore bob"
	if got := r.run("", "remove", "bob"); got.err != nil || !strings.Contains(got.remarks, nickOnly) {
		t.Errorf("%+v", got)
	}
	r.write("reserved.json", `[{"nick":"fay","since":"2026-11-25T12:00:00Z","until":"2999-01-01T00:00:00Z"}]`)
	r.write("history/users/fay.jsonl", "of a server that goes on\n")
	r.hold()
	if got := r.run(keyLine(t), "restore", "fay"); got.err != nil || !strings.Contains(got.out, "restored fay, without a history") {
		t.Errorf("%+v", got)
	}
	if text := r.read("reserved.json"); strings.Contains(text, "fay") || !strings.Contains(r.does("list"), "fay ") {
		t.Errorf("still reserved: %s", text)
	}
}
