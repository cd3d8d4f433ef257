package history

// latecomer is an owner with lines that are in the journal but could not be
// written to its file. It is kept in memory until they are.
type latecomer struct {
	item *item[*owner]
}

// fellBehind remembers that o has lines that are not in its file.
func (s *Store) fellBehind(o *owner, err error) {
	s.log.Error("history: lines are safe in the journal, but could not be written to the file yet",
		"owner", o.name, "bytes", len(o.behind), "error", err)
	s.late[o.name] = &latecomer{item: s.owners.pin(o.name)}
	s.ck.hold(o.name, s.journal.num)
}

// catchUp writes the lines that o's file still lacks. Until that succeeds
// nothing is appended to o, so they never become more.
func (s *Store) catchUp(o *owner) error {
	if o.behind == nil {
		return nil
	}
	s.files.forget(o.name) // so that the file is opened anew
	if err := s.writeTo(o, o.behind, o.end-int64(len(o.behind))); err != nil {
		return err
	}
	o.mu.Lock()
	o.behind = nil
	o.mu.Unlock()
	s.log.Info("history: the file has caught up", "owner", o.name)
	s.owners.release(s.late[o.name].item)
	delete(s.late, o.name)
	s.ck.free(o.name)
	return nil
}

// catchUpAll tries again for everyone.
func (s *Store) catchUpAll() {
	for _, l := range s.late {
		if err := s.catchUp(l.item.val); err != nil {
			s.log.Error("history: lines could still not be written", "owner", l.item.key, "error", err)
		}
	}
}
