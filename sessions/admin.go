package sessions

import (
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// Keyring is what people do about their own keys. Its methods may be called
// concurrently. An error that wraps room.ErrStorage is the disk's and goes to the
// log; any other is in words for the person.
type Keyring interface {
	// Keys lists the keys that hold nick.
	Keys(nick string) []Key
	// AddKeys reads public keys as people paste them and binds them to nick,
	// durably. own is the key that the person came with: what limits it limits the
	// new ones.
	AddKeys(nick string, own gossh.PublicKey, pasted string) ([]Key, error)
	// RemoveKey takes nick's key away, but never the last one.
	RemoveKey(nick, fingerprint string) error
	// Leave takes all keys of nick away, durably: it is nobody's any more.
	Leave(nick string) error
	// KeyUsed notes that a session begins with key. It must not block.
	KeyUsed(key gossh.PublicKey)
}

// Key is one of a person's keys. All text in it is safe to show.
type Key struct {
	Fingerprint string
	Type        string
	Added       time.Time // the day; zero where nothing tells it
	Used        time.Time // zero where not known
	Expires     time.Time // zero is never
	From        string    // the addresses it is good for; "" is all
	Off         string    // why it lets nobody in; "" where it does
}

// Warden is what operators ask for. Errors are as Keyring's, and its methods may be
// called concurrently.
type Warden interface {
	Inviter
	Bans
	Mutes
	Audit
}

// Inviter lets new people in.
type Inviter interface {
	// Invite makes a one-time code with which somebody enrols a key as nick, which
	// nobody may hold yet.
	Invite(nick, by string, lasts time.Duration) (code string, err error)
}

// Bans keeps who may not come in.
type Bans interface {
	// Aim reads what a ban is to be about.
	Aim(what string) (Aim, error)
	// Ban keeps them out, for good if lasts is 0.
	Ban(target, by, reason string, lasts time.Duration) error
	// Unban ends the ban of exactly this target.
	Unban(target string) error
	// Bans lists them, oldest first.
	Bans() []Ban
}

// Aim is what a ban is about.
type Aim struct {
	Target    string // as Ban takes it
	Covers    func(Person) bool
	Operators []string // who hold keys as operators that it covers, here or not
}

// Ban is one in force. All text in it is safe to show.
type Ban struct {
	Target, By, Reason string
	Made, Until        time.Time // Until is zero where it is for good
}

// Mutes keeps who may not speak. Muted is asked for every line and answers from memory.
type Mutes interface {
	// Mute silences nick, until unmuted if lasts is 0.
	Mute(nick, by string, lasts time.Duration) (Mute, error)
	// Unmute reports whether nick was muted.
	Unmute(nick string) (bool, error)
	Muted(nick string) (Mute, bool)
}

// Mute is one in force.
type Mute struct {
	By    string
	Until time.Time // zero is for good
}

// Audit remembers what operators did.
type Audit interface {
	// Record puts an action on record, durably.
	Record(Action) error
}

// Action is what an operator did, or, with Failed, could not do.
type Action struct {
	Who, What, Whom, Why string
	For                  time.Duration // 0 where it has no end
	Failed               string
}
