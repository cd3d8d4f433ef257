package metrics

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whoelse/sessions/admission"
)

// docs/metrics.md has the labels that there are, and no others.
func TestMetricsDocs(t *testing.T) {
	docs, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	stats := admission.New(admission.Limits{}, nil).Stats()
	for metric, want := range map[string][]string{
		"connections_refused_total": names(stats.Refused), "logins_failed_total": names(stats.Failed),
	} {
		row := regexp.MustCompile(`(?m)^\| .whoelse_` + metric + `\{\w+\}. \|(.*)$`).FindSubmatch(docs)
		if row == nil {
			t.Errorf("%s is missing", metric)
			continue
		}
		var got []string
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllSubmatch(row[1], -1) {
			got = append(got, string(m[1]))
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-code +docs):\n%s", metric, diff)
		}
	}
}

func names[K ~string](of map[K]uint64) (all []string) {
	for k := range maps.Keys(of) {
		all = append(all, string(k))
	}
	slices.Sort(all)
	return all
}
