package keys

// Change tells what a new version of the file brought. It is about lines in force:
// a line that became disabled is removed, and one that was repaired is added.
type Change struct {
	Added, Removed []Entry
}

// OnChange has f called after each change of the file that is in force, be it ours
// or another's, with no lock held. f is called from the goroutine that noticed, and
// ought to be quick. Whose key is in Removed, and no longer found by Lookup, has to
// go.
func (r *Registry) OnChange(f func(Change)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onChange = append(r.onChange, f)
}

// deliver tells onChange what it has not been told, in order. No lock is held by
// its caller. What f itself brings about is told after it has returned.
func (r *Registry) deliver() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.telling {
		return // whoever does it tells ours too
	}
	r.telling = true
	defer func() { r.telling = false }()
	for len(r.untold) > 0 {
		c := r.untold[0]
		r.untold = r.untold[1:]
		if len(c.Added)+len(c.Removed) > 0 {
			r.tell(c)
		}
	}
}

// tell is called with r.mu held, and lets go of it meanwhile.
func (r *Registry) tell(c Change) {
	fs := r.onChange
	r.mu.Unlock()
	defer r.mu.Lock()
	for _, f := range fs {
		f(c)
	}
}

func difference(old, fresh *table) Change {
	return Change{Added: missingFrom(old, fresh), Removed: missingFrom(fresh, old)}
}

// logMax bounds the lines a single change can put into the log, each kind.
const logMax = 100

func (r *Registry) logChange(c Change, fresh *table) {
	bad := 0
	for _, l := range fresh.entries {
		if l.disabled == "" {
			continue
		}
		if bad++; bad <= logMax {
			r.log.Warn("authorized_keys: line disabled", "line", l.num, "why", l.disabled)
		}
	}
	r.log.Info("authorized_keys read", "lines", fresh.lines, "keys", len(fresh.entries)-bad, "disabled", bad,
		"added", len(c.Added), "removed", len(c.Removed))
	if len(c.Added) <= logMax {
		for _, e := range c.Added {
			r.log.Debug("key added", "nick", e.Nick, "key", e.Fingerprint, "line", e.Line)
		}
	}
	for _, e := range c.Removed[:min(len(c.Removed), logMax)] {
		r.log.Info("key removed", "nick", e.Nick, "key", e.Fingerprint)
	}
}

// missingFrom gives the lines in force of b that a does not have in force.
func missingFrom(a, b *table) []Entry {
	var missing []Entry
	for _, l := range b.entries {
		if l.disabled == "" && !a.inForce(l) {
			missing = append(missing, l.entry())
		}
	}
	return missing
}

// inForce tells whether some line gives l's key the same as l does.
func (t *table) inForce(l *line) bool {
	for _, other := range t.find(l.key) {
		if other.disabled == "" && other.equivalent(l) {
			return true
		}
	}
	return false
}

// equivalent tells whether two lines with the same key say the same of it.
func (l *line) equivalent(o *line) bool {
	return l.nick == o.nick && l.opts.role == o.opts.role && l.opts.authority == o.opts.authority &&
		l.opts.fromText == o.opts.fromText && l.opts.expires.Equal(o.opts.expires) && l.opts.noTouch == o.opts.noTouch
}
