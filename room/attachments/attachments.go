// Package attachments stores the files that people send each other. It knows bytes, and who sent
// them when; which message a file belongs to, and who may read it, is the room's and its caller's.
//
//	leave, err := store.Enter("bob", address) // there are limits
//	up, err := store.Create("bob")
//	... up.Write(p) or up.WriteAt(p, off), which fail beyond the limit
//	file, err := up.Finish("notes.txt") // on disk, under file.Ref
//	... the event with file is appended to the log
//	up.Keep()    // it is on record
//	up.Discard() // or it is not: nothing is left
//
// Files are never named by their senders: a Ref is made of the time, the sender's nick and the
// SHA-256 of the content. Until Keep there is an empty file of that name in the folder "new", too; the
// next start finds there what a crash has left, and Recover removes what no message has.
package attachments

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"whoelse/internal/disk"
	"whoelse/internal/limit"
	"whoelse/room"
)

// Folder is the name of the store in the data folder.
const Folder = "attachments"

// pendingFolder has the uploads that are no message yet.
const pendingFolder = "new"

// partEnd ends the names of files that are being received.
const partEnd = ".part"

// How many may send files at a time. Each has one upload, of Store.Max bytes at most.
const (
	MaxSenders     = 64
	MaxSendersEach = 4  // of one nick
	MaxSendersFrom = 16 // from one address
)

var (
	// ErrTooLarge says that a file is larger than Store.Max.
	ErrTooLarge = errors.New("the file is too large")
	// ErrBusy says that too many send files at the moment.
	ErrBusy = errors.New("too many files are being sent at the moment; please try again later")
	// ErrBusyNick says that one nick has too many.
	ErrBusyNick = fmt.Errorf("you are sending %d files already; please wait for them to end", MaxSendersEach)
	// ErrGone says that a file is not kept any more.
	ErrGone = errors.New("the file is no longer kept")
	// ErrDamaged says that a file is not what was sent.
	ErrDamaged = errors.New("the file is damaged")
)

// Others keep files for all servers of a cluster.
type Others interface {
	// PutFile stores a file under a name that no other file has. It is durable when PutFile returns.
	PutFile(ctx context.Context, name string, content io.Reader) error
	// GetFile returns the content. The error is fs.ErrNotExist if the file is not kept any more.
	GetFile(ctx context.Context, name string) (io.ReadCloser, error)
}

// Store is a folder of files. Its methods may be called concurrently.
type Store struct {
	root, pending disk.Folder
	view          disk.Folder // root, but only for reading
	max           int64
	keep          time.Duration
	// others, if set, get each file before its message is sent, and have the files that were sent on other servers.
	others Others

	senders *limit.Limiter

	mu   sync.Mutex
	last time.Time // in a Ref
}

// Open opens the folder dir, and makes it if it is missing. max bounds each file, in bytes; files
// are kept for keep, or for ever if it is 0. Call Recover before the first Create.
func Open(dir string, max int64, keep time.Duration) (*Store, error) {
	return open(disk.Store{}, dir, max, keep)
}

func open(store disk.Store, dir string, max int64, keep time.Duration) (*Store, error) {
	root, err := store.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{root: root, max: max, keep: keep, senders: limit.New(limit.Limits{Buckets: map[limit.Scope]limit.Buckets{
		limit.Nick:    {{Size: MaxSendersEach, Per: limit.Held}},
		limit.Address: {{Size: MaxSendersFrom, Per: limit.Held}},
		limit.All:     {{Size: MaxSenders, Per: limit.Held}},
	}})}
	if s.pending, err = root.Sub(pendingFolder); err == nil {
		s.view, err = disk.OpenReadOnly(dir)
	}
	if err == nil { // a start that was killed may have made them
		err = errors.Join(root.Sync(), store.SyncDir(filepath.Dir(dir)))
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Share also stores files with others, and fetches files from there when people ask for them here. It
// is called before anything else.
func (s *Store) Share(others Others) { s.others = others }

// Close closes the folder.
func (s *Store) Close() (err error) {
	for _, folder := range []disk.Folder{s.root, s.pending, s.view} {
		if folder != nil { // as after half of Open
			err = errors.Join(err, folder.Close())
		}
	}
	return err
}

// Max is the most bytes of a file.
func (s *Store) Max() int64 { return s.max }

// Keep is for how long files are kept; 0 is for ever.
func (s *Store) Keep() time.Duration { return s.keep }

// Upload is a file that is being received. WriteAt may be called concurrently, nothing else. Each
// upload ends with one call of Keep or Discard.
type Upload struct {
	store *Store
	nick  string
	file  disk.File
	temp  string // in pendingFolder, until it is ref
	size  int64  // of what was written with Write
	ref   string // "" before Finish
	ended bool
}

// Enter lets nick, at an address, send files until leave is called. The errors are [ErrBusy] and
// [ErrBusyNick].
func (s *Store) Enter(nick string, from netip.Addr) (leave func(), err error) {
	who := limit.Who{Nick: nick, Addr: from}
	if err := s.senders.Charge(who, 1); err != nil {
		if r, ok := errors.AsType[*limit.Refusal](err); ok && r.Scope == limit.Nick {
			return nil, ErrBusyNick
		}
		return nil, ErrBusy
	}
	return func() { s.senders.Refund(who, 1) }, nil
}

// Create begins an upload by nick, who has entered.
func (s *Store) Create(nick string) (*Upload, error) {
	u := &Upload{store: s, nick: nick, temp: rand.Text() + partEnd}
	var err error
	u.file, err = s.pending.Open(u.temp, true)
	return u, err
}

// Write implements io.Writer. It fails with [ErrTooLarge] beyond the limit.
func (u *Upload) Write(p []byte) (int, error) {
	n, err := u.WriteAt(p, u.size)
	u.size += int64(n)
	return n, err
}

// WriteAt implements io.WriterAt. It fails with [ErrTooLarge] beyond the limit.
func (u *Upload) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off > u.store.max || int64(len(p)) > u.store.max-off {
		return 0, ErrTooLarge
	}
	return u.file.WriteAt(p, off)
}

// Size is how many bytes there are.
func (u *Upload) Size() (int64, error) {
	st, err := u.file.Stat()
	return st.Size, err
}

// Finish makes the file durable, and returns it under this name for people, which it does not look
// at. After an error, Discard it.
func (u *Upload) Finish(name string) (*room.File, error) {
	sum := sha256.New()
	size, err := io.Copy(sum, io.NewSectionReader(u.file, 0, u.store.max))
	if err == nil {
		err = u.file.Sync()
	}
	if err == nil {
		u.ref = u.store.newStamp() + "-" + u.nick + "-" + hex.EncodeToString(sum.Sum(nil))
		err = u.name()
	}
	if err == nil {
		err = u.share(size)
	}
	if err != nil {
		return nil, err
	}
	return &room.File{Name: name, Size: size, Ref: u.ref}, nil
}

// newStamp begins a Ref that there is not yet.
func (s *Store) newStamp() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().UTC().Truncate(time.Microsecond)
	if !now.After(s.last) {
		now = s.last.Add(time.Microsecond)
	}
	s.last = now
	return now.Format(stamp)
}

// name gives the file its name, durably: first one in pendingFolder, where Recover looks for it.
func (u *Upload) name() error {
	note, err := u.store.pending.Open(u.ref, true)
	if err == nil {
		err = errors.Join(note.Close(), u.store.pending.Sync())
	}
	if err == nil {
		err = u.store.root.Rename(pendingFolder+"/"+u.temp, u.ref)
	}
	if err != nil {
		return err
	}
	return u.store.root.Sync()
}

// transferWithin bounds how long a file may take to the other servers, or from there.
const transferWithin = 20 * time.Second

// share stores the file with the others. It stays there if the upload is discarded, since a message
// that was not acknowledged may still come.
func (u *Upload) share(size int64) error {
	if u.store.others == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), transferWithin)
	defer cancel()
	return u.store.others.PutFile(ctx, u.ref, io.NewSectionReader(u.file, 0, size))
}

// Keep ends the upload of a file that a message on record has.
func (u *Upload) Keep() error {
	if !u.end() {
		return nil
	}
	return u.store.pending.Remove(u.ref) // if that does not last, Recover does it again
}

// Discard ends the upload, unless it has ended, and removes the file.
func (u *Upload) Discard() error {
	if !u.end() {
		return nil
	}
	err := u.store.pending.Remove(u.temp)
	if err == nil && u.ref != "" {
		err = u.store.root.Remove(u.ref)
	}
	if err == nil && u.ref != "" {
		err = u.store.pending.Remove(u.ref)
	}
	return err
}

func (u *Upload) end() bool {
	if u.ended {
		return false
	}
	u.ended = true
	u.file.Close() // it was synced if it matters
	return true
}

// Open opens the file ref, and checks that its content is as sent. A file that was sent on
// another server is fetched first. It fails with [ErrGone] or [ErrDamaged].
func (s *Store) Open(ref string) (io.ReadCloser, error) {
	_, at, sum, ok := parse(ref)
	if !ok {
		return nil, ErrGone
	}
	f, err := s.open(ref, sum)
	if !errors.Is(err, ErrGone) || s.others == nil || s.old(at, time.Now()) {
		return f, err
	}
	if err := s.fetch(ref, sum); err != nil {
		return nil, err
	}
	return s.open(ref, sum)
}

// fetch gets a file from the others, and keeps it.
func (s *Store) fetch(ref, sum string) error {
	ctx, cancel := context.WithTimeout(context.Background(), transferWithin)
	defer cancel()
	in, err := s.others.GetFile(ctx, ref)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrGone
	} else if err != nil {
		return err
	}
	defer in.Close()
	temp := rand.Text() + partEnd
	f, err := s.pending.Open(temp, true)
	if err != nil {
		return err
	}
	defer s.pending.Remove(temp) // where it was not renamed
	got := sha256.New()
	_, err = io.Copy(io.MultiWriter(io.NewOffsetWriter(f, 0), got), in)
	if err == nil && hex.EncodeToString(got.Sum(nil)) != sum {
		err = ErrDamaged
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = s.root.Rename(pendingFolder+"/"+temp, ref); err != nil {
		return err
	}
	return s.root.Sync()
}

// open opens a file that is here.
func (s *Store) open(ref, sum string) (io.ReadCloser, error) {
	f, err := s.view.Open(ref, false)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrGone
	case errors.Is(err, disk.ErrNotRegular):
		return nil, ErrDamaged
	case err != nil:
		return nil, err
	}
	content, got := io.NewSectionReader(f, 0, math.MaxInt64), sha256.New()
	_, err = io.Copy(got, content)
	if err == nil && hex.EncodeToString(got.Sum(nil)) != sum {
		err = ErrDamaged
	}
	if err == nil {
		_, err = content.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{content, f}, nil
}

// Recover removes what uploads have left that a crash ended. sent reports whether a message
// of nick at about this time has the file ref; where it can't tell, the file is left for the next time.
func (s *Store) Recover(sent func(nick, ref string, at time.Time) (bool, error)) error {
	names, err := s.pending.Names()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if nick, at, _, ok := parse(name); ok {
			has, err := sent(nick, name, at)
			if err == nil && !has {
				err = s.root.Remove(name)
			}
			if err != nil {
				errs = append(errs, err)
				continue
			}
		} else if !strings.HasSuffix(name, partEnd) {
			continue // not ours
		}
		errs = append(errs, s.pending.Remove(name))
	}
	return errors.Join(errs...)
}

// Sweep removes the files that are too old at now.
func (s *Store) Sweep(now time.Time) error {
	if s.keep == 0 {
		return nil
	}
	names, err := s.root.Names()
	errs := []error{err}
	for _, name := range names {
		if _, at, _, ok := parse(name); ok && s.old(at, now) {
			errs = append(errs, s.root.Remove(name))
		}
	}
	return errors.Join(errs...)
}

// old reports whether what was received at a time is kept no more at now.
func (s *Store) old(at, now time.Time) bool { return s.keep > 0 && at.Before(now.Add(-s.keep)) }

// Check reads all files in the folder dir and tells of those that are damaged. It changes nothing.
// It returns how many files it has read; a folder that is missing has none.
func Check(dir string, tell func(name, problem string)) (files int, err error) {
	view, err := disk.OpenReadOnly(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	defer view.Close()
	s := &Store{view: view}
	names, err := view.Names()
	slices.Sort(names)
	for _, name := range names {
		if _, _, _, ok := parse(name); !ok {
			if st, err := view.Lstat(name); err == nil && !st.Mode.IsDir() {
				tell(name, "is no attachment")
			}
			continue
		}
		files++
		f, err := s.Open(name)
		switch {
		case err == nil:
			f.Close()
		case !errors.Is(err, ErrGone): // which it is if it became too old meanwhile
			tell(name, err.Error())
		}
	}
	return files, err
}

// stamp begins a Ref: when the file was received, in UTC.
const stamp = "20060102T150405.000000Z"

var refs = regexp.MustCompile(`^([0-9T.]+Z)-([a-z0-9][a-z0-9._-]{0,31})-([0-9a-f]{64})$`)

// parse reads a Ref.
func parse(ref string) (nick string, at time.Time, sum string, ok bool) {
	parts := refs.FindStringSubmatch(ref)
	if parts == nil {
		return "", time.Time{}, "", false
	}
	at, err := time.Parse(stamp, parts[1])
	return parts[2], at, parts[3], err == nil
}
