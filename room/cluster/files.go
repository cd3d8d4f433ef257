package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"whoelse/room"
)

// PutFile stores a file for all servers under a name that no other file has. It is durable when
// PutFile returns. Files are kept for as long as [Cluster.KeepFiles] says.
func (c *Cluster) PutFile(ctx context.Context, name string, content io.Reader) error {
	store, err := c.files(ctx)
	if err == nil {
		_, err = store.Put(ctx, jetstream.ObjectMeta{Name: name}, content)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", room.ErrCluster, err)
	}
	return nil
}

// HasFile reports whether a file is stored.
func (c *Cluster) HasFile(ctx context.Context, name string) (bool, error) {
	store, err := c.files(ctx)
	if err == nil {
		_, err = store.GetInfo(ctx, name)
	}
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return false, nil
	}
	return err == nil, err
}

// GetFile returns the content of a file, to be closed. The error is fs.ErrNotExist if the file is not kept any more.
func (c *Cluster) GetFile(ctx context.Context, name string) (io.ReadCloser, error) {
	store, err := c.files(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", room.ErrCluster, err)
	}
	object, err := store.Get(ctx, name)
	switch {
	case errors.Is(err, jetstream.ErrObjectNotFound):
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", room.ErrCluster, err)
	}
	return object, nil
}

// KeepFiles creates the store for files, if it is missing, and sets how long files are kept; 0 is for ever. It keeps
// trying, as [Connect] does: engine nodes that have just started may not place it yet.
func (c *Cluster) KeepFiles(ctx context.Context, keep time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return c.again(ctx, "the engine can't keep files yet", func(ctx context.Context) (final bool, err error) {
		_, err = c.bucket(ctx, jetstream.ObjectStoreConfig{
			Bucket: c.opts.Name + "_FILES", Description: "whoelse: files that people send", TTL: keep,
		})
		return false, err
	})
}

// bucket creates an object store, or corrects its configuration.
func (c *Cluster) bucket(ctx context.Context, config jetstream.ObjectStoreConfig) (jetstream.ObjectStore, error) {
	config.Storage, config.Replicas = jetstream.FileStorage, c.opts.Replicas
	store, err := c.js.CreateOrUpdateObjectStore(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("the engine can't keep %s with %d replicas: %w; are that many engine nodes running? "+
			"See --cluster-replicas", config.Bucket, config.Replicas, err)
	}
	return store, nil
}

func (c *Cluster) files(ctx context.Context) (jetstream.ObjectStore, error) {
	return c.js.ObjectStore(ctx, c.opts.Name+"_FILES")
}
