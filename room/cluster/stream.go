package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// duplicates is how long the stream remembers message IDs: a message that is published again within that time is
// stored once.
const duplicates = 2 * time.Minute

func (c *Cluster) streamName() string { return c.opts.Name + "_LOG" }

// config is the configuration that the stream has to have. A full stream refuses new events instead of losing old ones.
func (c *Cluster) config() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: c.streamName(), Description: "whoelse: the log of all servers",
		Subjects: []string{c.subject("log", ">")},
		Storage:  jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew,
		MaxMsgs: -1, MaxMsgsPerSubject: -1, MaxBytes: -1, MaxMsgSize: -1,
		MaxAge: c.opts.Keep, Duplicates: min(duplicates, c.opts.Keep), Replicas: c.opts.Replicas,
		DenyDelete: true, DenyPurge: true,
	}
}

// open finds the stream, or creates it.
func (c *Cluster) open(ctx context.Context) (final bool, err error) {
	stream, err := c.js.Stream(ctx, c.streamName())
	missing := errors.Is(err, jetstream.ErrStreamNotFound)
	if missing && c.opts.Node == "" {
		return true, nil
	} else if missing {
		if err := c.mayCreate(ctx); err != nil {
			return false, err
		}
		stream, err = c.js.CreateStream(ctx, c.config())
		if err == nil {
			c.log.Info("cluster: created the stream", "stream", c.streamName(), "replicas", c.opts.Replicas, "keep", c.opts.Keep)
		}
	}
	if err != nil {
		return explain(c, err)
	}
	c.stream = stream
	info := stream.CachedInfo()
	c.id = info.Created
	if differ := differences(info.Config, c.config()); len(differ) > 0 && c.opts.Node != "" {
		return true, fmt.Errorf("the stream %s is not as this server needs it:\n  %s", c.streamName(), strings.Join(differ, "\n  "))
	}
	return true, nil
}

// mayCreate fails if the stream was there before: a new one would be in the way of its backup. During an import there is
// a snapshot already.
func (c *Cluster) mayCreate(ctx context.Context) error {
	if _, err := os.Lstat(c.opts.Bound); err == nil {
		return c.lost()
	}
	_, err := c.Newest(ctx)
	switch {
	case err == nil:
		return c.lost()
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	_, err = explain(c, err)
	return err
}

// lost says that the stream was there, and is not any more.
func (c *Cluster) lost() error {
	return fmt.Errorf("the engine has lost the stream %s; restore it from a backup of the engine", c.streamName())
}

// ErrFounded says that a data folder can't found a cluster, since that has other events already.
var ErrFounded = errors.New("the cluster has a history already")

// founder is the key in the stream's metadata for the mark of the data folder that founded it.
const founder = "whoelse_founded_by"

// CheckFound fails with [ErrFounded] if the cluster has events, and not from the data folder with this mark, or if
// servers follow it.
func (c *Cluster) CheckFound(ctx context.Context, mark string) error {
	if c.stream == nil {
		return nil
	}
	info, err := c.stream.Info(ctx)
	switch {
	case err != nil || info.Config.Metadata[founder] == mark:
		return err
	case info.State.LastSeq == 0 && info.State.Consumers > 0:
		return fmt.Errorf("%w: servers of the cluster %s are running, or were within the last minute; stop them, and start them after the import",
			ErrFounded, c.opts.Name)
	case info.State.LastSeq == 0:
		return nil
	}
	return fmt.Errorf("%w: the stream %s has events up to %d; to start a new server of it, use an empty data folder, "+
		"or use another --cluster-name", ErrFounded, c.streamName(), info.State.LastSeq)
}

// Found creates the stream for the data folder with this mark; its first event gets the number first. A stream that
// never had an event is replaced.
func (c *Cluster) Found(ctx context.Context, mark string, first uint64) error {
	if err := c.CheckFound(ctx, mark); err != nil {
		return err
	}
	if c.stream != nil {
		if c.stream.CachedInfo().Config.Metadata[founder] == mark {
			return nil
		}
		if err := c.js.DeleteStream(ctx, c.streamName()); err != nil {
			return err
		}
	}
	config := c.config()
	config.FirstSeq, config.Metadata = first, map[string]string{founder: mark}
	stream, err := c.js.CreateStream(ctx, config)
	if err != nil {
		_, err = explain(c, err)
		return err
	}
	c.stream, c.id = stream, stream.CachedInfo().Created
	return nil
}

// explain says what an error of the engine means. final says that waiting does not help.
func explain(c *Cluster, err error) (final bool, _ error) {
	var api *jetstream.APIError
	denied := c.denied.Load()
	switch {
	case denied != nil:
		return true, fmt.Errorf("the engine denies this server's user a permission: %w; "+
			"permit it %s, $JS.API.>, $JS.FC.>, $O.> and _INBOX.>", *denied, c.subject(">"))
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return true, fmt.Errorf("the engine runs without JetStream (%w); enable it in its configuration, for this account", err)
	case unheard(err):
		return false, fmt.Errorf("no engine node runs JetStream (%w); enable it in the configuration, or start the nodes", err)
	case errors.As(err, &api):
		return false, fmt.Errorf("the engine can't create or open the stream %s with %d replicas now: %w; "+
			"are that many engine nodes running? See --cluster-replicas", c.streamName(), c.opts.Replicas, err)
	}
	return false, fmt.Errorf("the engine's JetStream does not answer: %w; are most engine nodes running?", err)
}

// differences lists how a stream's configuration differs from the one that it has to have, and the remedies.
func differences(is, want jetstream.StreamConfig) (list []string) {
	edit := "; change it: nats stream edit " + want.Name + " "
	differ := func(what string, is, want any, way string) {
		if is != want {
			list = append(list, fmt.Sprintf("%s: is %v, has to be %v%s", what, is, want, way))
		}
	}
	again := "; this can't be changed: use another --cluster-name"
	if !slices.Equal(is.Subjects, want.Subjects) {
		differ("subjects", fmt.Sprint(is.Subjects), fmt.Sprint(want.Subjects), edit+fmt.Sprintf("--subjects '%s'", want.Subjects[0]))
	}
	differ("storage", is.Storage, want.Storage, again)
	differ("retention", is.Retention, want.Retention, again)
	differ("replicas", is.Replicas, want.Replicas,
		fmt.Sprintf("%s--replicas %d, or start with --cluster-replicas %d", edit, want.Replicas, is.Replicas))
	differ("maximum age", is.MaxAge, want.MaxAge,
		fmt.Sprintf("%s--max-age %v, or start with --cluster-keep %v", edit, want.MaxAge, is.MaxAge))
	differ("duplicate window", is.Duplicates, want.Duplicates, edit+"--dupe-window "+want.Duplicates.String())
	differ("discard policy", is.Discard, want.Discard, edit+"--discard new")
	differ("maximum messages", is.MaxMsgs, want.MaxMsgs, edit+"--max-msgs -1")
	differ("maximum messages for a subject", is.MaxMsgsPerSubject, want.MaxMsgsPerSubject, edit+"--max-msgs-per-subject -1")
	differ("maximum message size", is.MaxMsgSize, want.MaxMsgSize, edit+"--max-msg-size -1")
	differ("deleting is denied", is.DenyDelete, want.DenyDelete, again)
	differ("purging is denied", is.DenyPurge, want.DenyPurge, again)
	differ("acknowledgements are off", is.NoAck, false, edit+"--ack")
	differ("sealed", is.Sealed, false, again)
	differ("rollup is allowed", is.AllowRollup, false, edit+"--no-allow-rollup")
	differ("times to live of messages are allowed", is.AllowMsgTTL, false, again)
	differ("acknowledged before it is on disk", is.PersistMode == jetstream.AsyncPersistMode, false, again)
	differ("a mirror or copy of others", is.Mirror != nil || len(is.Sources) > 0, false, again)
	return list
}
