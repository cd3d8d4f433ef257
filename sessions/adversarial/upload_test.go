package adversarial

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"whoelse/room/attachments"
)

// uploads returns how many files there are, complete or not.
func (r *rig) uploads() (files int) {
	r.Helper()
	r.must(filepath.WalkDir(filepath.Join(r.dir, "attachments"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files++
		}
		return nil // or it is gone meanwhile
	}))
	return files
}

// Many send files without end, or begin one and go no further: they get few places, hold no more
// than the limit each, and leave nothing.
func TestUploadsWithoutEnd(t *testing.T) {
	while(t, options{}, func(r *rig) {
		var all []*client
		for i := range many(200) {
			c := r.connect(visit{user: "mallory", key: "mallory", command: "paste carol"})
			if i%2 == 0 {
				c.ch.Write([]byte("the beginning of a file")) // or it was refused
			}
			all = append(all, c)
		}
		eventually(t, "they do not have their places", func() bool { return r.visits("mallory") == attachments.MaxSendersEach })
		for _, c := range all {
			c.Close()
		}
		eventually(t, "some go on", func() bool { return r.visits("mallory") == 0 })
		for range 4 {
			c := r.connect(visit{user: "mallory", key: "mallory", command: "paste carol"})
			chunk := make([]byte, 32<<10)
			for range 200 {
				if _, err := c.ch.Write(chunk); err != nil {
					break
				}
			}
			c.sees("the file is larger than 1.0 MB")
			c.leaves()
		}
		eventually(t, "something is left", func() bool { return r.uploads() == 0 })
	})
}

// The sftp server is sent nonsense, and requests without end whose answers nobody reads.
func TestNonsenseForSFTP(t *testing.T) {
	t.Parallel()
	along(t, options{}, func(r *rig) {
		open := func() *client {
			c := r.channel("mallory")
			c.must("subsystem", text{"sftp"})
			return c
		}
		packet := func(kind byte, body string) string {
			return string(binary.BigEndian.AppendUint32(nil, uint32(1+len(body)))) + string(kind) + body
		}
		for _, nonsense := range []string{
			strings.Repeat("x", 1000), "\xff\xff\xff\xff", "\x00\x00\x00\x00", packet(250, ""), packet(3, "\x00\x00"), packet(1, "\x00\x00\x00\x03") + packet(200, "\xff\xff\xff\xff\xff\xff\xff\xff"),
		} {
			c := open()
			fmt.Fprint(c.ch, nonsense)
			c.ch.CloseWrite()
			c.Close()
		}
		var unread []*client
		stat := packet(17, "\x00\x00\x00\x01\x00\x00\x00\x01/")
		for range 3 {
			c := open()
			c.ch.Write([]byte(packet(1, "\x00\x00\x00\x03") + strings.Repeat(stat, 20_000)))
			unread = append(unread, c)
		}
		for _, c := range unread {
			c.Close()
		}
		eventually(t, "some go on", func() bool { return r.visits("mallory") == 0 })
	})
}
