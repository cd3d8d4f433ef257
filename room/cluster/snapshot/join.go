package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"whoelse/internal/disk"
	"whoelse/room/cluster"
	"whoelse/room/history/backup"
)

// In a data folder.
const (
	clusterFolder = "cluster"
	boundFile     = clusterFolder + "/stream.json"
	foundingFile  = clusterFolder + "/founding"
)

// Bound is the file that says which cluster a data folder belongs to, for cluster.Options.
func Bound(data string) string { return filepath.Join(data, boundFile) }

// ErrOther says that a data folder has a history that is not the cluster's.
var ErrOther = errors.New("has a history of its own")

// Belongs returns the name of the stream that data follows, "" if it is a single server's.
func Belongs(data string) string {
	var is struct{ Stream string }
	text, err := os.ReadFile(Bound(data))
	if err != nil || json.Unmarshal(text, &is) != nil {
		return ""
	}
	return is.Stream
}

// Join prepares data for a server of the cluster, before it is opened: an empty folder gets the newest snapshot, if
// there is one. Any other folder has to belong to the cluster already, or is refused with [ErrOther].
func Join(ctx context.Context, c *cluster.Cluster, data string, opts Options) error {
	folder := filepath.Join(data, clusterFolder)
	restored := filepath.Join(folder, "restored")
	if _, err := os.Stat(restored); err == nil { // complete, but not yet in its place
		return install(c, restored, data)
	}
	if _, err := os.Stat(Bound(data)); err == nil {
		return nil
	}
	if err := (disk.Store{}).MakeDir(folder); err != nil {
		return err
	}
	unlock, err := disk.Store{}.Lock(filepath.Join(folder, "join.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	has, err := names(data)
	if err != nil {
		return err
	}
	s, err := c.Newest(ctx)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the cluster's snapshot can't be read: %w", err)
	case slices.Contains(has, "history"), err == nil && len(has) > 0:
		return fmt.Errorf("the data folder %s %w, and not the cluster %s's; to found a cluster with it, use "+
			"whoelse cluster import; to start a new server of this cluster, move away all of it except host_key",
			data, ErrOther, c.Name())
	case err != nil: // the cluster is new
		return shareAll(data)
	}
	if err := fetch(ctx, c, s, data, restored, opts); err != nil {
		return fmt.Errorf("the cluster's snapshot can't be restored: %w; start the server again to retry", err)
	}
	return install(c, restored, data)
}

// names lists the files in a data folder, except those that a new server may have.
func names(data string) (has []string, err error) {
	list, err := os.ReadDir(data)
	for _, e := range list {
		if !slices.Contains([]string{"host_key", clusterFolder, "lost+found"}, e.Name()) {
			has = append(has, e.Name())
		}
	}
	return has, err
}

// fetch makes the folder restored from a snapshot: in one step, once it is complete.
func fetch(ctx context.Context, c *cluster.Cluster, s *cluster.Snapshot, data, restored string, opts Options) error {
	from := filepath.Join(data, clusterFolder, "snapshot")
	for _, left := range []string{from, restored + ".restoring"} { // by a start that was killed
		if err := os.RemoveAll(left); err != nil {
			return err
		}
	}
	out, in := io.Pipe()
	go func() { in.CloseWithError(c.GetSnapshot(ctx, s, in, opts.step("fetched"))) }()
	err := unpack(out, from)
	out.CloseWithError(err)
	if err == nil {
		_, err = backup.Restore(ctx, from, restored, opts.Log, opts.backup("restored"))
	}
	return errors.Join(err, os.RemoveAll(from))
}

// install moves everything in restored to data, the histories last: with these it is complete.
func install(c *cluster.Cluster, restored, data string) error {
	if err := c.Bind(Bound(data)); err != nil {
		return err
	}
	has, err := os.ReadDir(restored)
	if err != nil {
		return err
	}
	var move []string
	for _, e := range has {
		if e.Name() != "history" && e.Name() != clusterFolder {
			move = append(move, e.Name())
		}
	}
	agreed, err := os.ReadDir(filepath.Join(restored, clusterFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range agreed {
		move = append(move, filepath.Join(clusterFolder, e.Name()))
	}
	for _, name := range append(move, "history") {
		if err := (disk.Store{}).Move(filepath.Join(restored, name), filepath.Join(data, name)); err != nil {
			return err
		}
	}
	return os.RemoveAll(restored)
}

// shareAll makes everything that an operator prepared in a new folder, such as keys, count as an edit that the other
// servers do not have yet.
func shareAll(data string) error {
	for name, empty := range map[string]string{
		"authorized_keys": "", "bans.json": "[]", "mutes.json": "[]", "invites.json": "[]", "reserved.json": "[]",
	} {
		path := filepath.Join(data, name)
		if _, err := os.Stat(path); err == nil {
			if err := (disk.Store{}).WriteAgreed(path, []byte(empty)); err != nil {
				return err
			}
		}
	}
	return nil
}
