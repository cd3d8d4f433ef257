package sessions

import (
	"cmp"
	"errors"
	"io"
	"time"

	"whoelse/room/attachments"
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
	"whoelse/sessions/scp"
)

// drop is a session as scp and sftp see it. It implements scp.Drop on the reading goroutine, or on
// one that this waits for.
type drop struct {
	*session
	place sending
	open  bool // a file is coming in; there is one at a time
}

var (
	errOneFile   = errors.New("send one file at a time")
	errUnwritten = errors.New("some of the file could not be written")
)

var _ scp.Drop = (*drop)(nil)

// runDrop takes files, with the sftp subsystem or with scp -t, for the path to; wrong is any other use of scp.
func (s *session) runDrop(to string, wrong error) error {
	if cause := s.admit(1); cause != nil {
		return cause
	}
	d := &drop{session: s}
	failed := s.refusal(commandNamed("paste"), parse.Call{})
	switch {
	case failed != nil:
	case wrong != nil:
		failed = refused(wrong)
	default:
		d.place, failed = s.enterSending()
	}
	if failed != nil {
		d.fail(failed)
		return errQuit
	}
	defer d.place.Stop()
	conn := struct {
		io.Reader
		io.Writer
	}{s.ch, printer{s}}
	var err error
	if s.ch.Subsystem {
		err = scp.ServeSFTP(conn, d, func(what string, stack []byte) {
			s.manager.cfg.Log.Error("panic in a client of sftp", "panic", what, "from", s.from, "stack", string(stack))
		})
	} else {
		s.tally.told = true
		err = scp.Receive(conn, to, d)
	}
	if err != nil { // it has not kept to the protocol, or is gone
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			_ = d.fail(result.Failure{Code: result.Refused, Reason: result.Incomplete})
		} else {
			_ = d.fail(refused(err))
		}
		if s.ctx.Err() == nil {
			s.log("a client of scp or sftp ended", "err", err)
		}
	}
	return errQuit
}

// fail notes a failure for the exit status and standard error, and returns it as an error in words. It
// may be called on any goroutine.
func (d *drop) fail(failed result.Result) error {
	d.tally.add(failed)
	return errors.New(render.Reason(failed, d.style(), time.Now()))
}

// over is the error once the session has ended, which its context can say first.
func (d *drop) over() error { return cmp.Or(d.out.why(), errLost) }

// Refuse implements scp.Drop.
func (d *drop) Refuse(why error) error {
	if !d.paced(1) {
		return d.over()
	}
	return d.fail(refused(why))
}

// Create implements scp.Drop.
func (d *drop) Create(people, name string, size int64) (scp.File, error) {
	if !d.paced(1) {
		return nil, d.over()
	}
	to, problem := parse.Nicks(people)
	if problem != "" {
		return nil, d.fail(result.Failure{Code: result.Usage, Err: errors.New(problem)})
	}
	call := parse.Call{Name: "paste", To: to, File: name}
	failed := d.mayNotSend(call)
	for _, n := range to { // all of them: scp can't be told that some get it
		if failed == nil && !d.known(n) {
			failed = d.nobody(n)
		}
	}
	var up *upload
	switch {
	case failed != nil:
	case size > d.manager.cfg.Files.Max():
		failed = d.uploadFailed(attachments.ErrTooLarge)
	case d.open:
		failed = refused(errOneFile)
	default:
		up, failed = d.receive(call)
	}
	if failed != nil {
		return nil, d.fail(failed)
	}
	d.place.Reset(uploadWithin)
	d.open = true
	return &dropped{upload: up, drop: d}, nil
}

// dropped is a file that scp or sftp sends.
type dropped struct {
	*upload
	drop   *drop
	failed bool // some of it could not be written
}

// WriteAt implements io.WriterAt.
func (f *dropped) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.upload.WriteAt(p, off)
	if err != nil && !f.failed {
		f.failed = true
		err = f.drop.fail(f.drop.uploadFailed(err))
	}
	return n, err
}

// Discard implements scp.File.
func (f *dropped) Discard() {
	f.drop.open = false
	f.discard()
}

// Finish implements scp.File.
func (f *dropped) Finish() error {
	if f.failed {
		return errUnwritten // which was told then
	}
	if f.drop.hungUp() {
		return f.drop.fail(result.Failure{Code: result.Refused, Reason: result.Incomplete})
	}
	refused := make(chan error, len(f.call.To))
	failed := f.drop.sendFile(f.upload, func(r result.Receipt) {
		if exitOf(r) != exitOK {
			refused <- f.drop.fail(r)
		}
	})
	if failed == nil && !f.drop.pending.wait(f.drop.ctx, lastReceipts) {
		failed = unconfirmed(f.call)
	}
	if failed != nil {
		return f.drop.fail(failed)
	}
	select {
	case err := <-refused:
		return err
	default:
		return nil
	}
}
