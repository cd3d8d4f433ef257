package sessions

import (
	"cmp"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"whoelse/keys/nick"
	"whoelse/room"
	"whoelse/room/attachments"
	"whoelse/sessions/parse"
	"whoelse/sessions/quota"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
	"whoelse/sessions/text"
)

// Limits of files beside those of the store.
const (
	maxFileName  = 100             // characters
	uploadWithin = 5 * time.Minute // one upload
	chargeWithin = 2 * time.Second // for a limit that is reached
	defaultName  = "paste.txt"
)

// paste sends standard input as a file.
func (s *session) paste(call parse.Call) result.Result {
	place, failed := s.enterSending()
	if failed != nil {
		return failed
	}
	defer place.Stop()
	call.File = cmp.Or(call.File, defaultName)
	if failed := s.mayNotSend(call); failed != nil {
		return failed
	}
	up, failed := s.receive(call)
	if failed != nil {
		return failed
	}
	defer up.discard()
	if _, err := io.Copy(up.Upload, s.ch); err != nil {
		return s.uploadFailed(err)
	}
	if !s.ended() {
		return result.Failure{Code: result.Refused, Reason: result.Incomplete}
	}
	return s.sendFile(up, s.sent)
}

// ended reports whether the client has ended its input, rather than closed the channel or gone.
func (s *session) ended() bool {
	open := make(chan bool, 1)
	s.ch.Confirm(func(ok bool) { open <- ok })
	return <-open && !s.hungUp()
}

// sending is a session's place among those that send files. It ends the session when that takes
// too long, so that nobody keeps a place for ever.
type sending struct {
	*time.Timer
	leave func()
}

// Stop gives the place back.
func (s sending) Stop() {
	s.Timer.Stop()
	s.leave()
}

// enterSending takes a place. The failure is that there is none.
func (s *session) enterSending() (place sending, failed result.Result) {
	leave, err := s.manager.cfg.Files.Enter(s.member.Nick(), s.from.Addr())
	if err != nil {
		return place, s.uploadFailed(err)
	}
	return sending{time.AfterFunc(uploadWithin, func() { s.end(errUploadSlow) }), leave}, nil
}

// hungUp reports whether the client has given up, or was sent away: what came may be half of a file.
func (s *session) hungUp() bool {
	select {
	case <-s.ch.Closed():
		return true
	default:
		return s.ctx.Err() != nil
	}
}

// upload is a file on its way from a person to others.
type upload struct {
	*attachments.Upload
	call parse.Call
	sent bool // it is the receipts' to keep or to discard
}

// discard removes what was not sent.
func (u *upload) discard() {
	if !u.sent {
		u.Discard() // what is left is removed at the next start
	}
}

// receive begins the file that call sends.
func (s *session) receive(call parse.Call) (*upload, result.Result) {
	up, err := s.manager.cfg.Files.Create(s.member.Nick())
	if err != nil {
		return nil, s.uploadFailed(err)
	}
	return &upload{Upload: up, call: call}, nil
}

// mayNotSend is why a file can't be sent, nil if it can. What comes from scp or sftp has no other
// check, and an upload may take longer than a key is good for.
func (s *session) mayNotSend(call parse.Call) result.Result {
	if why, stale := s.ch.Stale(); stale {
		return result.Failure{Code: result.NotAllowed, Err: errors.New(why)}
	}
	if failed := s.refusal(commandNamed("paste"), call); failed != nil {
		return failed
	}
	if s.manager.cfg.Files.Max() == 0 {
		return result.Failure{Code: result.Refused, Reason: result.FilesOff, Most: maxText}
	}
	if i := slices.IndexFunc(call.To, nick.IsGuest); i >= 0 {
		return result.Failure{Code: result.Refused, Reason: result.NoGuestFiles, Nick: call.To[i]}
	}
	if !slices.ContainsFunc(call.To, s.known) { // else receipts tell of the others
		return s.nobody(call.To[0])
	}
	// A limit that is reached is told before the bytes are sent.
	if err := s.charge(1); err != nil {
		return s.failed(result.Failure{Err: err})
	}
	s.refund(1)
	return nil
}

// uploadFailed is why a file could not be received.
func (s *session) uploadFailed(err error) result.Failure {
	return s.failed(result.Failure{Reason: result.StoringFile, About: render.Bytes(s.manager.cfg.Files.Max()), Err: err})
}

// sendFile sends a file that is complete. It returns at once; the receipts go to tell, which must not block.
func (s *session) sendFile(up *upload, tell func(result.Receipt)) result.Result {
	call := up.call
	if failed := s.mayNotSend(call); failed != nil {
		return failed
	}
	size, err := up.Size()
	if err != nil {
		return s.uploadFailed(err)
	}
	send := func(receipt func(room.Receipt)) error {
		file, err := up.Finish(fileName(call.File))
		if err != nil {
			return s.uploadFailed(err)
		}
		up.sent = true
		s.member.SendFile(call.To, file, receipt)
		return nil
	}
	var taken atomic.Bool
	var left atomic.Int32
	left.Store(int32(len(call.To)))
	return s.deliver(call, quota.File(size), send, func(r result.Receipt) {
		if r.Taken() {
			taken.Store(true)
		}
		if left.Add(-1) == 0 { // removing a name must not hold up the log
			go s.settle(up, taken.Load())
		}
		tell(r)
	})
}

// settle ends an upload whose message is on record, or is not.
func (s *session) settle(up *upload, taken bool) {
	end := up.Discard
	if taken {
		end = up.Keep
	}
	if err := end(); err != nil {
		s.manager.complain("ending an upload failed; the next start does", s.member.Nick(), err)
	}
}

// fileName makes of what a sender calls a file a name without folders, fit to be shown.
func fileName(name string) string {
	name = text.CleanLine(path.Base(strings.ReplaceAll(strings.ToValidUTF8(name, "?"), `\`, "/")))
	if name = strings.TrimSpace(name); strings.Trim(name, "./ ") == "" {
		return "file"
	}
	all := []rune(name)
	return string(all[:min(len(all), maxFileName)])
}

// fetch prints a file that was sent to the person, or by them.
func (s *session) fetch(call parse.Call) result.Result {
	if _, _, _, pty := s.ch.Pty(); pty {
		return result.Failure{Code: result.Usage, Reason: result.FetchOnTerminal}
	}
	m, failed := s.messageWithFile(call.Text)
	if failed != nil {
		return failed
	}
	file, err := s.manager.cfg.Files.Open(m.File.Ref)
	switch {
	case errors.Is(err, attachments.ErrGone):
		return result.Failure{
			Code: result.Refused, Reason: result.FileGone, About: fileName(m.File.Name),
			N: int(s.manager.cfg.Files.Keep().Hours() / 24),
		}
	case err != nil:
		return s.failed(result.Failure{Reason: result.ReadingFile, Err: err})
	}
	defer file.Close()
	if _, err := io.Copy(printer{s}, file); err != nil && s.ctx.Err() == nil {
		return s.failed(result.Failure{Reason: result.ReadingFile, Err: err})
	}
	return nil
}

func (s *session) messageWithFile(id string) (found *room.Message, failed result.Result) {
	none := result.Failure{Code: result.Refused, Reason: result.NoSuchFile, About: id}
	if len(id) < minID {
		return nil, none
	}
	err := s.eachPage(s.member.FindFile(s.ctx, id), func(messages []*room.Message) int {
		found = cmp.Or(found, messages[0])
		return 0
	})
	switch {
	case found != nil:
		return found, nil
	case err != nil && !errors.Is(err, room.ErrSearchLimit):
		return nil, s.failed(result.Failure{Reason: result.FindingMessage, Err: err})
	}
	return nil, none
}

// printer prints bytes as they are. It waits while much is queued, and for the rate.
type printer struct{ s *session }

// Write implements io.Writer.
func (p printer) Write(b []byte) (int, error) {
	if !p.s.paced(len(b)/messageWorth) || p.s.ctx.Err() != nil {
		return 0, io.ErrClosedPipe
	}
	p.s.out.print(string(b), nil)
	return len(b), nil
}
