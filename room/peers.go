package room

import "fmt"

// Peers are the other servers of a cluster. Its methods are called with the room's lock held: they
// must neither block nor call the room.
type Peers interface {
	// Node is the name of this server.
	Node() string
	// RosterChanged says that who is here has changed: [Room.Roster] has it.
	RosterChanged()
	// Answer tells node, which appended the event with this ID, what became of it for got.To.
	Answer(node, id string, got Receipt)
}

// Errors of a cluster's log. Both wrap [ErrStorage].
var (
	// ErrCluster says that the cluster can't store anything right now.
	ErrCluster = fmt.Errorf("%w: the cluster can't store messages right now", ErrStorage)
	// ErrUncertain says that the cluster did not answer in time: what was sent may still come.
	ErrUncertain = fmt.Errorf("%w: the cluster did not answer in time", ErrStorage)
	// ErrConflict says that another server changed the same at the same time, again and again.
	ErrConflict = fmt.Errorf("%w: other servers are changing the same", ErrStorage)
)
