package adversarial

import (
	"fmt"
	"strings"
	"testing"

	"whoelse/sessions/internal/rawssh"
)

// What clients say of their terminal and their environment is kept as long as they are
// connected, so there is little of it, whatever they send.
func TestLongTerminalAndEnvironment(t *testing.T) {
	while(t, options{}, func(r *rig) {
		before := now()
		const sessions = 4 * 10
		for range sessions / 4 {
			c := r.raw("mallory")
			for id := range uint32(4) {
				c.Write(rawssh.Opening("session", id, 1<<20, 1<<15, nil))
			}
			answers(c, 4, rawssh.ChannelOpened)
			for id := range uint32(4) {
				size := make([]byte, 16)
				for _, term := range []string{strings.Repeat("x", 250<<10), "xterm"} {
					c.Write(rawssh.Request(id, "pty-req", false, rawssh.Str(append(rawssh.Str(nil, term), size...), "")))
				}
				for i := range 50 {
					value := strings.Repeat("x", 4000)
					c.Write(rawssh.Request(id, "env", false, rawssh.Str(rawssh.Str(nil, fmt.Sprint("LC_", i)), value)))
				}
				c.Write(rawssh.Request(id, "shell", true, nil))
				answers(c, 1, rawssh.ChannelSuccess)
			}
		}
		costs(t, before, 20*sessions, sessions*256<<10)
	})
}
