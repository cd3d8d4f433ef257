package history

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
)

// retryAfter is how long after trouble with the journal it is tried again.
const retryAfter = time.Second

// journal is the redo log. A line of it is a checksum over the rest, whether
// the unit goes on ('+') or ends here ('.'), the offset, the owner and the
// line that belongs there:
//
//	1a2b3c4d . 4096 bob {"id":...}
//
// Its first line tells how far the journal before it counts; what follows there
// was never acknowledged:
//
//	1a2b3c4d journal 1 after 7 8391221
//
// All of it is owned by the writer.
type journal struct {
	home  *home // where f is
	f     file  // nil: none is open
	num   int
	ino   uint64
	off   int64           // everything before it is on disk
	dirty map[string]bool // whose files it speaks of
	spare []byte          // memory for the next batch

	prev    int   // the journal before the next one
	prevEnd int64 // and how far it counts

	err   error // why none can be opened
	tried time.Time
	told  string // the last err that is in the log

	astray bool // files are not where they were; perhaps the folder is not either
}

func journalName(num int) string { return fmt.Sprintf("%06d.log", num) }

// journalNum is the inverse of journalName.
func journalNum(name string) (int, bool) {
	num, err := strconv.Atoi(strings.TrimSuffix(name, ".log"))
	return num, err == nil && num > 0 && journalName(num) == name
}

// appendRecord appends one line of the journal.
func appendRecord(b []byte, last bool, off int64, owner string, data []byte) []byte {
	start := len(b)
	flag := byte('+')
	if last {
		flag = '.'
	}
	b = append(b, "00000000 "...)
	b = append(b, flag, ' ')
	b = append(strconv.AppendInt(b, off, 10), ' ')
	b = append(append(b, owner...), ' ')
	b = append(b, data...)
	sum := crc32.Checksum(b[start+9:len(b)-1], castagnoli)
	appendHex(b[:start], sum)
	return b
}

func header(prev int, prevEnd int64) []byte {
	rest := fmt.Sprintf("journal 1 after %d %d", prev, prevEnd)
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum([]byte(rest), castagnoli), rest)
}

// readyJournal sees to it that a journal is open that can take a batch.
func (s *Store) readyJournal(now time.Time) error {
	j := &s.journal
	if errors.Is(j.err, errClosed) || j.err != nil && now.Sub(j.tried) < retryAfter {
		return j.err
	}
	s.ck.retry(now)
	if j.astray && now.Sub(j.tried) >= retryAfter {
		j.astray, j.err = false, errReplaced
		s.sealJournal()
	}
	if j.f != nil && j.off >= s.sealAt && s.ck.roomForMore() {
		s.sealJournal()
	}
	if j.f != nil {
		return nil
	}
	j.tried = now
	was := j.err
	if was != nil {
		j.err = s.moveIn()
	}
	if err := j.create(s.home()); err == nil {
		j.err = nil
	} else {
		if j.err != nil {
			err = fmt.Errorf("%w (%w)", j.err, err)
		}
		j.err = err
	}
	if j.err != nil {
		if told := j.err.Error(); j.told != told { // once for each cause
			j.told = told
			s.log.Error("history: no journal can be written; nothing is accepted until one can", "error", j.err)
		}
		return j.err
	}
	if was != nil {
		j.told = ""
		s.log.Info("history: a journal can be written again; what is sent is accepted")
	}
	return nil
}

// create starts the next journal. It counts once its header and its name are on
// disk; a try that failed is simply done over.
func (j *journal) create(at *home) error {
	name := journalName(j.prev + 1)
	f, err := at.journals.open(name, true)
	if err != nil {
		return err
	}
	head := header(j.prev, j.prevEnd)
	err = f.truncate(0)
	if err == nil {
		_, err = f.WriteAt(head, 0)
	}
	if err == nil {
		err = f.sync()
	}
	if err == nil {
		err = at.journals.sync()
	}
	var st stat
	if err == nil {
		st, err = f.stat()
	}
	if err != nil {
		_ = f.close()
		return err
	}
	j.home, j.f, j.num, j.ino, j.off = at, f, j.prev+1, st.ino, int64(len(head))
	j.dirty = make(map[string]bool)
	return nil
}

// append makes b durable at the end of the journal.
func (j *journal) append(b []byte) error {
	if _, err := j.f.WriteAt(b, j.off); err != nil {
		return err
	}
	if err := j.f.sync(); err != nil {
		return err
	}
	// An fsync of a file without a name succeeds and keeps nothing.
	switch st, err := j.home.journals.lstat(journalName(j.num)); {
	case err != nil:
		return fmt.Errorf("the journal was removed: %w", err)
	case st.ino != j.ino:
		return errors.New("the journal was replaced")
	}
	j.off += int64(len(b))
	return nil
}

// breakJournal gives up the open journal after a failed append. What that may
// have left behind is cut off, before the senders are told, so that what they
// are told failed does not come back.
func (s *Store) breakJournal(now time.Time, err error) {
	next, gone := s.home().root.successor()
	if next != nil {
		_ = next.close() // moveIn asks again
	}
	if gone != nil {
		err = fmt.Errorf("%w (%w)", gone, err)
	}
	s.log.Error("history: writing the journal failed; nothing is accepted until a new one can be written", "journal", s.journal.num, "error", err)
	j := &s.journal
	if cut := errors.Join(j.f.truncate(j.off), j.f.sync()); cut != nil {
		s.log.Error("history: the end of the journal could not be cut off", "error", cut)
	}
	s.sealJournal()
	j.err, j.tried, j.told = err, now, err.Error()
}

// sealJournal hands the open journal to the checkpointer.
func (s *Store) sealJournal() {
	j := &s.journal
	if j.f == nil {
		return
	}
	_ = j.f.close() // all that counts is on disk
	j.prev, j.prevEnd, j.f = j.num, j.off, nil
	s.ck.seal(sealedJournal{j.home, j.num, j.dirty})
}

func (j *journal) close(err error) { j.err, j.spare = err, nil }

// logLine is one decoded line of a journal.
type logLine struct {
	last  bool
	off   int64
	owner string
	data  []byte // without the newline
}

// parseRecord is the inverse of appendRecord; l has no newline.
func parseRecord(l []byte) (logLine, bool) {
	rest, ok := unseal(l)
	if !ok {
		return logLine{}, false
	}
	f := bytes.SplitN(rest, []byte(" "), 4)
	if len(f) < 4 || len(f[0]) != 1 || !bytes.Contains([]byte("+."), f[0]) {
		return logLine{}, false
	}
	off, err := strconv.ParseInt(string(f[1]), 10, 64)
	owner := string(f[2])
	ok = err == nil && off >= 0 && validOwner(owner) && sealed(f[3])
	return logLine{f[0][0] == '.', off, owner, f[3]}, ok
}

// parseHeader is the inverse of header.
func parseHeader(l []byte) (prev int, prevEnd int64, ok bool) {
	rest, ok := unseal(l)
	if !ok {
		return 0, 0, false
	}
	n, err := fmt.Sscanf(string(rest), "journal 1 after %d %d", &prev, &prevEnd)
	return prev, prevEnd, n == 2 && err == nil
}

// unseal returns what follows the checksum that a line of a journal begins with.
func unseal(l []byte) ([]byte, bool) {
	if len(l) < 9 || l[8] != ' ' {
		return nil, false
	}
	sum, ok := parseHex(l[:8])
	return l[9:], ok && sum == crc32.Checksum(l[9:], castagnoli)
}
