package adversarial

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"whoelse/room"
	"whoelse/sessions/internal/rawssh"
)

// owns has mallory come, and own the private room with its host.
func (r *rig) owns() *client {
	r.Helper()
	c := r.connect(visit{user: "mallory", key: "mallory"})
	r.must(r.room.Visit(room.Identity{Nick: host}).AddOwner("den", "mallory"))
	return c
}

// Whatever is said in a private room, and set as its topic, is text to those in it, and nothing to others.
func TestHostileTextInAPrivateRoom(t *testing.T) {
	t.Parallel()
	along(t, options{den: true}, func(r *rig) {
		a, c := r.audience(), r.owns()
		frank := r.connect(visit{user: "frank"})
		for _, s := range some(t, 5) {
			s = strings.ReplaceAll(s, "\n", "\r")
			c.types("/in #den denmark " + s + "\n/topic " + s + "\n/me " + s + "\n")
		}
		c.types("#den the end\n")
		a.sees("#den mallory: the end")
		a[1].types("/rooms\n/topic #den\n/history #den 1000\n#den enough\n")
		a[1].sees("#den erin: enough")
		a.unharmed()
		c.clean("mallory")
		frank.types("/rooms\n/history 1000\nwhoelse\n/say all of it\n")
		frank.sees("~frank: all of it")
		if got := frank.received(); strings.Contains(got, "denmark") || strings.Contains(got, "#den") {
			t.Errorf("frank gets %q", got)
		}
	})
}

// Somebody in a private room who takes nothing of a flood in it is ended, and holds up nobody; what a flood
// may take is what it may in the lobby.
func TestFloodOfAPrivateRoom(t *testing.T) {
	while(t, options{den: true}, func(r *rig) {
		c := r.owns()
		stuck := r.raw("stuck")
		stuck.Session(1<<10, 1<<10)
		stuck.Write(rawssh.Request(0, "shell", false, nil))
		before := now()
		for i := range many(2_000) {
			c.types(fmt.Sprint("#den flood ", i, " ", strings.Repeat("x", 1000), "\n"))
		}
		c.types("/say over\n")
		c.sees("mallory: over")
		costs(t, before, 100, 96<<20)
	})
}

// An owner who changes the room without end, and has somebody in it, out of it, muted and not: each is on disk before
// the next one, in files that do not grow, and those who chat there are not held up.
func TestRoomChangedWithoutEnd(t *testing.T) {
	while(t, options{den: true}, func(r *rig) {
		c := r.owns()
		dora := r.connect(visit{user: "dora", key: "dora"})
		before := now()
		for i := range many(200) {
			c.types(fmt.Sprintf("/topic topic %d\n/room mute dora\n/room unmute dora\n/room remove dora\n/room guests on\n", i))
			c.types("/room invite dora\n/room owner dora\n/room owner nobody\n/mute #den\n/unmute #den\n")
			c.types("/leave #den\n/join #den\n/room private\n/room public\n/room private\n")
			dora.types("/leave #den\n/join #den\n/room owner mallory\n/leave #den\n/room invite mallory\n")
		}
		for _, one := range []*client{c, dora} {
			one.types("/broadcast over\n")
		}
		c.sees("mallory: over", "dora: over")
		dora.sees("mallory: over", "dora: over")
		costs(t, before, 100, 96<<20)
		files, err := filepath.Glob(filepath.Join(r.dir, "rooms", "*"))
		r.must(err)
		for _, file := range files {
			if n := size(file); n > 16<<10 {
				t.Errorf("%s has %d bytes", file, n)
			}
		}
	})
}

// haveRooms puts files of private rooms where the server finds them.
func (r *rig) haveRooms(n int) {
	r.Helper()
	dir := filepath.Join(r.dir, "rooms")
	r.must(os.Mkdir(dir, 0o700))
	info, err := json.Marshal(room.RoomInfo{ID: "00000000001", Owners: []string{"olga"}, Private: true})
	r.must(err)
	for i := range n {
		r.must(os.WriteFile(filepath.Join(dir, fmt.Sprintf("other-%d.json", i)), info, 0o600))
	}
}

// Many make as many private rooms as they may, leave some, which closes them, and try for more: there are as many rooms
// and files as the limits say.
func TestRoomsWithoutEnd(t *testing.T) {
	const free = 12
	while(t, options{rooms: room.MaxRooms - free}, func(r *rig) {
		crowd := max(5, many(25))
		var all []*client
		for i := range crowd {
			nick := fmt.Sprint("mallory", i)
			all = append(all, r.connect(visit{user: nick, key: nick}))
		}
		before := now()
		var busy sync.WaitGroup
		for i, c := range all {
			busy.Go(func() {
				for n := range room.MaxMade {
					name := fmt.Sprintf("#made-%d-%d", i, n)
					c.types("/join " + name + "\n/room " + name + " private\n")
				}
				last := fmt.Sprintf("#made-%d-%d", i, room.MaxMade-1)           // or this one could not be made
				c.types("/room " + last + " invite bob\n/leave " + last + "\n") // which closes it
				for n := range 20 {
					c.types(fmt.Sprintf("/join #more-%d-%d\n/join #made-0-1\n/join #mad3-0-1\n", i, n))
				}
				c.types("/broadcast over\n")
			})
		}
		busy.Wait()
		for i, c := range all {
			c.sees(fmt.Sprintf("mallory%d: over", i))
			if n := strings.Count(c.received(), "you made #"); n > room.MaxMade {
				t.Errorf("mallory%d has made %d rooms", i, n)
			}
		}
		entries, err := os.ReadDir(filepath.Join(r.dir, "rooms"))
		r.must(err)
		if n := len(r.room.AllRooms()); n > room.MaxRooms || n < room.MaxRooms-crowd {
			t.Errorf("there are %d rooms, and may be %d", n, room.MaxRooms)
		}
		if n, most := len(entries), room.MaxRooms+crowd*room.MaxMade; n > most { // with those that are set aside
			t.Errorf("there are %d files, and may be %d", n, most)
		}
		if !slices.ContainsFunc(all, func(c *client) bool { return strings.Contains(c.received(), "there are 1,000 rooms") }) {
			t.Error("nobody is told that there are as many as there may be")
		}
		costs(t, before, 100, 96<<20)
	})
}

// Somebody in as many rooms as one may be in, all of which are flooded, gets every line once; a second session of theirs
// that takes nothing changes nothing for the first.
func TestFloodOfManyRooms(t *testing.T) {
	onlyFull(t)
	while(t, options{}, func(r *rig) {
		var owners []*client
		for i := range room.MaxJoined {
			nick := fmt.Sprint("mallory", i/room.MaxMade)
			if i%room.MaxMade == 0 {
				owners = append(owners, r.connect(visit{user: nick, key: nick}))
			}
			c := owners[i/room.MaxMade]
			c.types(fmt.Sprintf("/join #many%d\n/room private\n", i))
			c.sees(fmt.Sprintf("#many%d is private", i))
		}
		dora := r.connect(visit{user: "dora", key: "dora"})
		for i := range room.MaxJoined {
			owner := r.room.Visit(room.Identity{Nick: fmt.Sprint("mallory", i/room.MaxMade)})
			r.must(owner.Invite(fmt.Sprint("many", i), "dora"))
			dora.types(fmt.Sprintf("/join #many%d\n", i))
		}
		dora.types("/join #one-more\n")
		dora.sees(fmt.Sprint("you are in #many", room.MaxJoined-1), "you are in 50 rooms already")
		stuck := r.raw("dora")
		stuck.Session(1<<10, 1<<10)
		stuck.Write(rawssh.Request(0, "shell", false, nil))
		eventually(t, "dora's other session does not begin", func() bool { return r.visits("dora") == 2 })
		before := now()
		const lines = 40
		for n := range lines {
			for i := range room.MaxJoined {
				owners[i/room.MaxMade].types(fmt.Sprintf("#many%d line %d %s\n", i, n, strings.Repeat("x", 1000)))
			}
		}
		for i := range room.MaxJoined {
			dora.sees(fmt.Sprintf("#many%d mallory%d: line %d ", i, i/room.MaxMade, lines-1))
		}
		if n := strings.Count(dora.received(), ": line "); n != lines*room.MaxJoined {
			t.Errorf("dora gets %d lines", n)
		}
		costs(t, before, 100, 48<<20)
	})
}
