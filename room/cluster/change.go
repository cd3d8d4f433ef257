package cluster

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"whoelse/room"
)

// changeTries is how often a change is tried while other servers are faster.
const changeTries = 20

var (
	docEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)
	docSeed     = maphash.MakeSeed()
)

// stateSubject is the subject of a document's changes. No other document has the same.
func (c *Cluster) stateSubject(doc string) string {
	return c.subject("log", "state", strings.ToLower(docEncoding.EncodeToString([]byte(doc))))
}

// Change changes a document that all servers share. Changes of one document are made one after the other in the whole
// cluster. change is called once this server's files have the newest version of the document; it returns the data for
// the [Receive] functions of all servers, or nil if there is nothing to do. If another server was faster, change is
// called again. Change returns once this server has received the data.
//
// Errors are those of change, [room.ErrCluster] (nothing was changed), [room.ErrUncertain] (the change may still come,
// also on this server), and [room.ErrConflict]. A [Receive] function must not call it: it would wait for itself.
func (c *Cluster) Change(doc string, change func() (data []byte, err error)) error {
	if !docName.MatchString(doc) {
		return fmt.Errorf("%w: a document called %.50q", room.ErrInvalid, doc)
	}
	turn := c.turns[maphash.String(docSeed, doc)%uint64(len(c.turns))]
	select {
	case turn <- struct{}{}:
	case <-time.After(c.opts.patience):
		return fmt.Errorf("%w: too many changes are waiting", room.ErrCluster)
	}
	defer func() { <-turn }()
	for n := range changeTries {
		again, err := c.changeOnce(doc, change)
		if !again {
			return err
		}
		c.wait(time.Duration(rand.Int64N(int64(n+1) * int64(2*time.Millisecond))))
	}
	return room.ErrConflict
}

// changeOnce tries a change once. again says that another server was faster.
func (c *Cluster) changeOnce(doc string, change func() ([]byte, error)) (again bool, err error) {
	if !c.connected() {
		return false, errDisconnected
	}
	ctx, cancel := context.WithTimeout(c.ending, c.opts.patience)
	defer cancel()
	last, err := c.catchUp(ctx, c.stateSubject(doc))
	if err != nil {
		return false, err
	}
	data, err := change()
	if err != nil || data == nil {
		return false, err
	}
	e := &room.Event{
		Message: room.Message{ID: room.NextID("", time.Now()), Time: time.Now(), Kind: room.KindState},
		Doc:     doc, Data: data,
	}
	done := make(chan error, 1)
	c.enqueue(&outgoing{e: e, after: last, done: func(err error) { done <- err }})
	err = <-done
	return conflicts(err), err
}

// catchUp returns the number of the newest message on a subject, once this server has it. If the stream does not keep
// it any more, catchUp waits until this server has everything from before the stream's first message.
func (c *Cluster) catchUp(ctx context.Context, subject string) (last uint64, err error) {
	msg, err := c.stream.GetLastMsgForSubject(ctx, subject)
	var info *jetstream.StreamInfo
	due := uint64(0)
	switch {
	case err == nil:
		last, due = msg.Sequence, msg.Sequence
	case errors.Is(err, jetstream.ErrMsgNotFound):
		if info, err = c.stream.Info(ctx); err == nil && info.State.FirstSeq > 0 {
			due = info.State.FirstSeq - 1
		}
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", room.ErrCluster, err)
	}
	return last, c.following.reach(ctx, due)
}

// conflicts reports whether a message was not stored, since the stream has a newer one on the subject than was expected.
func conflicts(err error) bool {
	var api *jetstream.APIError
	return !errors.Is(err, room.ErrUncertain) && errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
