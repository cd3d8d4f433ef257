package history

import (
	"slices"
	"strings"
)

// Waiting implements [room.Archive]: from memory, when owner's history was used
// lately. Errors wrap [room.ErrStorage].
func (s *Store) Waiting(owner string) (int, error) {
	it, err := s.known(owner)
	if err != nil {
		return 0, err
	}
	defer s.owners.release(it)
	return it.val.waiting(), nil
}

// waiting counts what is unread but for receipts.
func (o *owner) waiting() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.unread {
		if !r.receipt {
			n++
		}
	}
	return n
}

// StillUnread implements [room.Archive]: from memory, as Waiting does. Errors wrap
// [room.ErrStorage].
func (s *Store) StillUnread(owner string, ids []string) (map[string]bool, error) {
	it, err := s.known(owner)
	if err != nil {
		return nil, err
	}
	defer s.owners.release(it)
	return it.val.stillUnread(ids), nil
}

// stillUnread goes no further than it has to. Ids ascend in a file that nobody else
// has edited, so what is asked for is found at once, and only what was read is looked
// for everywhere.
func (o *owner) stillUnread(ids []string) map[string]bool {
	still := make(map[string]bool, len(ids))
	if len(ids) == 0 {
		return still
	}
	asked := make(map[string]bool, len(ids))
	for _, id := range ids {
		asked[id] = true
	}
	least, most := slices.Min(ids), slices.Max(ids)
	o.mu.Lock()
	defer o.mu.Unlock()
	begin, _ := slices.BinarySearchFunc(o.unread, least, func(r ref, id string) int { return strings.Compare(r.id, id) })
	for _, part := range [][]ref{o.unread[begin:], o.unread[:begin]} {
		for _, r := range part {
			if len(still) == len(asked) {
				return still
			}
			if least <= r.id && r.id <= most && asked[r.id] {
				still[r.id] = true
			}
		}
	}
	return still
}
