package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"time"

	"whoelse/internal/disk"
	"whoelse/internal/jsonfile"
	"whoelse/room"
)

// folder is a folder of values, each in a file NAME.json, which the servers of a cluster can share. A proposal is a
// whole file, or empty to set it aside.
type folder struct {
	dir    string
	prefix string // of the documents' names
	what   string // a name is
	aside  string // the folder below, with what was set aside as NAME-TIME.json
	indent string
	disk   disk.Store
	share  func(doc string, change func() (data []byte, err error)) error // nil on a single server
}

// maxFile bounds a file: a list of the most nicks there may be is far below it.
const maxFile = 1 << 20

// valid allows what is a nick, and so no path.
var valid = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)

// open makes the folder, durably.
func (f *folder) open() error {
	f.disk.Limit = maxFile
	err := f.disk.MakeDir(f.dir)
	if err == nil {
		err = f.disk.SyncDir(filepath.Dir(f.dir)) // a start that was killed may have made it
	}
	return err
}

func (f *folder) path(name string) (string, error) {
	if !valid.MatchString(name) {
		return "", fmt.Errorf("%q is not %s", name, f.what)
	}
	return filepath.Join(f.dir, name+".json"), nil
}

// names lists what there is; with odd, also what is there in a file's place.
func (f *folder) names(odd bool) (names []string, err error) {
	files, err := os.ReadDir(f.dir)
	for _, file := range files {
		if name, ok := strings.CutSuffix(file.Name(), ".json"); ok && valid.MatchString(name) && (odd || file.Type().IsRegular()) {
			names = append(names, name)
		}
	}
	return names, err
}

func (f *folder) load(name string, v any) error {
	path, err := f.path(name)
	if err != nil {
		return err
	}
	return jsonfile.Load(f.disk, path, v)
}

// change makes a value what edit makes of it, durably. JSON members that only newer programs know stay in the file.
func change[T any](f *folder, name string, edit func(*T) error) error {
	path, err := f.path(name)
	if err != nil {
		return storageError(err)
	}
	var now disk.Content // the file
	propose := func() ([]byte, error) {
		var v T
		var err error
		now, err = f.disk.Read(path)
		if err == nil {
			err = jsonfile.Decode(now, &v)
		}
		if err != nil {
			return nil, storageError(err)
		}
		if err := edit(&v); err != nil {
			return nil, err
		}
		text, err := withUnknown(now.Data, v, f.indent)
		if err == nil && f.share != nil && len(text) > disk.MaxProposal {
			err = fmt.Errorf("%s: %w", path, disk.ErrTooLarge)
		}
		return text, storageError(err)
	}
	if f.share != nil {
		return f.share(f.prefix+name, propose)
	}
	text, err := propose()
	if err == nil && !bytes.Equal(text, now.Data) {
		err = storageError(f.disk.Write(path, text))
	}
	return err
}

// retire sets a value aside, durably.
func (f *folder) retire(name string, at time.Time) error {
	path, err := f.path(name)
	switch {
	case err != nil:
	case f.share != nil:
		err = f.share(f.prefix+name, func() ([]byte, error) {
			now, err := f.disk.Read(path)
			if err != nil || !now.Stat.Exists() {
				return nil, err
			}
			return []byte{}, nil
		})
	default:
		err = f.setAside(name, at)
	}
	return storageError(err)
}

func (f *folder) setAside(name string, at time.Time) error {
	aside := name + "-" + at.UTC().Format("20060102T150405Z") + ".json"
	return f.disk.Move(filepath.Join(f.dir, name+".json"), filepath.Join(f.dir, f.aside, aside))
}

// Share has saved files shared by all servers of a cluster: a file is proposed with share, under the document's name,
// and Receive writes it. See [disk.Share] for what share has to do. Share is called before all other methods.
func (f *folder) Share(share func(doc string, change func() (data []byte, err error)) error) {
	f.share = share
}

// Receive durably writes a file that this or another server proposed. It may get the last ones
// again, say after a crash. An error is the disk's; a retry may succeed. A change that is not understood is logged and skipped.
func (f *folder) Receive(doc string, data []byte) error {
	name, ours := strings.CutPrefix(doc, f.prefix)
	path, err := f.path(name)
	var object map[string]json.RawMessage
	if err == nil && len(data) > 0 {
		err = json.Unmarshal(data, &object)
	}
	if err != nil || !ours || len(data) > maxFile {
		slog.Error("a change by another server can't be understood, and is passed over", "of", doc, "bytes", len(data), "err", err)
		return nil
	}
	if len(data) == 0 {
		return storageError(f.setAside(name, time.Now()))
	}
	return storageError(f.disk.Write(path, data))
}

// withUnknown is v as JSON, with those members of the object before that v's type does not know.
func withUnknown(before []byte, v any, indent string) ([]byte, error) {
	var unknown map[string]json.RawMessage
	if len(before) > 0 {
		if err := json.Unmarshal(before, &unknown); err != nil {
			return nil, err
		}
	}
	for field := range reflect.TypeOf(v).Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		delete(unknown, name)
	}
	if len(unknown) == 0 {
		return jsonfile.Encode(v, indent)
	}
	known, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	others, err := json.Marshal(unknown)
	if err != nil {
		return nil, err
	}
	known = bytes.TrimSuffix(known, []byte("}"))
	if len(known) > 1 {
		known = append(known, ',')
	}
	return jsonfile.Encode(json.RawMessage(append(known, others[1:]...)), indent)
}

// storageError has err wrap [room.ErrStorage], unless it does.
func storageError(err error) error {
	if err == nil || errors.Is(err, room.ErrStorage) {
		return err
	}
	return fmt.Errorf("%w: %w", room.ErrStorage, err)
}
