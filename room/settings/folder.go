package settings

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"time"

	"whoelse/internal/atomicfile"
	"whoelse/internal/jsonfile"
	"whoelse/room"
)

// folder is a folder of JSON files, NAME.json. On a single server it has no state.
//
// The servers of a cluster share it: a proposal is a whole file, or empty to set it aside.
type folder struct {
	dir    string
	of     string // what it has; documents are called that, a slash, and the name of the file
	apart  string // the folder in it for files that are set aside, as NAME-TIME.json
	indent string
	disk   atomicfile.Store
	share  func(doc string, change func() (data []byte, err error)) error // nil on a single server
}

// maxFile bounds a file: a list of the most nicks there may be is far below it.
const maxFile = 1 << 20

// valid allows the names of nicks and rooms, and so no path.
var valid = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)

// openFolder makes f's folder, durably, if it is missing.
func openFolder(f folder) (folder, error) {
	f.disk = atomicfile.Store{Limit: maxFile}
	err := os.MkdirAll(f.dir, 0o700)
	if err == nil {
		err = f.disk.SyncDir(filepath.Dir(f.dir)) // or a power cut could take all that was saved
	}
	return f, err
}

func (s *folder) path(name string) string { return filepath.Join(s.dir, name+".json") }

// check is an error for what can't be the name of a file.
func (s *folder) check(name string) error {
	if !valid.MatchString(name) {
		return fmt.Errorf("%q can't have a file in %s", name, s.dir)
	}
	return nil
}

// names lists what has a file.
func (s *folder) names() (names []string, err error) {
	files, err := os.ReadDir(s.dir)
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".json"); ok && valid.MatchString(name) {
			names = append(names, name)
		}
	}
	return names, err
}

// save writes v, which was loaded from this version of its file; on disk when it returns nil.
func (s *folder) save(name, version string, v any) error {
	err := s.check(name)
	switch {
	case err != nil:
	case s.share != nil:
		err = s.proposeSave(name, version, v)
	default:
		err = jsonfile.Save(s.disk, s.path(name), v, s.indent)
	}
	return storageError(err)
}

// setAside moves a file to the folder apart, durably. One that is missing is there already.
func (s *folder) setAside(name string, at time.Time) error {
	err := s.check(name)
	switch {
	case err != nil:
	case s.share != nil:
		err = s.proposeAside(name)
	default:
		err = s.aside(name, at)
	}
	return storageError(err)
}

func (s *folder) aside(name string, at time.Time) error {
	if _, err := os.Lstat(s.path(name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	apart := filepath.Join(s.dir, s.apart)
	if err := os.Mkdir(apart, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Rename(s.path(name), filepath.Join(apart, name+"-"+at.UTC().Format("20060102T150405Z")+".json")); err != nil {
		return err
	}
	return errors.Join(s.disk.SyncDir(apart), s.disk.SyncDir(s.dir))
}

// Share sends saved files through a log that all servers of a cluster follow: files are not written, but
// proposed to share under the documents' names, and Receive writes them. See jsonfile.List.Share for
// what share has to do. Share is called before all else.
//
// With it, loaded values have a version. Saving a value that was loaded from an older version of the file is a
// [room.ErrConflict]. JSON members that only newer programs know stay in the file.
func (s *folder) Share(share func(doc string, change func() (data []byte, err error)) error) {
	s.share = share
}

// Receive writes a file as a server proposed it, this or another one, durably. It may be called again for the
// last ones. An error is the disk's, and worth another try. A change that is not understood is logged and skipped.
func (s *folder) Receive(doc string, data []byte) error {
	name, ours := strings.CutPrefix(doc, s.of+"/")
	err := s.check(name)
	var object map[string]json.RawMessage
	if err == nil && len(data) > 0 {
		err = json.Unmarshal(data, &object)
	}
	if err != nil || !ours || int64(len(data)) > s.disk.Max() {
		slog.Error("a change by another server can't be understood, and is passed over", "of", doc, "bytes", len(data), "err", err)
		return nil
	}
	if len(data) == 0 {
		return storageError(s.aside(name, time.Now()))
	}
	return storageError(s.disk.Write(s.path(name), data))
}

// load is jsonfile.Load, and gives the version of the file: "" for none, and on a single server.
func (s *folder) load(name string, v any) (version string, err error) {
	if err := s.check(name); err != nil {
		return "", err
	}
	if s.share == nil {
		return "", jsonfile.Load(s.disk, s.path(name), v)
	}
	f, err := s.disk.Read(s.path(name))
	if err == nil {
		err = jsonfile.Decode(f, v)
	}
	return versionOf(f.Data), err
}

func versionOf(data []byte) string {
	if len(data) == 0 {
		return ""
	}
	sum := sha256.Sum256(data)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// proposeSave proposes v for a file that v was loaded from, in this version.
func (s *folder) proposeSave(name, version string, v any) error {
	return s.share(s.of+"/"+name, func() ([]byte, error) {
		now, err := s.disk.Read(s.path(name))
		if err == nil && versionOf(now.Data) != version {
			err = room.ErrConflict
		}
		if err != nil {
			return nil, err
		}
		text, err := withUnknown(now.Data, v, s.indent)
		switch {
		case err != nil:
			return nil, err
		case len(text) > atomicfile.MaxProposal:
			return nil, fmt.Errorf("%s: %w", now.Path, atomicfile.ErrTooLarge)
		case bytes.Equal(text, now.Data):
			return nil, nil
		}
		return text, nil
	})
}

func (s *folder) proposeAside(name string) error {
	return s.share(s.of+"/"+name, func() ([]byte, error) {
		now, err := s.disk.Read(s.path(name))
		if err != nil || !now.Stamp.Exists() {
			return nil, err
		}
		return []byte{}, nil
	})
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
