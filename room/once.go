package room

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// keyTime is how long a retry key is remembered.
const keyTime = 24 * time.Hour

// How many receipts are remembered for retry keys: one for each recipient, or one for a message to everyone.
const (
	MaxKeys    = 1_000   // of one nick in keyTime, fewer when others have many: see full
	maxKeysAll = 100_000 // of all together
)

// Errors of [Member.Once].
var (
	ErrKeyUsed   = errors.New("the retry key was used for another message")
	ErrKeys      = errors.New("too many retry keys within a day")
	ErrKeysGuest = errors.New("guests can't use retry keys")
)

// Once sends text to the room in or, if to is not empty, to people: one message, with one id for all of them. For a
// room, it calls told once, when everyone there has been given the message. For people, it calls told once for each,
// within about confirmWithin of the message being on disk. told is called from any goroutine and must not block. Nicks
// are canonical; a repeated one counts once.
//
// A retry key makes it safe to try again: within a day,
// calls with the same key, message and recipients store and show the message once. Each is answered
// as the first was, with Receipt.Again set, and waits for the first to be answered. If nothing was
// stored, the key is free again. Keys are found again after a restart, as far back as the histories
// go. The key "" is none. On another server of a cluster, a try is known once the message was applied here.
// Of two tries before that, the cluster's log stores one; the other is answered with [ErrUncertain].
//
// The error is [ErrKeyUsed], [ErrKeys] or [ErrKeysGuest], says why the person may not write in the room, or wraps
// [ErrStorage]. After an error told is not called. Once must not be called on the log's goroutine.
func (s *Member) Once(key, in string, kind Kind, to []string, text string, told func(Receipt)) error {
	if len(to) > 0 {
		in = ""
	}
	if key != "" {
		if err := s.maySpeak(in); err != nil { // before it is asked whether the key was used there
			return err
		}
		first, answer, err := s.room.claim(s, key, in, kind, to, text, told)
		if err != nil || !first {
			return err
		}
		told = answer
	}
	if in == "" {
		s.send(key, to, text, nil, told)
		return nil
	}
	err := s.speakIn(key, in, kind, text, told)
	if err != nil && key != "" { // since it was asked: the key is free again, and others may wait
		told(Receipt{Outcome: Failed, Err: err})
		err = nil
	}
	return err
}

// usedKeys has the retry keys of the last day. Safe for concurrent use.
type usedKeys struct {
	started time.Time
	loading sync.Mutex // held while histories are searched for keys from before the start; taken before mu

	mu     sync.Mutex                 // owns the fields below; nothing else is locked with it held
	loaded map[string]bool            // owners of the histories that were searched
	of     map[string]map[string]*use // by nick and key
	count  int                        // answers in of
	swept  time.Time                  // when old keys of all nicks were last removed
}

// use is the message that a key was used for, and what its sender was told.
type use struct {
	at      time.Time
	sum     [sha256.Size]byte // of the text
	to      []string          // all recipients given, sorted; of a loaded use, those it was sent to
	id      string            // of a loaded use
	told    []Receipt
	waiting []func(Receipt)
	stored  *use // another server's try of the same, which was stored meanwhile
}

// answers is the number of receipts that u has or will have.
func (u *use) answers() int { return max(1, len(u.to)) }

// over reports whether u can be removed: it is too old, and no receipts are missing.
func (u *use) over(now time.Time) bool { return now.Sub(u.at) >= keyTime && len(u.told) == u.answers() }

func sumOf(kind Kind, in, text string) [sha256.Size]byte {
	if in == "" {
		kind = KindDirect
	}
	return sha256.Sum256([]byte(string(kind) + "\x00" + in + "\x00" + text))
}

// claim takes key for a new message: then first is true, and the caller passes the receipts to answer.
// If key was used for the same message, told gets the receipts of that message.
func (r *Room) claim(s *Member, key, in string, kind Kind, to []string, text string, told func(Receipt)) (
	first bool, answer func(Receipt), err error,
) {
	if s.Guest() {
		return false, nil, ErrKeysGuest
	}
	for _, owner := range []string{"#" + cmp.Or(in, Lobby), s.nick} {
		if err := r.loadKeys(owner); err != nil {
			return false, nil, err
		}
	}
	now, ks := time.Now(), &r.keys
	to = slices.Compact(slices.Sorted(slices.Values(to)))
	u := &use{at: now, sum: sumOf(kind, in, text), to: to}
	ks.mu.Lock()
	ks.sweep(s.nick, now)
	if old := ks.of[s.nick][key]; old != nil {
		ks.mu.Unlock()
		return false, nil, r.repeat(s, key, old, u, told)
	}
	defer ks.mu.Unlock()
	if ks.full(s.nick, u) {
		return false, nil, ErrKeys
	}
	ks.add(s.nick, key, u)
	return true, func(got Receipt) {
		waiting := ks.note(s.nick, key, u, got)
		told(got)
		got.Again = true
		for _, w := range waiting {
			w(got)
		}
	}, nil
}

// repeat passes the receipts of old to told, if u is the same message.
func (r *Room) repeat(s *Member, key string, old, u *use, told func(Receipt)) error {
	if old.sum != u.sum {
		return ErrKeyUsed
	}
	var known []Receipt
	if old.id != "" {
		var err error
		if known, err = r.answersOf(s, old, u.to); err != nil {
			return err
		}
		u.at, u.told = old.at, slices.Clone(known)
		r.keys.replace(s.nick, key, old, u)
	} else {
		if !slices.Equal(old.to, u.to) {
			return ErrKeyUsed
		}
		r.keys.mu.Lock()
		known = slices.Clone(old.told)
		if len(known) < old.answers() {
			old.waiting = append(old.waiting, told)
		}
		r.keys.mu.Unlock()
	}
	for _, got := range known {
		got.Again = true
		told(got)
	}
	return nil
}

// answersOf returns the receipts of a message from before the start, from the histories. Refused recipients
// are not on record: they are checked again.
func (r *Room) answersOf(s *Member, old *use, to []string) (known []Receipt, err error) {
	for _, nick := range old.to {
		if !slices.Contains(to, nick) {
			return nil, ErrKeyUsed
		}
	}
	if len(old.to) == 0 {
		if len(to) > 0 {
			return nil, ErrKeyUsed
		}
		return []Receipt{{ID: old.id}}, nil
	}
	mine, err := r.preferences(s.nick)
	if err != nil {
		return nil, err
	}
	for _, nick := range to {
		got := Receipt{To: nick, ID: old.id}
		if !slices.Contains(old.to, nick) {
			_, outcome, err := s.check(nick, mine)
			if outcome == Delivered || err != nil {
				return nil, errors.Join(ErrKeyUsed, err)
			}
			known = append(known, Receipt{To: nick, Outcome: outcome, Most: r.options.InboxMax})
			continue
		}
		if got.Outcome, err = r.outcomeOf(nick, old.id); err != nil {
			return nil, err
		}
		got.Most = r.options.InboxMax
		known = append(known, got)
	}
	return known, nil
}

// outcomeOf returns the outcome of a message to nick, from the histories.
func (r *Room) outcomeOf(nick, id string) (Outcome, error) {
	if isGuest(nick) {
		return RefusedGone, nil // the guest left when the server stopped, at the latest
	}
	waits, err := r.histories.StillUnread(nick, []string{id})
	if err != nil || waits[id] {
		return KeptOffline, err
	}
	has, err := Collect(without(errEnough, r.histories.Tail(nick, 1, func(m *Message) (bool, error) {
		if m.ID < id {
			return false, errEnough
		}
		return m.ID == id, nil
	})))
	if err == nil && len(has) == 0 && r.options.InboxMax > 0 {
		return RefusedFull, nil
	}
	return Delivered, err
}

// loadKeys searches the last day of a history for retry keys, once.
func (r *Room) loadKeys(owner string) error {
	ks := &r.keys
	since := time.Now().Add(-keyTime)
	if ks.started.Before(since) || ks.hasLoaded(owner) {
		return nil
	}
	ks.loading.Lock()
	defer ks.loading.Unlock()
	if ks.hasLoaded(owner) { // meanwhile
		return nil
	}
	most := MaxKeys
	if owner[0] == '#' {
		most = maxKeysAll
	}
	first := After(since)
	keyed, err := Collect(without(errEnough, r.histories.Tail(owner, most, func(m *Message) (bool, error) {
		if m.ID <= first {
			return false, errEnough
		}
		return m.Key != "" && (owner[0] == '#' || m.From == owner), nil
	})))
	if err != nil && !(owner[0] == '#' && errors.Is(err, ErrUnusable)) {
		return fmt.Errorf("looking for retry keys: %w", err)
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	ks.loaded[owner] = true
	for _, m := range keyed {
		if ks.of[m.From][m.Key] == nil {
			ks.add(strings.Clone(m.From), strings.Clone(m.Key), usedFor(m, m.Time))
		}
	}
	return nil
}

func (ks *usedKeys) hasLoaded(owner string) bool {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	return ks.loaded[owner]
}

// add notes a use. ks.mu is held, as in full, sweep and remove.
func (ks *usedKeys) add(nick, key string, u *use) {
	if ks.of[nick] == nil {
		ks.of[nick] = map[string]*use{}
	}
	ks.of[nick][key] = u
	ks.count += u.answers()
}

// full reports whether u would be too much. A nick may have a hundredth of what the others leave, so
// that a few hundred nicks can't use up everyone's keys.
func (ks *usedKeys) full(nick string, u *use) bool {
	own := 0
	for _, other := range ks.of[nick] {
		own += other.answers()
	}
	left := maxKeysAll - (ks.count - own)
	return own+u.answers() > min(MaxKeys, left/100)
}

// sweep removes old keys: those of nick and, once a minute, those of all nicks.
func (ks *usedKeys) sweep(nick string, now time.Time) {
	nicks := []string{nick}
	if now.Sub(ks.swept) >= time.Minute {
		ks.swept, nicks = now, nicks[:0]
		for nick := range ks.of {
			nicks = append(nicks, nick)
		}
	}
	for _, nick := range nicks {
		for key, u := range ks.of[nick] {
			if u.over(now) {
				ks.remove(nick, key, u)
			}
		}
	}
}

func (ks *usedKeys) remove(nick, key string, u *use) {
	if ks.of[nick][key] != u {
		return // forget has removed it
	}
	delete(ks.of[nick], key)
	if ks.count -= u.answers(); len(ks.of[nick]) == 0 {
		delete(ks.of, nick)
	}
}

// replace has u in place of a loaded use, unless that is too much: it knows the answers.
func (ks *usedKeys) replace(nick, key string, old, u *use) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if ks.of[nick][key] != old {
		return
	}
	ks.remove(nick, key, old)
	if ks.full(nick, u) {
		u = old
	}
	ks.add(nick, key, u)
}

// note remembers an answer, and returns who waits for it. When all are there and nothing was stored,
// the key is free again.
func (ks *usedKeys) note(nick, key string, u *use, got Receipt) (waiting []func(Receipt)) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	u.told, waiting = append(u.told, got), u.waiting
	if len(u.told) < u.answers() {
		return slices.Clone(waiting)
	}
	u.waiting = nil
	if !slices.ContainsFunc(u.told, func(r Receipt) bool { return r.ID != "" && r.Outcome != Failed && r.Err == nil }) {
		ks.remove(nick, key, u)
		if u.stored != nil && ks.of[nick][key] == nil {
			ks.add(nick, key, u.stored)
		}
	}
	return waiting
}

// applied notes the key of a message that was stored by a first try on another server, or by one here whose
// sender got [ErrUncertain]. [Room.mu] is held.
func (ks *usedKeys) applied(m *Message) {
	now := time.Now()
	ks.mu.Lock()
	defer ks.mu.Unlock()
	ks.sweep(m.From, now)
	if u := ks.of[m.From][m.Key]; u == nil {
		ks.add(m.From, m.Key, usedFor(m, now))
	} else if len(u.told) < u.answers() {
		u.stored = usedFor(m, now)
	}
}

// usedFor is the use of m's key, as loaded.
func usedFor(m *Message, at time.Time) *use {
	to := slices.Sorted(slices.Values(m.To))
	return &use{at: at, sum: sumOf(m.Kind, m.Room, m.Text), to: to, id: m.ID, told: make([]Receipt, max(1, len(to)))}
}

// forget frees a nick's retry keys when the nick has no holder any more.
func (ks *usedKeys) forget(nick string) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	for key, u := range ks.of[nick] {
		ks.remove(nick, key, u)
	}
	delete(ks.loaded, nick) // the next holder's history has none
}
