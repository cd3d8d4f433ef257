package admission

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/sessions/text"
)

// Bounds of turning somebody away.
const (
	refuseWithin = 2 * time.Second
	refuseReads  = 32 << 10 // what clients send unasked is a banner and a KEXINIT: 2 KiB
	refuseWords  = 400      // bytes; what OpenSSH shows of them
	maxLeaving   = 100      // at the same time
)

// Reasons of a disconnect, which clients show beside the words: RFC 4250, 4.2.2.
const (
	hostNotAllowed     = 1
	tooManyConnections = 12
)

// TurnAway tells an ssh client that has seen nothing yet why it cannot come in, and
// closes the connection. version is the server's identification without line end,
// such as "SSH-2.0-whoelse". Before keys are exchanged packets are plain, so the
// words need no handshake: the client shows them as the reason of a disconnect.
//
// When many are already being told, it only closes the connection. An attack then costs
// its victims' words, not our file descriptors. It may be called concurrently and returns
// within two seconds, whatever the other side does; closing conn ends it sooner.
func (c *Controller) TurnAway(conn net.Conn, version string, why error) {
	defer conn.Close()
	defer c.leaving.Add(-1)
	if c.leaving.Add(1) > maxLeaving {
		return
	}
	// Not a deadline: connections exist, around the real one, that ignore them.
	late := time.AfterFunc(refuseWithin, func() { conn.Close() })
	defer late.Stop()
	reason := uint32(tooManyConnections)
	if r, ok := errors.AsType[*Refusal](why); ok && (r.Why == Banned || r.Why == Penalised) {
		reason = hostNotAllowed
	}
	if _, err := conn.Write(append([]byte(version+"\r\n"), disconnect(reason, why.Error())...)); err != nil {
		return
	}
	// What the client still sends is read until it hangs up. To close with unread bytes
	// resets the connection, and many systems throw the words away with it before the
	// client has seen them.
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() != nil {
		return
	}
	io.CopyN(io.Discard, conn, refuseReads) // any end will do
}

// disconnect is a whole SSH_MSG_DISCONNECT packet, not encrypted: RFC 4253, 6 and 11.1. It
// is padded to whole blocks, and the padding, which hides nothing here, stays zero.
func disconnect(reason uint32, words string) []byte {
	const head, block, least = 5, 8, 4
	words = text.CleanLine(words)
	words = strings.ToValidUTF8(words[:min(len(words), refuseWords)], "") // cut between characters
	payload := gossh.Marshal(struct {
		Reason          uint32 `sshtype:"1"`
		Words, Language string
	}{reason, words, ""})
	padding := least + block - 1 - (head+len(payload)+least+block-1)%block
	packet := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+padding))
	packet = append(append(packet, byte(padding)), payload...)
	return append(packet, make([]byte, padding)...)
}
