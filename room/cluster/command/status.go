package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"whoelse/internal/cli"
	"whoelse/keys/duration"
	"whoelse/room/cluster"
)

// show prints a cluster's status. The error says what is wrong with it.
func show(r *cli.Run, s cluster.Status, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(r)
		e.SetIndent("", "  ")
		if err := e.Encode(s); err != nil {
			return err
		}
		return problem(s)
	}
	r.Say("cluster %s: %s alive", s.Name, cli.Count(len(s.Nodes), "server"))
	w := tabwriter.NewWriter(r, 0, 0, 2, ' ', 0)
	for _, n := range s.Nodes {
		leads := ""
		if n.Leads {
			leads = "leads"
		}
		fmt.Fprintf(w, "  %s\t%s\t%d events behind\theard %s ago\t%s\n", cli.Clean(n.Name), cli.Count(n.People, "nick"),
			n.Behind, seconds(n.Silent).Round(100*time.Millisecond), leads)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	events := fmt.Sprintf("events %d to %d, %.1f MiB", s.First, s.Last, float64(s.Bytes)/(1<<20))
	if s.First > s.Last || s.Last == 0 {
		events = "no events yet"
	}
	r.Say("stream %s on %s: %s, kept for %s", s.Stream, s.Engine, events, duration.Format(seconds(s.Keep)))
	if s.Leader != "" {
		r.Say("  %s leads", s.Leader)
	}
	for _, p := range s.Replicas {
		state := "up to date"
		switch {
		case p.Offline:
			state = "offline"
		case s.Leader == "" && !p.Current:
			state = "not known"
		case !p.Current:
			state = fmt.Sprintf("%d behind", p.Lag)
		}
		r.Say("  %s %s", p.Name, state)
	}
	return problem(s)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// problem says what is wrong with a cluster.
func problem(s cluster.Status) error {
	if s.Leader == "" && len(s.Replicas) > 0 {
		return errors.New("no NATS server leads the stream, and nothing can be sent: most of them have to run; start them")
	}
	for _, p := range s.Replicas {
		if p.Offline {
			return fmt.Errorf("the NATS server %s is offline: start it; nothing is lost, and messages can be sent "+
				"as long as most of these servers run", p.Name)
		}
	}
	if len(s.Nodes) == 0 {
		return fmt.Errorf("no server of the cluster %s is running", s.Name)
	}
	for _, n := range s.Nodes {
		if n.Stuck {
			return fmt.Errorf("the server %s can't follow the stream, and accepts no messages; its log says why", cli.Clean(n.Name))
		}
	}
	return nil
}
