package sessions

import (
	"errors"
	"sync"
	"time"

	"whoelse/sessions/parse"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
	"whoelse/sessions/scp"
)

// mostFailures bounds what standard error says of one client of scp or sftp.
const mostFailures = 20

// drop is a session as scp and sftp see it. It implements scp.Drop on the reading goroutine, or on
// one that this waits for.
type drop struct {
	*session
	place sending
	open  bool // a file is coming in; there is one at a time

	mu       sync.Mutex // owns the fields below: files that fail are told on goroutines of their own
	failures int
	last     string // words of the last one
}

var (
	errOneFile   = errors.New("send one file at a time")
	errUnwritten = errors.New("some of the file could not be written")
)

var _ scp.Drop = (*drop)(nil)

// Write implements io.Writer: what the client is answered.
func (d *drop) Write(p []byte) (int, error) {
	d.print(string(p), nil)
	return len(p), nil
}

// Read implements io.Reader.
func (d *drop) Read(p []byte) (int, error) { return d.ch.Read(p) }

// runDrop takes files, if that is what the client wants: with the sftp subsystem, or with scp -t.
func (s *session) runDrop() bool {
	to, is, err := scp.Sink(s.ch.Command)
	if !is && !s.ch.Subsystem {
		return false
	}
	d := &drop{session: s}
	var place sending
	failed := s.refusal(commandNamed("paste"), parse.Call{})
	if failed == nil {
		place, failed = s.enterSending()
	}
	if failed != nil {
		d.fail(failed)
		return true
	}
	d.place = place
	defer place.Stop()
	if s.ch.Subsystem {
		s.dropEnded(scp.ServeSFTP(d, d, func(what string, stack []byte) {
			s.manager.cfg.Log.Error("panic in a client of sftp", "panic", what, "from", s.from, "stack", string(stack))
		}))
		return true
	}
	if err != nil {
		d.Refuse(err) // which goes to standard error
		return true
	}
	s.tally.told = true
	s.dropEnded(scp.Receive(d, to, d))
	return true
}

// dropEnded notes that a client has not kept to the protocol, or is gone.
func (s *session) dropEnded(err error) {
	if err != nil && s.ctx.Err() == nil {
		s.manager.cfg.Log.Info("a client of scp or sftp ended", "nick", s.member.Nick(), "from", s.from, "err", err)
	}
}

// fail notes a failure for the exit status and standard error, and returns it as an error in words.
func (d *drop) fail(failed result.Result) error {
	words := render.Reason(failed, d.style(), time.Now())
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failures++; d.failures <= mostFailures && words != d.last { // clients ask twice
		d.tally.add(failed)
	}
	d.last = words
	return errors.New(words)
}

// Refuse implements scp.Drop.
func (d *drop) Refuse(why error) error {
	if !d.paced(1) {
		return d.out.why()
	}
	return d.fail(result.Failure{Code: result.Refused, Err: why})
}

// call is what sends a file to people.
func (d *drop) call(people, name string) (call parse.Call, failed result.Result) {
	to, problem := parse.Nicks(people)
	if problem != "" {
		return call, result.Failure{Code: result.Usage, Err: errors.New(problem)}
	}
	return parse.Call{Name: "paste", To: to, File: name}, nil
}

// Check implements scp.Drop.
func (d *drop) Check(people string) error {
	call, failed := d.call(people, "")
	if failed == nil {
		failed = d.mayNotSend(call)
	}
	for _, to := range call.To { // all of them: scp can't be told that some get it
		if failed == nil && !d.known(to) {
			failed = d.nobody(to)
		}
	}
	switch {
	case failed == nil:
		return nil
	case !d.paced(1):
		return d.out.why()
	}
	return d.fail(failed)
}

// Create implements scp.Drop.
func (d *drop) Create(people, name string, size int64) (scp.File, error) {
	if !d.paced(1) {
		return nil, d.out.why()
	}
	call, failed := d.call(people, name)
	if failed == nil && size > d.manager.cfg.Files.Max() {
		failed = d.tooLarge()
	}
	if failed == nil && d.open {
		failed = result.Failure{Code: result.Refused, Err: errOneFile}
	}
	var up *upload
	if failed == nil {
		d.place.Reset(uploadWithin)
		up, failed = d.receive(call)
	}
	if failed != nil {
		return nil, d.fail(failed)
	}
	d.open = true
	return &dropped{upload: up, drop: d, call: call}, nil
}

// dropped is a file that scp or sftp sends.
type dropped struct {
	*upload
	drop *drop
	call parse.Call
}

// WriteAt implements io.WriterAt.
func (f *dropped) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.upload.WriteAt(p, off)
	if err != nil && f.failed.CompareAndSwap(false, true) { // many may be on their way
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
	if f.failed.Load() {
		return errUnwritten // which was told then
	}
	if f.drop.hungUp() {
		return f.drop.fail(result.Failure{Code: result.Refused, Reason: result.Incomplete})
	}
	answers := make(chan result.Result, len(f.call.To)+1)
	expected := f.drop.sendFile(f.upload, f.call, func(r result.Result) { answers <- r })
	late := time.NewTimer(lastReceipts)
	defer late.Stop()
	var err error
	for range expected {
		select {
		case r := <-answers:
			if exitOf(r) != exitOK {
				err = f.drop.fail(r)
			}
		case <-late.C:
			return f.drop.fail(unconfirmed(f.call))
		case <-f.drop.ctx.Done():
			return f.drop.fail(unconfirmed(f.call))
		}
	}
	return err
}
