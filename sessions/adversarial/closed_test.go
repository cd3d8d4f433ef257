package adversarial

import (
	"strings"
	"testing"

	"whoelse/sessions/internal/rawssh"
)

// A message that comes to a session which its client has closed by then is not told to
// be delivered, though the client answers for the sake of another channel. One that the
// server closes, because somebody quits, has shown what came before that.
func TestMessageToAClosedSession(t *testing.T) {
	ends := map[string]struct {
		send [][]byte
		want string
	}{
		"open":   {nil, "delivered to mallory"},
		"closed": {[][]byte{{rawssh.ChannelClose, 0, 0, 0, 0}}, "kept for mallory"},
		"quit":   {[][]byte{rawssh.Str([]byte{rawssh.ChannelData, 0, 0, 0, 0}, "quit\n")}, "delivered to mallory"},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			along(t, options{}, func(r *rig) {
				carol := r.connect(visit{user: "carol", key: "carol"})
				c := r.raw("mallory")
				for id := range uint32(2) {
					c.Write(rawssh.Opening("session", id, 1<<20, 1<<15, nil))
				}
				answers(c, 2, rawssh.ChannelOpened)
				c.Write(rawssh.Request(0, "shell", true, nil))
				answers(c, 1, rawssh.ChannelSuccess)
				carol.sees("mallory joined")
				carol.types("send mallory a secret\n")
				said, err := c.Asked()
				if r.must(err); !strings.Contains(said, "a secret") {
					t.Fatalf("mallory is shown %q", said)
				}
				for _, p := range end.send {
					c.Write(p)
				}
				if name == "quit" {
					answers(c, 1, rawssh.ChannelClose)
				}
				c.Write([]byte{rawssh.RequestSuccess})
				carol.sees(end.want)
			})
		})
	}
}
