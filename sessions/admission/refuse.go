package admission

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"
	"unicode/utf8"

	"whoelse/sessions/text"
)

// Bounds of turning somebody away.
const (
	refuseWithin = 2 * time.Second
	refuseReads  = 32 << 10 // what clients send unasked is a banner and a KEXINIT: 2 KiB
	refuseWords  = 400      // bytes; what OpenSSH shows of them
	maxLeaving   = 100      // at the same time
)

// Numbers of RFC 4253, 11.1, and RFC 4250, 4.2.2.
const (
	msgDisconnect      = 1
	hostNotAllowed     = 1
	tooManyConnections = 12
)

// TurnAway is [Refuse] for all of a controller: when many are already being told, it
// only closes the connection. An attack then costs its victims' words, not our
// file descriptors. It may be called concurrently and returns within two seconds.
func (d *Controller) TurnAway(conn net.Conn, version string, why error) {
	defer d.leaving.Add(-1)
	if d.leaving.Add(1) <= maxLeaving {
		Refuse(conn, version, why)
		return
	}
	conn.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stats.unspoken++
}

// Refuse tells an ssh client that has seen nothing yet why it cannot come in, and
// closes the connection. version is the server's identification without line end,
// such as "SSH-2.0-whoelse". Before keys are exchanged packets are plain, so the
// words need no handshake: the client shows them as the reason of a disconnect.
//
// It returns within two seconds, whatever the other side does; closing conn ends
// it sooner. Errors are not returned: there is nobody to be told.
func Refuse(conn net.Conn, version string, why error) {
	defer conn.Close()
	// Not a deadline: connections exist, around the real one, that ignore them.
	late := time.AfterFunc(refuseWithin, func() { conn.Close() })
	defer late.Stop()
	goodbye := append([]byte(version+"\r\n"), disconnect(code(why), why.Error())...)
	if _, err := conn.Write(goodbye); err != nil {
		return
	}
	linger(conn)
}

// linger reads what the client still sends, until it hangs up. To close with
// unread bytes resets the connection, and many systems throw the words away with
// it before the client has seen them.
func linger(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() != nil {
		return
	}
	io.CopyN(io.Discard, conn, refuseReads) // any end will do
}

// code is the reason that clients show, by name or number, beside the words.
func code(why error) uint32 {
	if r, ok := errors.AsType[*Refusal](why); ok && (r.Why == Banned || r.Why == Penalised) {
		return hostNotAllowed
	}
	return tooManyConnections
}

// disconnect is a whole SSH_MSG_DISCONNECT packet, not encrypted.
func disconnect(reason uint32, words string) []byte {
	words = shorten(text.CleanLine(words), refuseWords)
	payload := binary.BigEndian.AppendUint32([]byte{msgDisconnect}, reason)
	payload = binary.BigEndian.AppendUint32(payload, uint32(len(words)))
	payload = append(payload, words...)
	payload = binary.BigEndian.AppendUint32(payload, 0) // no language
	return frame(payload)
}

// frame makes a binary packet of RFC 4253, 6: padded to whole blocks of 8, with at
// least 4 bytes. The padding hides nothing here and stays zero.
func frame(payload []byte) []byte {
	const head, block, least = 5, 8, 4
	padding := block - (head+len(payload))%block
	if padding < least {
		padding += block
	}
	packet := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+padding))
	packet = append(packet, byte(padding))
	packet = append(packet, payload...)
	return append(packet, make([]byte, padding)...)
}

// shorten cuts s to n bytes, between characters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
