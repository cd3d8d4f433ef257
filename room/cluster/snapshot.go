package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// A snapshot is one stream of bytes, in parts: for a server that has no data yet, or was away for
// longer than the stream keeps events. The object "newest", written last, lists its parts.
const (
	newest    = "newest"
	partBytes = 4 << 20
)

// Snapshot describes a cluster's newest snapshot.
type Snapshot struct {
	Parts []string `json:"parts"` // their objects, named by their content
}

// PutSnapshot stores content as the newest snapshot, and removes the previous one, so only one may be stored at a time
// in the whole cluster. If it was interrupted, call it again with the same content: stored parts are not sent again. step gets
// the number of bytes so far.
func (c *Cluster) PutSnapshot(ctx context.Context, content io.Reader, step func(bytes int64)) error {
	store, err := c.bucket(ctx, jetstream.ObjectStoreConfig{
		Bucket: c.opts.Name + "_SNAPSHOT", Description: "whoelse: the newest snapshot, for new servers",
	})
	if err != nil {
		return err
	}
	s, sent := &Snapshot{}, int64(0)
	buf := make([]byte, partBytes)
	for end := false; !end; {
		n, err := io.ReadFull(content, buf)
		end = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return err
		} else if n == 0 {
			break
		}
		name, err := putPart(ctx, store, buf[:n])
		if err != nil {
			return err
		}
		s.Parts = append(s.Parts, name)
		sent += int64(n)
		step(sent)
	}
	text, err := json.Marshal(s)
	if err == nil {
		_, err = store.PutBytes(ctx, newest, text)
	}
	if err != nil {
		return err
	}
	return removeOthers(ctx, store, s.Parts)
}

// putPart stores a part, unless it is there, and returns its name.
func putPart(ctx context.Context, store jetstream.ObjectStore, part []byte) (name string, err error) {
	sum := sha256.Sum256(part)
	name = hex.EncodeToString(sum[:])
	is, err := store.GetInfo(ctx, name)
	if err == nil && is.Size == uint64(len(part)) {
		return name, nil
	}
	if err == nil || errors.Is(err, jetstream.ErrObjectNotFound) {
		_, err = store.Put(ctx, jetstream.ObjectMeta{Name: name}, bytes.NewReader(part))
	}
	return name, err
}

func removeOthers(ctx context.Context, store jetstream.ObjectStore, parts []string) error {
	list, err := store.List(ctx)
	if err != nil {
		return err
	}
	for _, object := range list {
		if object.Name != newest && !slices.Contains(parts, object.Name) {
			if err := store.Delete(ctx, object.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Newest returns the newest snapshot. If there is none, the error is fs.ErrNotExist.
func (c *Cluster) Newest(ctx context.Context) (*Snapshot, error) {
	store, err := c.js.ObjectStore(ctx, c.opts.Name+"_SNAPSHOT")
	var text []byte
	if err == nil {
		text, err = store.GetBytes(ctx, newest)
	}
	if errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil, fmt.Errorf("the cluster's snapshot: %w", fs.ErrNotExist)
	}
	s := &Snapshot{}
	if err == nil {
		err = json.Unmarshal(text, s)
	}
	return s, err
}

// GetSnapshot writes the content of a snapshot to w, each part once it is complete and verified. step gets the number
// of bytes so far.
func (c *Cluster) GetSnapshot(ctx context.Context, s *Snapshot, w io.Writer, step func(bytes int64)) error {
	store, err := c.js.ObjectStore(ctx, c.opts.Name+"_SNAPSHOT")
	if err != nil {
		return err
	}
	got := int64(0)
	for n, name := range s.Parts {
		part, err := store.GetBytes(ctx, name)
		if err == nil {
			_, err = w.Write(part)
		}
		if err != nil {
			return fmt.Errorf("part %d of %d: %w", n+1, len(s.Parts), err)
		}
		got += int64(len(part))
		step(got)
	}
	return nil
}
