package load

import (
	"context"
	"errors"
	"sync"
)

// Plan says who connects, and how.
type Plan struct {
	Addr     string
	First    int // the number of the first client; numbers go up from there
	Sessions int
	Parallel int // how many connect at the same time
	Auth     Auth
	Cipher   string
	Kind     Kind
}

// Crowd is a set of connected clients that count what they are shown.
type Crowd struct {
	Clients []*Client
	Tallies []*Tally // one for each client, in the same order
}

// Gather connects all clients of a plan. On an error those that were already
// connected are closed again.
func Gather(ctx context.Context, plan Plan) (*Crowd, error) {
	crowd := &Crowd{
		Clients: make([]*Client, plan.Sessions),
		Tallies: make([]*Tally, plan.Sessions),
	}
	for i := range crowd.Tallies {
		crowd.Tallies[i] = &Tally{self: plan.First + i}
	}
	err := each(ctx, plan.Sessions, plan.Parallel, func(ctx context.Context, i int) error {
		who := Identity{Number: plan.First + i, Auth: plan.Auth, Cipher: plan.Cipher}
		client, err := Connect(ctx, plan.Addr, who, plan.Kind, crowd.Tallies[i])
		crowd.Clients[i] = client
		return err
	})
	if err != nil {
		crowd.Close()
		return nil, err
	}
	return crowd, nil
}

// each runs work for 0 to n-1, at most parallel at a time, stops at the first
// error and returns it after all have ended.
func each(ctx context.Context, n, parallel int, work func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var workers sync.WaitGroup
	for range max(parallel, 1) {
		workers.Go(func() {
			for i := range next {
				if err := work(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range n {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}

// Close ends all clients and waits for them. Only a crowd that is no longer
// spoken to may be closed.
func (c *Crowd) Close() {
	_ = each(context.Background(), len(c.Clients), 8, func(_ context.Context, i int) error {
		if c.Clients[i] != nil {
			c.Clients[i].Close()
		}
		return nil
	})
}

// Stick stops the reading of all clients that are gated.
func (c *Crowd) Stick() {
	for _, client := range c.Clients {
		client.Stick()
	}
}

// Release lets them read again.
func (c *Crowd) Release() {
	for _, client := range c.Clients {
		client.Release()
	}
}

// cut closes all connections without waiting, to free whoever is stuck on one.
func (c *Crowd) cut() {
	for _, client := range c.Clients {
		_ = client.conn.Close()
	}
}

// Ended counts the clients whose session has ended before it should.
func (c *Crowd) Ended() int {
	ended := 0
	for _, client := range c.Clients {
		if client.Ended() {
			ended++
		}
	}
	return ended
}

// errNobody is returned when a talk has nobody to speak.
var errNobody = errors.New("nobody to talk")
