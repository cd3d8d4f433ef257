package scp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/pkg/sftp"
)

// maxPacket bounds a packet of sftp, which the library keeps some two dozen of: what servers have to
// take, and clients to be content with. The library takes eight times as much.
const maxPacket = 34_000

// ServeSFTP serves a client until its input ends. log is told of panics, with their stack: the
// library calls handlers on goroutines of its own, where they would end the process.
func ServeSFTP(conn io.ReadWriter, to Drop, log func(what string, stack []byte)) error {
	h := handlers{to, log}
	server := sftp.NewRequestServer(newPackets(conn), sftp.Handlers{FileGet: h, FilePut: h, FileCmd: h, FileList: h})
	err := server.Serve()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // files that were open are discarded
		return nil
	}
	return err
}

// packets is a connection without packets that are too long, on which each is answered before the next
// is read: the library would work on several at a time, and a handle can be guessed that is still being made.
// It reads the length of each by itself, and writes that of an answer in one piece.
type packets struct {
	io.ReadWriter
	left     int           // of the packet that is read
	asked    bool          // one was read
	out      int           // of the answer that is written
	answered chan struct{} // holds one for an answer that Read does not know of
	closed   chan struct{}
	close    func() // closes it
}

func newPackets(conn io.ReadWriter) *packets {
	p := &packets{ReadWriter: conn, answered: make(chan struct{}, 1), closed: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.closed) })
	return p
}

// Read implements io.Reader.
func (p *packets) Read(b []byte) (int, error) {
	if p.left > 0 {
		n, err := p.ReadWriter.Read(b[:min(len(b), p.left)])
		p.left -= n
		return n, err
	}
	if p.asked {
		select {
		case <-p.answered:
		case <-p.closed:
			return 0, io.EOF
		}
	}
	var head header
	if _, err := io.ReadFull(p.ReadWriter, head[:]); err != nil {
		return 0, err
	}
	length := binary.BigEndian.Uint32(head[:])
	if length > maxPacket {
		return 0, fmt.Errorf("a packet of %d bytes, more than %d", length, maxPacket)
	}
	p.left, p.asked = int(length), true
	return copy(b, head[:]), nil
}

// Write implements io.Writer.
func (p *packets) Write(b []byte) (int, error) {
	n, err := p.ReadWriter.Write(b)
	for rest := b; len(rest) > 0; {
		if p.out == 0 {
			p.out = len(header{}) + int(binary.BigEndian.Uint32(rest))
		}
		part := min(p.out, len(rest))
		p.out, rest = p.out-part, rest[part:]
		if p.out == 0 {
			select {
			case p.answered <- struct{}{}:
			default: // nothing was asked
			}
		}
	}
	return n, err
}

// header is the length of what follows.
type header [4]byte

// Close implements io.Closer: the library ends a client that breaks the protocol by it.
func (p *packets) Close() error {
	p.close()
	return nil
}

// handlers answer an sftp client, one call at a time.
type handlers struct {
	to  Drop
	log func(what string, stack []byte)
}

// recover makes a panic an error.
func (h handlers) recover(err *error) {
	if p := recover(); p != nil {
		h.log(fmt.Sprint(p), debug.Stack())
		*err = sftp.ErrSSHFxFailure
	}
}

// Filewrite implements sftp.FileWriter.
func (h handlers) Filewrite(r *sftp.Request) (_ io.WriterAt, err error) {
	defer h.recover(&err)
	people, name, err := split(r.Filepath)
	if err == nil && name == "" {
		err = ErrNoPeople
	}
	if err != nil {
		return nil, h.to.Refuse(err)
	}
	f, err := h.to.Create(people, name, -1)
	if err != nil {
		return nil, err
	}
	return &incoming{File: f, h: h}, nil
}

// incoming is a file that an sftp client writes.
type incoming struct {
	File
	h      handlers
	broken bool // the connection ended
}

// WriteAt implements io.WriterAt.
func (f *incoming) WriteAt(p []byte, off int64) (n int, err error) {
	defer f.h.recover(&err)
	return f.File.WriteAt(p, off)
}

// TransferError implements sftp.TransferError: Close follows.
func (f *incoming) TransferError(error) { f.broken = true }

// Close implements io.Closer.
func (f *incoming) Close() (err error) {
	defer f.h.recover(&err)
	defer f.Discard()
	if f.broken {
		return nil
	}
	return f.Finish()
}

// Fileread implements sftp.FileReader.
func (h handlers) Fileread(*sftp.Request) (_ io.ReaderAt, err error) {
	defer h.recover(&err)
	return nil, h.to.Refuse(ErrOnlySend)
}

// Filecmd implements sftp.FileCmder. Times and modes, which scp -p sends, are taken for nothing.
func (h handlers) Filecmd(r *sftp.Request) (err error) {
	defer h.recover(&err)
	switch r.Method {
	case "Setstat":
		return nil
	case "Mkdir":
		return h.to.Refuse(ErrFolder)
	}
	return h.to.Refuse(ErrOnlySend)
}

// Filelist implements sftp.FileLister.
func (h handlers) Filelist(r *sftp.Request) (_ sftp.ListerAt, err error) {
	defer h.recover(&err)
	if r.Method != "Stat" {
		return nil, h.to.Refuse(ErrOnlySend)
	}
	if _, name, err := split(r.Filepath); err != nil || name != "" {
		return nil, os.ErrNotExist
	}
	return folder{}, nil
}

// Lstat implements sftp.LstatFileLister. Clients ask so about what they want to read; those that send use Stat.
func (h handlers) Lstat(*sftp.Request) (_ sftp.ListerAt, err error) {
	defer h.recover(&err)
	h.to.Refuse(ErrOnlySend)
	return nil, os.ErrNotExist
}

// folder is the only thing there is: each name may be a nick.
type folder struct{}

// ListAt implements sftp.ListerAt.
func (f folder) ListAt(to []os.FileInfo, at int64) (int, error) {
	if at > 0 || len(to) == 0 {
		return 0, io.EOF
	}
	to[0] = f
	return 1, io.EOF
}

func (folder) Name() string       { return "/" }
func (folder) Size() int64        { return 0 }
func (folder) Mode() os.FileMode  { return os.ModeDir | 0o300 }
func (folder) ModTime() time.Time { return time.Unix(0, 0) }
func (folder) IsDir() bool        { return true }
func (folder) Sys() any           { return nil }
