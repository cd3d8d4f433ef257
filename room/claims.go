package room

import (
	"cmp"
	"iter"
)

// claims holds, for each recipient and message id, what is neither unread nor read
// at the moment: messages on their way to a screen, and those whose reading is
// being recorded. The value is the delivery that shows the message; nil while the
// archive works on it. Owned by Room.mu.
type claims map[string]map[string]*delivery

func (c claims) set(nick, id string, d *delivery) {
	if c[nick] == nil {
		c[nick] = map[string]*delivery{}
	}
	c[nick][id] = d
}

func (c claims) drop(nick, id string) {
	delete(c[nick], id)
	if len(c[nick]) == 0 {
		delete(c, nick)
	}
}

// free reports whether nick's message is read or unread, not in between. One that
// no session confirmed in time counts as unread, whoever shows it first.
func (c claims) free(nick, id string) bool {
	d, taken := c[nick][id]
	return !taken || d != nil && d.answered
}

// held reports whether d still has the claim on its message.
func (c claims) held(d *delivery) bool {
	have := c[d.nick][d.event.Message.ID]
	return have == d
}

// claim claims m for each of its recipients before it is handed to the archive, so
// that nobody finds it unread before it was tried to be shown.
func (r *Room) claim(m *Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, nick := range m.To {
		r.claims.set(nick, m.ID, nil)
	}
}

// claimFree claims those of nick's messages that are free.
func (r *Room) claimFree(nick string, messages []*Message) []*Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	var mine []*Message
	for _, m := range messages {
		if r.claims.free(nick, m.ID) {
			r.claims.set(nick, m.ID, nil)
			mine = append(mine, m)
		}
	}
	return mine
}

func (r *Room) release(nick string, messages ...*Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range messages {
		r.claims.drop(nick, m.ID)
	}
	if m := r.members[nick]; m != nil {
		m.released++
	}
}

// unread gives nick's unread messages and receipts but for those that are being
// shown.
func (r *Room) unread(nick string) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		for page, err := range paged(r.archive.Unread(nick), new(int)) {
			for _, m := range page.Messages {
				page.Searched += searchCost(m)
			}
			still, stillErr := r.stillUnread(nick, page.Messages)
			page.Messages = still
			if !yield(page, cmp.Or(err, stillErr)) || stillErr != nil {
				return
			}
		}
	}
}

// unreadTries bounds how often stillUnread asks the archive for one answer.
const unreadTries = 3

// stillUnread returns those of nick's messages that are unread now and not being
// shown. The archive is asked again when one was released meanwhile, because it may
// have been asked between the two looks; too many of these only show one twice.
func (r *Room) stillUnread(nick string, messages []*Message) ([]*Message, error) {
	ids := idsOf(messages)
	for try := 1; ; try++ {
		before := r.releases(nick)
		unread, err := r.archive.StillUnread(nick, ids)
		if err != nil {
			return nil, err
		}
		free, after := r.onlyFree(nick, messages, unread)
		if before == after || try == unreadTries {
			return free, nil
		}
	}
}

func (r *Room) releases(nick string) (n int) {
	r.withMember(nick, func(m *member) { n = m.released })
	return n
}

func (r *Room) onlyFree(nick string, messages []*Message, unread map[string]bool) (free []*Message, released int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range messages {
		if unread[m.ID] && r.claims.free(nick, m.ID) {
			free = append(free, m)
		}
	}
	if m := r.members[nick]; m != nil {
		released = m.released
	}
	return free, released
}
