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
		r.rooms[info.Name] = r.newChatroom(info)
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
	info := RoomInfo{Name: name, ID: id, Made: now, MadeBy: nick, Used: now, Owners: []string{nick}}
	if err := r.options.Rooms.Store.Save(info); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rooms[name] == nil { // else Apply has made it
		r.rooms[name] = r.newChatroom(info)
	}
	return r.rooms[name], nil
}

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

// saveRoom changes a room to info, on disk first, and removes people who may no longer be in it.
// r.setting is held.
func (r *Room) saveRoom(info RoomInfo) error {
	if info.Unusable { // another server has closed it just now
		return ErrNoRoom
	}
	info.Aside = false // that was an earlier change
	states := r.ownStates()
	if err := r.options.Rooms.Store.Save(info); err != nil {
		return err
	}
	r.installSaved(info, states)
	return nil
}

// installSaved is install, unless that was done by Apply, and perhaps more: states is ownStates from
// before info was saved.
func (r *Room) installSaved(info RoomInfo, states int) {
	r.mu.Lock()
	if c := r.rooms[info.Name]; c != nil && r.states != states {
		info = c.RoomInfo
	}
	r.mu.Unlock()
	r.install(info)
}

// install makes info what a room is, and tells new owners. When it returns, nothing more is said by those
// who may not.
func (r *Room) install(info RoomInfo) {
	r.speaking.Lock()
	defer r.speaking.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.rooms[info.Name]; c != nil && c.ID == info.ID { // else another server has closed it
		r.become(c, info)
	}
}

// become updates c to info, and tells new owners who are here. r.mu is held.
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
		if p := r.people.here[nick]; p != nil && !slices.Contains(before, nick) {
			p.put(&Update{Presence: &Change{Room: info.Name, Owner: true}})
		}
	}
}

// changeRoom changes a room as one of its owners.
func (s *Member) changeRoom(name string, change func(*RoomInfo) error) error {
	r := s.room
	r.setting.Lock()
	defer r.setting.Unlock()
	return r.despiteOthers(func() error {
		info, err := s.owned(name)
		if err == nil {
			err = change(&info)
		}
		if err != nil {
			return err
		}
		return r.saveRoom(info)
	})
}

// owned returns what a room is that the person owns.
func (s *Member) owned(name string) (RoomInfo, error) {
	if err := s.room.newestRooms(); err != nil {
		return RoomInfo{}, err
	}
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	c, may := s.room.lookup(name, s.nick)
	switch {
	case !may.See:
		return RoomInfo{}, may.Why
	case name == Lobby:
		return RoomInfo{}, ErrLobby
	case !may.Own:
		return RoomInfo{}, ErrNotOwner
	}
	return c.RoomInfo, nil
}

// MayChange returns the reason why the person may not change a room as its owner, nil if they may.
func (s *Member) MayChange(name string) error {
	_, err := s.owned(name)
	return err
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
	s.room.setting.Lock()
	defer s.room.setting.Unlock()
	return s.room.despiteOthers(func() error { return s.setPrivate(name, private) })
}

func (s *Member) setPrivate(name string, private bool) error {
	r := s.room
	info, err := s.owned(name)
	if err != nil || info.Private == private {
		return err
	}
	if private {
		r.mu.Lock()
		c, _ := r.lookup(name, s.nick)
		if c == nil { // another server has closed it just now
			r.mu.Unlock()
			return ErrNoRoom
		}
		for _, p := range r.longest(c) {
			if !slices.Contains(info.Owners, p) && len(info.Members) < maxListed {
				info.Members = append(slices.Clip(info.Members), p)
			}
		}
		r.mu.Unlock()
		info.Private = true
		return r.saveRoom(info)
	}
	if r.made[s.nick] >= MaxMade { // each sets a file aside that nothing removes
		return ErrMadeMost
	}
	err = r.publicAgain(info, s.nick)
	if !errors.Is(err, ErrBackup) { // then nothing is set aside
		r.made[s.nick]++
	}
	return err
}

// publicAgain makes a private room public. Nobody can write in it from before its history is set aside until
// it is public. r.setting is held.
func (r *Room) publicAgain(info RoomInfo, by string) error {
	r.mu.Lock()
	c := r.rooms[info.Name]
	r.mu.Unlock()
	if c == nil { // another server has closed it just now
		return ErrNoRoom
	}
	c.speech.Lock()
	defer c.speech.Unlock()
	states := r.ownStates()
	err := r.retireHistory(info.Name, by)
	if err == nil {
		info.Private, info.Members, info.Topic = false, nil, ""
		info.Aside = r.peers != nil // also lines that other servers appended meanwhile
		err = r.options.Rooms.Store.Save(info)
	}
	if err == nil && r.peers != nil { // and before they knew
		err = r.retireHistory(info.Name, by)
	}
	if err != nil {
		return err
	}
	r.installSaved(info, states)
	return nil
}

// CloseRoom ends a room for all, and sets it and what was said in it aside. It does not ask whether by may:
// it is for operators. Errors are ErrNoRoom and ErrLobby, or wrap [ErrStorage].
func (r *Room) CloseRoom(name, by string) error {
	r.setting.Lock()
	defer r.setting.Unlock()
	return r.despiteOthers(func() error { return r.closeRoom(name, by) })
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
	if err != nil {
		return err
	}
	gone := r.infoOf(c)
	gone.Unusable = true
	r.install(gone)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rooms[name] == c {
		delete(r.rooms, name)
	}
	return nil
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

// AddOwner makes nick an owner of a room, too. Guests can't be: ErrNotAllowed. It may be ErrListFull.
func (s *Member) AddOwner(name, nick string) error {
	registered := !isGuest(nick) && s.room.directory.Registered(nick) // which is not asked with a lock held
	return s.changeRoom(name, func(i *RoomInfo) (err error) {
		if !registered {
			return ErrNotAllowed
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
	if err := r.newestRooms(); err != nil {
		return err
	}
	info := r.infoOf(c)
	if info.Unusable { // another server has closed it: nobody is left
		return nil
	}
	owned := slices.Contains(info.Owners, nick)
	info.Owners = dropped(info.Owners, nick)
	if gone {
		info.Members, info.Muted, info.Removed = dropped(info.Members, nick), dropped(info.Muted, nick), dropped(info.Removed, nick)
	}
	if owned && len(info.Owners) == 0 {
		r.mu.Lock()
		heirs := r.longest(c)
		r.mu.Unlock()
		if info.Private {
			heirs = slices.DeleteFunc(slices.Clone(info.Members), r.directory.Free)
		}
		switch {
		case len(heirs) > 0:
			info.Owners, info.Members = heirs[:1:1], dropped(info.Members, heirs[0])
		case info.Private:
			return r.closeRoom(info.Name, nick)
		}
	}
	if info.Private && !gone {
		info.Members, _ = added(info.Members, nick) // in a full list nick is no member
	}
	return r.saveRoom(info)
}

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
		if err := r.despiteOthers(func() error { return r.handOn(c, nick, true) }); err != nil {
			return err
		}
	}
	return nil
}

// disown hands a room on, if nick owns it. r.setting is held.
func (r *Room) disown(c *chatroom, nick string) error {
	if info := r.infoOf(c); info.Unusable || !slices.Contains(info.Owners, nick) {
		return nil
	}
	return r.handOn(c, nick, false)
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
			_ = r.despiteOthers(func() error {
				info := r.infoOf(c)
				info.Used = used.UTC().Truncate(time.Second)
				return r.saveRoom(info)
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
