// Package snapshot moves data folders into a cluster and out of it.
//
//	err := snapshot.Import(ctx, c, "data", opts)   // a stopped server's folder founds the cluster
//	err = snapshot.Join(ctx, c, "data", opts)      // before a server of the cluster opens its folder
//	err = snapshot.Upload(ctx, c, "data", opts)    // for new servers to start from
//	err = snapshot.Export(ctx, "data", "new", opts) // a folder for a single server
//
// A snapshot is a backup of one server's folder, without the host key, and without the files that people sent,
// which the cluster has anyway. DATA/cluster/stream.json says which cluster a folder belongs to.
package snapshot

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"whoelse/internal/disk"
	"whoelse/room/attachments"
	"whoelse/room/cluster"
	"whoelse/room/history"
	"whoelse/room/history/backup"
)

// Options are for all of these functions. Log and Step are needed.
type Options struct {
	Program string // the version of this program
	Log     *slog.Logger
	// Step is called with the progress: what was done, such as "sent", and with how many bytes.
	Step func(what string, bytes int64)
}

func (o Options) step(what string) func(int64) {
	return func(bytes int64) { o.Step(what, bytes) }
}

func (o Options) backup(what string, except ...string) backup.Options {
	return backup.Options{Program: o.Program, Except: except, Step: func(_ int, bytes int64) { o.Step(what, bytes) }}
}

// own are the files that each server has for itself, or fetches when they are needed.
var own = []string{"host_key", attachments.Folder, boundFile, foundingFile}

// Upload stores a snapshot of data, whose server may be running, as the newest one. Meanwhile it takes the space of a
// backup beside data.
func Upload(ctx context.Context, c *cluster.Cluster, data string, opts Options) error {
	if err := c.CheckBound(Bound(data)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the data folder %s belongs to no cluster; start its server with --cluster first", data)
	} else if err != nil {
		return err
	}
	return upload(ctx, c, data, opts)
}

func upload(ctx context.Context, c *cluster.Cluster, data string, opts Options) error {
	dir := filepath.Clean(data) + ".snapshot"
	if err := os.RemoveAll(dir); err != nil { // of an upload that was killed
		return err
	}
	m, err := backup.Take(ctx, data, dir, opts.backup("copied", own...))
	if err == nil {
		err = send(ctx, c, dir, m, opts)
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// send stores the backup in dir as the newest snapshot.
func send(ctx context.Context, c *cluster.Cluster, dir string, m *backup.Manifest, opts Options) error {
	out, in := io.Pipe()
	go func() { in.CloseWithError(pack(in, dir, m)) }()
	err := c.PutSnapshot(ctx, out, opts.step("sent"))
	out.CloseWithError(errors.Join(err, io.ErrClosedPipe))
	return err
}

// pack writes the files of a backup, the manifest last. The same files give the same bytes.
func pack(w io.Writer, dir string, m *backup.Manifest) error {
	t := tar.NewWriter(w)
	names := make([]string, 0, len(m.Files)+1)
	for _, f := range m.Files {
		names = append(names, f.Path)
	}
	for _, name := range append(names, backup.ManifestName) {
		if err := packFile(t, dir, name); err != nil {
			return err
		}
	}
	return t.Close()
}

func packFile(t *tar.Writer, dir, name string) error {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		err = t.WriteHeader(&tar.Header{Name: name, Size: info.Size(), Mode: 0o600, Format: tar.FormatPAX})
	}
	if err == nil {
		_, err = io.Copy(t, f)
	}
	return err
}

// unpack writes the files to dir, which is new. backup.Restore checks them.
func unpack(r io.Reader, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = root.MkdirAll(filepath.Dir(h.Name), 0o700)
		}
		var f *os.File
		if err == nil {
			f, err = root.OpenFile(h.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		}
		if err == nil {
			_, err = io.Copy(f, t)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			return err
		}
	}
}

// ErrRan says that a server ran on the folder during an import.
var ErrRan = errors.New("a server ran on the data folder meanwhile; stop it and run the import again")

// Import founds the cluster with data, whose server is stopped: the cluster's stream continues after data's last
// event, and new servers start from a snapshot of data. Afterwards data belongs to the cluster. If Import is interrupted,
// call it again: nothing is sent twice.
func Import(ctx context.Context, c *cluster.Cluster, data string, opts Options) error {
	dir := filepath.Join(data, "history")
	h, err := history.Hold(dir, opts.Log) // recovers from a crash
	if err != nil {
		return err
	}
	last := h.Last()
	if err := h.Close(); err != nil {
		return err
	}
	mark, err := foundingMark(data)
	if err != nil {
		return err
	}
	if err := c.CheckFound(ctx, mark); err != nil {
		return err
	}
	if err := c.KeepFiles(ctx, 0); err != nil { // until a server says for how long
		return err
	}
	if err := sendFiles(ctx, c, filepath.Join(data, attachments.Folder), opts); err != nil {
		return err
	}
	if err := upload(ctx, c, data, opts); err != nil {
		return err
	}
	if h, err = history.Hold(dir, opts.Log); err != nil {
		return err
	}
	err = ErrRan
	if h.Last() == last {
		if err = c.Found(ctx, mark, last+1); err == nil {
			err = c.Bind(Bound(data))
		}
	}
	return errors.Join(err, h.Close())
}

// foundingMark is the mark by which the cluster knows the data folder that founded it.
func foundingMark(data string) (string, error) {
	path := filepath.Join(data, foundingFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text = []byte(rand.Text())
		err = errors.Join(disk.Store{}.MakeDir(filepath.Dir(path)), disk.Store{}.Write(path, text))
	}
	return string(text), err
}

// sendFiles stores the files that people sent.
func sendFiles(ctx context.Context, c *cluster.Cluster, dir string, opts Options) error {
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	sent := int64(0)
	for _, e := range list {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if err := sendFile(ctx, c, filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("%s: %w", e.Name(), err)
		}
		sent += info.Size()
		opts.Step("sent", sent)
	}
	return nil
}

func sendFile(ctx context.Context, c *cluster.Cluster, path string) error {
	name := filepath.Base(path)
	if has, err := c.HasFile(ctx, name); err != nil || has {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return c.PutFile(ctx, name, f)
}

// Export makes a data folder for a single server at to, which is new, from data, whose server may be running.
func Export(ctx context.Context, data, to string, opts Options) error {
	dir := filepath.Clean(to) + ".exporting"
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	_, err := backup.Take(ctx, data, dir, opts.backup("copied", clusterFolder))
	if err == nil {
		_, err = backup.Restore(ctx, dir, to, opts.Log, opts.backup("restored"))
	}
	return errors.Join(err, os.RemoveAll(dir))
}
