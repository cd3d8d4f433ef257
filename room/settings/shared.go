package settings

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"whoelse/internal/disk"
	"whoelse/internal/jsonfile"
	"whoelse/room"
)

// shared is a folder of files that the servers of a cluster share. A proposal is a whole file, or empty
// to set it aside.
type shared struct {
	prefix string // of the documents' names
	file   func(name string) (path string, err error)
	aside  func(path, name string, at time.Time) error
	disk   disk.Store
	share  func(doc string, change func() (data []byte, err error)) error // nil on a single server
}

// Share sends saved files through a log that all servers of a cluster follow: files are not written, but
// proposed to share under the documents' names, and Receive writes them. See jsonfile.List.Share for
// what share has to do. Share is called before all else.
//
// With it, loaded values have a version. Saving a value that was loaded from an older version of the file is a
// [room.ErrConflict]. JSON members that only newer programs know stay in the file.
func (s *shared) Share(share func(doc string, change func() (data []byte, err error)) error) {
	s.share = share
}

// Receive writes a file as a server proposed it, this or another one, durably. It may be called again for the
// last ones. An error is the disk's, and worth another try. A change that is not understood is logged and skipped.
func (s *shared) Receive(doc string, data []byte) error {
	name, ours := strings.CutPrefix(doc, s.prefix)
	path, err := s.file(name)
	var object map[string]json.RawMessage
	if err == nil && len(data) > 0 {
		err = json.Unmarshal(data, &object)
	}
	if err != nil || !ours || int64(len(data)) > s.disk.Max() {
		slog.Error("a change by another server can't be understood, and is passed over", "of", doc, "bytes", len(data), "err", err)
		return nil
	}
	if len(data) == 0 {
		return storageError(s.aside(path, name, time.Now()))
	}
	return storageError(s.disk.Write(path, data))
}

// load is jsonfile.Load, and gives the version of the file: "" for none, and on a single server.
func (s *shared) load(path string, v any) (version string, err error) {
	if s.share == nil {
		return "", jsonfile.Load(s.disk, path, v)
	}
	f, err := s.disk.Read(path)
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
func (s *shared) proposeSave(name, path, version string, v any, indent string) error {
	return s.share(s.prefix+name, func() ([]byte, error) {
		now, err := s.disk.Read(path)
		if err == nil && versionOf(now.Data) != version {
			err = room.ErrConflict
		}
		if err != nil {
			return nil, err
		}
		text, err := withUnknown(now.Data, v, indent)
		switch {
		case err != nil:
			return nil, err
		case len(text) > disk.MaxProposal:
			return nil, fmt.Errorf("%s: %w", path, disk.ErrTooLarge)
		case bytes.Equal(text, now.Data):
			return nil, nil
		}
		return text, nil
	})
}

func (s *shared) proposeAside(name, path string) error {
	return s.share(s.prefix+name, func() ([]byte, error) {
		now, err := s.disk.Read(path)
		if err != nil || !now.Stat.Exists() {
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
