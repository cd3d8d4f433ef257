package history

import (
	"slices"
	"time"
)

// write is the writer: the one goroutine that appends. It ends after Close,
// and is then started again only to refuse what is appended nevertheless.
func (s *Store) write() {
	for {
		units, jobs := s.take()
		if len(units) > 0 {
			s.commit(units)
		}
		for _, job := range jobs { // these find done what was asked for before
			job()
		}
		if len(units)+len(jobs) > 0 {
			continue
		}
		s.mu.Lock()
		if s.drained && len(s.queue)+len(s.jobs) == 0 {
			s.running = false
			s.mu.Unlock()
			return
		}
		first := !s.drained
		s.mu.Unlock()
		if first {
			s.shut()
		}
	}
}

// shut seals the journal for good.
func (s *Store) shut() {
	s.catchUpAll()
	s.lastCarry()
	s.sealJournal()
	s.journal.close(errClosed)
	s.mu.Lock()
	s.drained = true
	s.mu.Unlock()
	close(s.stopped)
}

// take waits for units or jobs and takes all there are. After Close it returns
// none when none are left.
func (s *Store) take() ([]*unit, []func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue)+len(s.jobs) == 0 && !s.closed {
		s.wake.Wait()
	}
	units, jobs := s.queue, s.jobs
	s.queue, s.jobs = nil, nil
	return units, jobs
}

// maxSpare bounds the memory that is kept from one batch to the next.
const maxSpare = 1 << 20

// batch is what shares one fsync.
type batch struct {
	now   time.Time
	log   []byte           // what goes to the journal
	parts map[string]*part // by owner
	order []*part
}

// part is what a batch has for one owner.
type part struct {
	item    *item[*owner]
	o       *owner
	data    []byte // the lines, to be written at o.end
	entries []entry
	state   stateAt // of the newest state line, here or in the file

	unread []ref // what is unread after entries[:seen], if seen > 0
	seen   int
}

func (p *part) end() int64 { return p.o.end + int64(len(p.data)) }

// commit makes the units durable and tells their senders.
func (s *Store) commit(units []*unit) {
	b := &batch{now: time.Now(), parts: make(map[string]*part), log: s.journal.spare[:0]}
	err := s.readyJournal(b.now)
	units = append(s.takeCarried(), units...)
	for _, u := range units {
		if u.err == nil {
			u.err = err
		}
		if u.err == nil {
			u.err = s.add(b, u)
		}
	}
	if len(b.log) > 0 {
		err = s.journal.append(b.log)
		if err != nil {
			s.breakJournal(b.now, err)
		}
	}
	s.settle(b, units, err)
	if cap(b.log) <= maxSpare {
		s.journal.spare = b.log
	}
	s.count(units, len(b.log) > 0 && err == nil)
	for _, u := range units {
		u.finish()
	}
}

// settle brings files and memory up to date with a batch that is in the
// journal, or, given an error, refuses it.
func (s *Store) settle(b *batch, units []*unit, err error) {
	for _, u := range units {
		if u.err == nil {
			u.err = err
		}
		if u.err == nil {
			s.learnIDs(u)
		}
	}
	for _, p := range b.order {
		if err == nil && len(p.data) > 0 {
			s.apply(p)
		}
		s.owners.release(p.item)
	}
}

func (s *Store) learnIDs(u *unit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range u.lines {
		if l.e.msg != nil {
			s.lastID = max(s.lastID, l.e.msg.ID)
		}
	}
}

// add gives the lines of u their places, or none of them.
func (s *Store) add(b *batch, u *unit) error {
	if u.state != "" {
		return s.part(b, u.state)
	}
	for _, l := range u.lines {
		if err := s.part(b, l.owner); err != nil {
			return err
		}
	}
	for i, l := range u.lines {
		p := b.parts[l.owner]
		l.e.off = p.end()
		b.log = appendRecord(b.log, i == len(u.lines)-1, p.o.logged(l.e.off), l.owner, l.data)
		p.data = append(p.data, l.data...)
		p.entries = append(p.entries, l.e)
	}
	return nil
}

// part sees to it that b has a part for owner, and a state line in it when one
// is due.
func (s *Store) part(b *batch, name string) error {
	p := b.parts[name]
	if p == nil {
		it, err := s.current(name)
		if err != nil {
			return err
		}
		p = &part{item: it, o: it.val, state: it.val.state}
		b.parts[name] = p
		b.order = append(b.order, p)
	}
	if sharedFiles[name] == "" && p.state.due(p.end()) {
		b.addState(p)
	}
	return nil
}

// addState adds a state line, as a unit of its own.
func (b *batch) addState(p *part) {
	if p.unread == nil {
		p.unread = slices.Clone(p.o.unread)
	}
	for _, e := range p.entries[p.seen:] {
		p.unread = follow(p.unread, p.o.name, e)
	}
	p.seen = len(p.entries)
	line := stateLine(b.now, p.end(), p.unread)
	b.log = appendRecord(b.log, true, p.o.logged(p.end()), p.o.name, line)
	p.data = append(p.data, line...)
	p.state = stateAt{end: p.end(), len: int64(len(line))}
}

// apply appends a part that is in the journal to its owner's file. When that
// fails the lines stay in memory.
func (s *Store) apply(p *part) {
	o := p.o
	s.journal.dirty[o.name] = true
	err := s.writeTo(o, p.data, o.end)
	o.mu.Lock()
	o.end = p.end()
	o.state = p.state
	o.apply(p.entries)
	if err != nil {
		o.behind = p.data
	}
	o.mu.Unlock()
	if err != nil {
		s.fellBehind(o, err)
	}
	if o.end > o.trimAt {
		o.trimAt = s.nextTrim(o)
		s.tr.ask(o.name)
	}
}

// writeTo writes to o's file, which it creates when there was none.
func (s *Store) writeTo(o *owner, data []byte, at int64) error {
	h, err := s.handle(o.name, o.ino == 0)
	if err != nil {
		return err
	}
	defer s.files.release(h)
	if o.ino == 0 {
		st, err := h.val.stat()
		if err != nil {
			return err
		}
		o.mu.Lock()
		o.ino = st.ino
		o.mu.Unlock()
	}
	if _, err = h.val.WriteAt(data, at); err != nil {
		s.files.forget(o.name) // it is opened anew for the next try
	}
	return err
}
