package history

import (
	"fmt"

	"whoelse/room"
)

// Waiting implements [room.Archive]: from memory, when owner's history was used
// lately. Errors wrap [room.ErrStorage].
func (s *Store) Waiting(owner string) (int, error) {
	if s.isClosed() {
		return 0, fmt.Errorf("%w: %w", room.ErrStorage, errClosed)
	}
	it, err := s.owner(owner)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", room.ErrStorage, err)
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
