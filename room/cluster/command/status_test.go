package command

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"whoelse/internal/cli"
	"whoelse/room/cluster"
)

// TestShow: a status is shown for people and for programs, and says what is wrong.
func TestShow(t *testing.T) {
	s := cluster.Status{
		Name: "whoelse", Stream: "whoelse_LOG", Engine: "nats://a:4222", First: 3, Last: 1000, Bytes: 3 << 20, Keep: 7 * 24 * 3600,
		Leader: "a", Replicas: []cluster.Replica{{Name: "b", Current: true}, {Name: "c", Lag: 5}},
		Nodes: []cluster.Node{{Name: "one", Leads: true, People: 1, Silent: 1}, {Name: "two", Behind: 10}},
	}
	shown := func(s cluster.Status, asJSON bool) (string, error) {
		var out bytes.Buffer
		c := &cobra.Command{}
		c.SetOut(&out)
		err := show(&cli.Run{Command: c}, s, asJSON)
		return out.String(), err
	}
	const want = `cluster whoelse: 2 servers alive
  one  1 nick   0 events behind   heard 1s ago  leads
  two  0 nicks  10 events behind  heard 0s ago  
stream whoelse_LOG on nats://a:4222: events 3 to 1000, 3.0 MiB, kept for 7d
  a leads
  b up to date
  c 5 behind
`
	if got, err := shown(s, false); err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	text, err := shown(s, true)
	var got struct {
		Keep  float64
		Nodes []struct {
			Name   string
			Behind int
			Silent float64
		}
	}
	if e := json.Unmarshal([]byte(text), &got); err != nil || e != nil || got.Keep != 604800 || got.Nodes[0].Silent != 1 || got.Nodes[1].Behind != 10 {
		t.Errorf("%v, %v: %s", err, e, text)
	}
	s.Nodes[1].Stuck = true
	if _, err := shown(s, false); err == nil || !strings.Contains(err.Error(), "two can't follow") {
		t.Error(err)
	}
	s.Replicas[0].Offline = true
	if got, err := shown(s, false); err == nil || !strings.Contains(err.Error(), "b is offline") || !strings.Contains(got, "b offline") {
		t.Errorf("%v\n%s", err, got)
	}
	s.Replicas, s.Leader = []cluster.Replica{{Name: "b"}, {Name: "c"}}, ""
	if got, err := shown(s, false); err == nil || !strings.Contains(err.Error(), "no NATS server leads") || !strings.Contains(got, "b not known") {
		t.Errorf("%v\n%s", err, got)
	}
}
