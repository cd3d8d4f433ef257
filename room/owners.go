package room

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"
)

// RoomOptions are the settings of rooms beside the lobby.
type RoomOptions struct {
	Store Rooms
	// Idle is after how long without anybody in it a room is closed; 0: never.
	Idle time.Duration
	// Skeleton maps names that read the same to the same string.
	Skeleton func(name string) string
	// Retiring calls a function that sets a history aside; during a backup it returns ErrBackup instead.
	Retiring func(func() error) error
}

// openRooms loads the rooms.
func (r *Room) openRooms() error {
	infos, err := r.options.Rooms.Store.Load()
	for _, info := range infos {
		r.rooms[info.Name] = newChatroom(info)
		if time.Since(info.Made) < day {
			r.made[info.MadeBy]++
		}
	}
	return err
}

const day = 24 * time.Hour

// make makes the room called name. r.setting is held.
func (r *Room) make(name, nick string, mayMake bool) (*chatroom, error) {
	if !mayMake || isGuest(nick) {
		return nil, ErrNoRoom
	}
	if r.made[nick] >= MaxMade { // also if there is such a room: see JoinRoom
		return nil, ErrMadeMost
	}
	r.made[nick]++
	if err := r.nameFree(name, nick); err != nil {
		return nil, err
	}
	last, err := Collect(r.histories.Tail("#"+name, 1, nil))
	if err == nil && len(last) > 0 { // of a room whose file was lost
		err = r.retireHistory(name, nick)
	}
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	r.mu.Lock()
	id := max(r.lastID, encodeID(1))
	r.mu.Unlock()
	err = r.keepInfo(name, func(info *RoomInfo) error {
		if info.ID != "" {
			return errMade
		}
		*info = RoomInfo{Name: name, ID: id, Made: now, MadeBy: nick, Used: now, Owners: []string{nick}}
		return nil
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.rooms[name]
	if err == nil && c == nil { // another server has closed it just now
		err = ErrNoRoom
	}
	return c, err
}

// errMade says that another server has just made the room.
var errMade = errors.New("the room exists")

// nameFree returns why there can be no room of this name for nick to make.
func (r *Room) nameFree(name, nick string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.rooms) > MaxRooms { // the lobby is none of them
		return ErrRoomsMost
	}
	like := r.options.Rooms.Skeleton(name)
	var hidden, alike error
	for other, c := range r.rooms {
		switch {
		case r.options.Rooms.Skeleton(other) != like:
		case c.access(nick).See:
			alike = &AlikeError{other}
		default:
			hidden = ErrNoRoom
		}
	}
	return cmp.Or(hidden, alike)
}

// retireHistory sets what was said in a room aside. That is an event in any case: the next room of this
// name has a greater ID than all that people have of this one, also after a restart. r.setting is held.
func (r *Room) retireHistory(name, by string) error {
	return r.options.Rooms.Retiring(func() error {
		return r.wait(&Event{Message: Message{Kind: KindRetired, From: by, Room: name}})
	})
}

// changeInfo changes what a room is, on disk first, and removes people who may no longer be in it. When it returns,
// nothing more is said by those who may not. The error is ErrNoRoom if another server has closed it. r.setting is held.
func (r *Room) changeInfo(c *chatroom, change func(*RoomInfo) error) error {
	is := r.infoOf(c)
	return r.keepInfo(is.Name, func(info *RoomInfo) error {
		if info.ID != is.ID || is.Unusable {
			return ErrNoRoom
		}
		info.Aside = false // that was an earlier change
		return change(info)
	})
}

// keepInfo is changeInfo for a room that need not exist.
func (r *Room) keepInfo(name string, change func(*RoomInfo) error) error {
	var after RoomInfo
	err := r.options.Rooms.Store.Change(name, func(info *RoomInfo) error {
		bad := change(info)
		after = *info
		return bad
	})
	if err == nil {
		r.changed(after, false)
	}
	return err
}

// changed notes that a room was changed to info, or closed. In a cluster Apply has done so.
func (r *Room) changed(info RoomInfo, closed bool) {
	r.speaking.Lock()
	defer r.speaking.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.peers == nil {
		r.adoptRoom(info, closed)
	}
}

// become updates c to info, and tells new owners who are here. A private room that somebody was invited to, and has not
// joined, may become theirs: they are not told of it by the server, since its name is another's words. r.mu is held.
func (r *Room) become(c *chatroom, info RoomInfo) {
	before := c.Owners
	if c.Private && !info.Private { // who was here is not for others, nor what was said
		c.left = nil
		if info.Aside {
			c.tally = tally{counting: c.counting}
		}
	}
	c.RoomInfo = info
	c.admit()
	for _, nick := range info.Owners {
		if p := r.people.here[nick]; p != nil && !slices.Contains(before, nick) && (!c.Private || c.here[nick] == p) {
			p.put(&Update{Presence: &Change{Room: info.Name, Owner: true}})
		}
	}
}

// changeRoom changes a room as one of its owners.
func (s *Member) changeRoom(name string, change func(*RoomInfo) error) error {
	s.room.setting.Lock()
	defer s.room.setting.Unlock()
	return s.changeOwned(name, change)
}

// changeOwned is changeRoom with r.setting held.
func (s *Member) changeOwned(name string, change func(*RoomInfo) error) error {
	c, err := s.owned(name)
	if err != nil {
		return err
	}
	return s.room.changeInfo(c, func(info *RoomInfo) error {
		if err := info.mayChange(s.nick); err != nil { // since it was asked, on another server
			return err
		}
		return change(info)
	})
}

// owned returns a room that the person may change.
func (s *Member) owned(name string) (*chatroom, error) {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	c := s.room.rooms[name]
	if c == nil {
		return nil, ErrNoRoom
	}
	return c, c.mayChange(s.nick)
}

// MayChange returns the reason why the person may not change a room as its owner, nil if they may.
func (s *Member) MayChange(name string) error {
	_, err := s.owned(name)
	return err
}

// IsPrivate reports whether a room is private. The error is that of MayChange.
func (s *Member) IsPrivate(name string) (bool, error) {
	c, err := s.owned(name)
	if err != nil {
		return false, err
	}
	return s.room.infoOf(c).Private, nil
}

// SetTopic sets what a room is about. This and the following are for its owners, and durable when they
// return nil. Errors are ErrNoRoom, ErrNotOwner, ErrLobby and those that are named, or wrap ErrStorage.
// Topics are cleaned, nicks canonical.
func (s *Member) SetTopic(name, topic string) error {
	return s.changeRoom(name, func(i *RoomInfo) error { i.Topic = topic; return nil })
}

// GuestsIn lets guests join a room, or keeps them out. A private room takes none: ErrNotAllowed.
func (s *Member) GuestsIn(name string, allowed bool) error {
	return s.changeRoom(name, func(i *RoomInfo) error {
		if i.Private {
			return ErrNotAllowed
		}
		i.NoGuests = !allowed
		return nil
	})
}

// SetPrivate makes a room private: those with a key who are in it and online are its members, others have
// to be invited. A room that is not private any more begins without a topic and what was said before,
// and counts as one made: ErrMadeMost.
func (s *Member) SetPrivate(name string, private bool) error {
	r := s.room
	r.setting.Lock()
	defer r.setting.Unlock()
	c, err := s.owned(name)
	if err != nil || r.infoOf(c).Private == private {
		return err
	}
	if private {
		r.mu.Lock()
		here := r.longest(c)
		r.mu.Unlock()
		return s.changeOwned(name, func(info *RoomInfo) error {
			for _, nick := range here {
				if !slices.Contains(info.Owners, nick) {
					info.Members, _ = added(info.Members, nick)
				}
			}
			info.Private = true
			return nil
		})
	}
	if r.made[s.nick] >= MaxMade { // each sets a file aside that nothing removes
		return ErrMadeMost
	}
	err = s.publicAgain(c, name)
	if !errors.Is(err, ErrBackup) { // then nothing is set aside
		r.made[s.nick]++
	}
	return err
}

// publicAgain makes a private room public. Nobody can write in it from before its history is set aside until
// it is public. r.setting is held.
func (s *Member) publicAgain(c *chatroom, name string) error {
	r := s.room
	c.speech.Lock()
	defer c.speech.Unlock()
	err := r.retireHistory(name, s.nick)
	if err == nil {
		err = s.changeOwned(name, func(info *RoomInfo) error {
			info.Private, info.Members, info.Topic = false, nil, ""
			info.Aside = r.peers != nil // also lines that other servers of a cluster appended meanwhile
			return nil
		})
	}
	if err == nil && r.peers != nil { // and before they knew
		err = r.retireHistory(name, s.nick)
	}
	return err
}

// CloseRoom ends a room for all, and sets it and what was said in it aside. It does not ask whether by may:
// it is for operators. Errors are ErrNoRoom and ErrLobby, or wrap [ErrStorage].
func (r *Room) CloseRoom(name, by string) error {
	r.setting.Lock()
	defer r.setting.Unlock()
	return r.closeRoom(name, by)
}

// closeRoom is CloseRoom with r.setting held.
func (r *Room) closeRoom(name, by string) error {
	if name == Lobby {
		return ErrLobby
	}
	r.mu.Lock()
	c := r.rooms[name]
	r.mu.Unlock()
	if c == nil || r.infoOf(c).Unusable {
		return ErrNoRoom
	}
	c.speech.Lock()
	defer c.speech.Unlock()
	err := r.retireHistory(name, by)
	if err == nil {
		err = r.options.Rooms.Store.Close(name, time.Now())
	}
	if err == nil {
		r.changed(RoomInfo{Name: name, Unusable: true}, true)
	}
	return err
}

// AllRooms returns all rooms but the lobby, by name, for operators: of private ones neither topic nor who is
// in it.
func (r *Room) AllRooms() []RoomSummary {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []RoomSummary
	for _, c := range r.rooms {
		if c.Name == Lobby {
			continue
		}
		s := RoomSummary{Name: c.Name, Topic: c.Topic, Owners: c.Owners, People: len(c.here), Private: c.Private}
		if c.Private {
			s.Topic = ""
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b RoomSummary) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Invite lets nick join a private room, and a public one from which nick was removed. Guests can't be
// invited to a private room, since anybody may have their names: ErrNotAllowed. It may be ErrListFull.
func (s *Member) Invite(name, nick string) error {
	return s.changeRoom(name, func(i *RoomInfo) (err error) {
		i.Removed = dropped(i.Removed, nick)
		switch {
		case !i.Private || slices.Contains(i.Owners, nick):
		case isGuest(nick):
			return ErrNotAllowed
		default:
			i.Members, err = added(i.Members, nick)
		}
		return err
	})
}

// Remove ends that nick is in a room, or may join it, until Invite. Owners can't be removed: ErrNotAllowed.
// It may be ErrListFull.
func (s *Member) Remove(name, nick string) error {
	err := s.changeRoom(name, func(i *RoomInfo) (err error) {
		switch {
		case slices.Contains(i.Owners, nick):
			return ErrNotAllowed
		case i.Private:
			i.Members = dropped(i.Members, nick)
		default:
			i.Removed, err = added(i.Removed, nick)
		}
		return err
	})
	if err != nil {
		return err
	}
	// Else nick, when invited again, is in it at once: no reason to fail.
	_ = (&Member{room: s.room, nick: nick}).set(func(p *Preferences) error {
		p.Rooms = slices.DeleteFunc(slices.Clone(p.Rooms), func(j Joined) bool { return j.Room == name })
		return nil
	})
	return nil
}

// MuteIn keeps nick from speaking in a room, or ends that. Owners can't be muted: ErrNotAllowed. It may be
// ErrListFull.
func (s *Member) MuteIn(name, nick string, muted bool) error {
	return s.changeRoom(name, func(i *RoomInfo) (err error) {
		switch {
		case !muted:
			i.Muted = dropped(i.Muted, nick)
		case slices.Contains(i.Owners, nick):
			return ErrNotAllowed
		default:
			i.Muted, err = added(i.Muted, nick)
		}
		return err
	})
}

// AddOwner makes nick, who has joined a room and does not block the person, an owner of it, too: the server tells new owners,
// with the room's name, which somebody else has chosen. Else it is ErrMayNotOwn. Guests can't be owners: ErrNotAllowed. It may be
// ErrListFull.
func (s *Member) AddOwner(name, nick string) error {
	r := s.room
	registered := !isGuest(nick) && r.directory.Registered(nick) // which is not asked with a lock held
	r.setting.Lock()
	defer r.setting.Unlock()
	c, err := s.owned(name)
	if err != nil {
		return err
	}
	theirs, err := r.preferences(nick)
	if err != nil {
		return err
	}
	r.mu.Lock()
	joined := theirs.joined(c).Room != "" && c.access(nick).Read
	r.mu.Unlock()
	return s.changeOwned(name, func(i *RoomInfo) (err error) {
		switch {
		case !registered:
			return ErrNotAllowed
		case !joined || theirs.blocks(s.nick):
			return ErrMayNotOwn
		}
		i.Muted, i.Removed, i.Members = dropped(i.Muted, nick), dropped(i.Removed, nick), dropped(i.Members, nick)
		i.Owners, err = added(i.Owners, nick)
		return err
	})
}

// handOn removes nick from the owners of a room. In a private room it becomes a member, unless it is gone: a nick without
// a holder is in no list of the room. If no owner is left, the next one is the first member of a private room, or the
// person in a public room who has been online longest. A public room may have no owner until somebody joins it. A private
// one that nobody could ever join again is closed. r.setting is held.
func (r *Room) handOn(c *chatroom, nick string, gone bool) error {
	r.mu.Lock()
	here := r.longest(c)
	r.mu.Unlock()
	err := r.changeInfo(c, func(info *RoomInfo) error {
		owned := slices.Contains(info.Owners, nick)
		info.Owners = dropped(info.Owners, nick)
		if gone {
			info.Members, info.Muted, info.Removed = dropped(info.Members, nick), dropped(info.Muted, nick), dropped(info.Removed, nick)
		}
		if owned && len(info.Owners) == 0 {
			heirs := here
			if info.Private {
				heirs = slices.DeleteFunc(slices.Clone(info.Members), r.directory.Free)
			}
			if len(heirs) > 0 {
				info.Owners, info.Members = heirs[:1:1], dropped(info.Members, heirs[0])
			} else if info.Private {
				return errNobody
			}
		}
		if info.Private && !gone {
			info.Members, _ = added(info.Members, nick) // in a full list nick is no member
		}
		return nil
	})
	if errors.Is(err, errNobody) {
		err = r.closeRoom(r.infoOf(c).Name, nick)
	}
	if errors.Is(err, ErrNoRoom) { // nobody is left
		return nil
	}
	return err
}

// errNobody says that nobody could ever join a private room.
var errNobody = errors.New("nobody is left for the room")

// HasRoom reports whether nick is named in a room's lists. Somebody else with that nick could read a
// private room, so a nick is not free before [Room.LeaveRooms].
func (r *Room) HasRoom(nick string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.rooms {
		if slices.Contains(c.Owners, nick) || slices.Contains(c.Members, nick) {
			return true
		}
	}
	return false
}

// NicksInRooms returns all nicks for which HasRoom reports true.
func (r *Room) NicksInRooms() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	nicks := map[string]bool{}
	for _, c := range r.rooms {
		for _, nick := range slices.Concat(c.Owners, c.Members) {
			nicks[nick] = true
		}
	}
	return nicks
}

// LeaveRooms takes nick, which has no holder any more, out of the lists of all rooms; those that it owns
// alone are handed on. Errors wrap [ErrStorage], or are those of RoomOptions.Retiring.
func (r *Room) LeaveRooms(nick string) error {
	r.setting.Lock()
	defer r.setting.Unlock()
	r.mu.Lock()
	delete(r.people.unsaved, nick) // else it would be saved as the next holder's
	r.mu.Unlock()
	for _, c := range r.roomsOf(func(c *chatroom) bool {
		return slices.Contains(slices.Concat(c.Owners, c.Members, c.Muted, c.Removed), nick)
	}) {
		if err := r.handOn(c, nick, true); err != nil {
			return err
		}
	}
	return nil
}

// infoOf returns a room's information.
func (r *Room) infoOf(c *chatroom) RoomInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	return c.RoomInfo
}

// roomsOf returns the rooms, but for the lobby, for which is reports true, by name. r.setting is held.
func (r *Room) roomsOf(is func(*chatroom) bool) (found []*chatroom) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.rooms {
		if c.Name != Lobby && !c.Unusable && is(c) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b *chatroom) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// tendMost is how many rooms, and read marks of people who are here, are saved at a time.
const tendMost = 20

// tendRooms notes which rooms are used, to the day, and closes those that nobody came to for too long.
// A failure is tried again. In a cluster, only the leading server closes them.
func (r *Room) tendRooms(now time.Time, leads bool) {
	r.setting.Lock()
	defer r.setting.Unlock()
	if now.Sub(r.madeSince) >= day {
		r.madeSince = now
		clear(r.made)
	}
	saved := 0
	for _, c := range r.roomsOf(func(*chatroom) bool { return true }) {
		info := r.infoOf(c)
		r.mu.Lock()
		empty, closed := len(c.here) == 0, r.closed
		if !empty {
			c.visited = now
		}
		used := info.Used
		if c.visited.After(used) {
			used = c.visited
		}
		r.mu.Unlock()
		switch {
		case closed:
			return
		case empty && r.options.Rooms.Idle > 0 && now.Sub(used) > r.options.Rooms.Idle:
			if leads {
				_ = r.closeRoom(info.Name, info.MadeBy)
			}
		case leads && used.Sub(info.Used) >= day && saved < tendMost:
			saved++
			_ = r.changeInfo(c, func(info *RoomInfo) error {
				info.Used = used.UTC().Truncate(time.Second)
				return nil
			})
		}
	}
}

// longest returns the nicks with a key that are in c, the longest online first. r.mu is held.
func (r *Room) longest(c *chatroom) (nicks []string) {
	for nick := range c.here {
		if !isGuest(nick) {
			nicks = append(nicks, nick)
		}
	}
	slices.SortFunc(nicks, func(a, b string) int {
		return cmp.Or(c.here[a].since.Compare(c.here[b].since), cmp.Compare(a, b))
	})
	return nicks
}
