package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"whoelse/room"
)

// Status is the state of a cluster, as a command sees it that was connected by [Dial].
type Status struct {
	Name     string    `json:"name"`
	Engine   string    `json:"engine"` // URL of the engine node that answers
	Stream   string    `json:"stream"`
	Created  time.Time `json:"created"`
	First    uint64    `json:"first"` // number of the oldest event that the stream has
	Last     uint64    `json:"last"`
	Bytes    uint64    `json:"bytes"`
	Keep     float64   `json:"keep"`   // events, in seconds
	Leader   string    `json:"leader"` // the engine node that orders the events
	Replicas []Replica `json:"replicas"`
	Nodes    []Node    `json:"nodes"`
}

// Replica is another copy of the stream.
type Replica struct {
	Name    string `json:"name"`
	Current bool   `json:"current"`
	Offline bool   `json:"offline,omitempty"` // or the leader has not heard of it for offlineAfter
	Lag     uint64 `json:"lag"`               // events that it lacks
}

// offlineAfter is many times the interval in which the leader hears of the others. By itself NATS calls a node that
// was killed up to date, or a little behind, for minutes.
const offlineAfter = 5 * time.Second

// replicas gives the copies of the stream besides the leader's. Without a leader nobody hears of them.
func replicas(info *jetstream.ClusterInfo) []Replica {
	all := []Replica{}
	for _, p := range info.Replicas {
		silent := info.Leader != "" && (p.Active == 0 || p.Active > offlineAfter) // 0: not since it leads
		all = append(all, Replica{Name: p.Name, Current: p.Current && !silent, Offline: p.Offline || silent, Lag: p.Lag})
	}
	return all
}

// Status asks the engine for the state of the stream. The nodes are the servers that were heard since [Dial]: as a
// rule, all are heard within a second.
func (c *Cluster) Status(ctx context.Context) (Status, error) {
	if c.stream == nil && len(c.nodes()) > 0 {
		return Status{}, fmt.Errorf("servers run, and %w", c.lost())
	} else if c.stream == nil {
		return Status{}, fmt.Errorf("there is no cluster %s yet: start a server with --cluster, or use whoelse cluster import", c.opts.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.patience)
	defer cancel()
	info, err := c.stream.Info(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("%w: %w", room.ErrCluster, err)
	}
	s := Status{
		Name: c.opts.Name, Engine: c.nc.ConnectedUrlRedacted(), Stream: c.streamName(), Created: info.Created,
		First: info.State.FirstSeq, Last: info.State.LastSeq, Bytes: info.State.Bytes, Keep: info.Config.MaxAge.Seconds(),
		Replicas: []Replica{}, Nodes: c.nodes(),
	}
	if info.Cluster != nil {
		s.Leader = info.Cluster.Leader
		s.Replicas = replicas(info.Cluster)
	}
	slices.SortFunc(s.Nodes, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
	for i := range s.Nodes {
		n := &s.Nodes[i]
		n.Leads, n.Behind = i == 0, max(s.Last, n.Applied)-n.Applied
	}
	return s, nil
}

// Stats are one server's numbers about its cluster. They are known without asking the engine.
type Stats struct {
	Connected bool   // to the engine
	Trouble   bool   // this server can't follow the stream
	Behind    uint64 // events in the stream that this server does not have yet
	Servers   int    // that are alive, this one included
}

// Stats returns the statistics.
func (c *Cluster) Stats() Stats {
	s := Stats{Connected: c.connected(), Trouble: c.following.trouble() != nil}
	c.following.mu.Lock()
	s.Behind = c.following.behind
	c.following.mu.Unlock()
	c.rosters.mu.Lock()
	s.Servers = len(c.rosters.of) + 1
	c.rosters.mu.Unlock()
	return s
}
