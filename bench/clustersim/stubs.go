package clustersim

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/room"
)

// nowhere is the log, the histories and the directory of a room where nothing is said.
type nowhere struct{ room.Histories }

func (nowhere) Append(*room.Event, func(error)) {}
func (nowhere) LastID() string                  { return "" }
func (nowhere) Registered(string) bool          { return true }
func (nowhere) Free(string) bool                { return false }
func (nowhere) Bot(string) bool                 { return false }

func (nowhere) Tail(string, int, func(*room.Message) (bool, error)) iter.Seq2[*room.Message, error] {
	return func(func(*room.Message, error) bool) {}
}

// noRooms are the rooms where there is only the lobby.
type noRooms struct{ room.Rooms }

func (noRooms) Load() ([]room.RoomInfo, error) { return nil, nil }

// copied is a log that is nowhere.
type copied struct{ last uint64 }

func (c *copied) Commit(entries []room.Entry) error {
	c.last = entries[len(entries)-1].Seq
	return nil
}
func (c *copied) Last() uint64   { return c.last }
func (c *copied) LastID() string { return "" }

// newKey makes the key with the number n, and its line.
func newKey(n int) (keys.PublicKey, string) {
	seed := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	key, err := gossh.NewPublicKey(ed25519.PublicKey(seed[:])) // nobody has to sign with it
	if err != nil {
		panic(err)
	}
	return key, strings.TrimSpace(string(gossh.MarshalAuthorizedKey(key)))
}
