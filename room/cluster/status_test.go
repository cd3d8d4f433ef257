package cluster

import (
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestReplicasOffline: a node that was killed is offline as soon as the leader misses it, whatever else NATS says of it.
func TestReplicasOffline(t *testing.T) {
	peers := []*jetstream.PeerInfo{
		{Name: "follows", Current: true, Active: 100 * time.Millisecond},
		{Name: "catches up", Active: time.Second, Lag: 5},
		{Name: "silent", Current: true, Active: time.Minute},
		{Name: "never heard", Lag: 40},
		{Name: "stopped", Offline: true, Active: time.Second},
	}
	offline := func(leader string) (names []string) {
		for _, r := range replicas(&jetstream.ClusterInfo{Leader: leader, Replicas: peers}) {
			if r.Offline {
				names = append(names, r.Name)
			}
		}
		return names
	}
	if got := offline("a"); !slices.Equal(got, []string{"silent", "never heard", "stopped"}) {
		t.Errorf("%q", got)
	}
	if got := offline(""); !slices.Equal(got, []string{"stopped"}) {
		t.Errorf("without a leader: %q", got)
	}
}
