package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"whoelse/room"
)

// Status is the state of a cluster, as one of its servers, or a command, sees it.
type Status struct {
	Name     string        `json:"name"`
	Engine   string        `json:"engine"` // URL of the engine node that this server is connected to
	Stream   string        `json:"stream"`
	Created  time.Time     `json:"created"`
	First    uint64        `json:"first"` // number of the oldest event that the stream has
	Last     uint64        `json:"last"`
	Bytes    uint64        `json:"bytes"`
	Keep     time.Duration `json:"keep"`
	Leader   string        `json:"leader"` // the engine node that orders the events
	Replicas []Replica     `json:"replicas"`
	Nodes    []Node        `json:"nodes"`
	Trouble  string        `json:"trouble,omitempty"` // why this server can't follow
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
func replicas(info *jetstream.ClusterInfo) (all []Replica) {
	for _, p := range info.Replicas {
		silent := info.Leader != "" && (p.Active == 0 || p.Active > offlineAfter) // 0: not since it leads
		all = append(all, Replica{Name: p.Name, Current: p.Current && !silent, Offline: p.Offline || silent, Lag: p.Lag})
	}
	return all
}

// Status asks the engine for the state of the stream. The nodes are the servers that were heard since Connect: as a
// rule, all are heard within a second.
func (c *Cluster) Status(ctx context.Context) (Status, error) {
	if c.stream == nil && len(c.nodes()) > 0 {
		return Status{}, fmt.Errorf("servers run, and %w", c.lost())
	} else if c.stream == nil {
		return Status{}, fmt.Errorf("there is no cluster %s yet: start a server with --cluster, or use whoelse cluster import", c.opts.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	info, err := c.stream.Info(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("%w: %w", room.ErrCluster, err)
	}
	s := Status{
		Name: c.opts.Name, Engine: c.nc.ConnectedUrlRedacted(), Stream: c.streamName(), Created: info.Created,
		First: info.State.FirstSeq, Last: info.State.LastSeq, Bytes: info.State.Bytes, Keep: info.Config.MaxAge,
		Nodes: c.nodes(),
	}
	if info.Cluster != nil {
		s.Leader = info.Cluster.Leader
		s.Replicas = replicas(info.Cluster)
	}
	trouble := c.following.trouble()
	if trouble != nil {
		s.Trouble = trouble.Error()
	}
	if c.following.started() {
		applied := c.following.at()
		s.Nodes = append(s.Nodes, Node{Name: c.opts.Node, Applied: applied, Stuck: trouble != nil, People: c.rosters.own()})
	}
	slices.SortFunc(s.Nodes, byName)
	if len(s.Nodes) > 0 {
		s.Nodes[0].Leads = true
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
