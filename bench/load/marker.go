package load

import (
	"bytes"
	"strconv"
	"time"
)

// A marker travels in every message: "mk", which message of the run it is, who
// sent it, and when, in nanoseconds on the generator's monotonic clock. Its
// fields have a fixed width, so that a reader finds it by one search and needs
// neither a terminal nor a regular expression.
//
//	mk00000042-0007-0001234567890
type marker struct {
	seq    int
	sender int
	sent   time.Duration
}

const (
	markerMagic  = "mk"
	seqDigits    = 8
	senderDigits = 4
	timeDigits   = 13
	markerLength = len(markerMagic) + seqDigits + 1 + senderDigits + 1 + timeDigits
)

var magic = []byte(markerMagic)

// epoch is where the markers' clock starts.
var epoch = time.Now()

// now reads the markers' clock.
func now() time.Duration { return time.Since(epoch) }

// appendLine adds a message of about size bytes: a word, so that no line looks
// like a command, the marker, and padding that may wrap where the marker not.
func (m marker) appendLine(line []byte, size int) []byte {
	start := len(line)
	line = append(line, "say "...)
	line = append(line, markerMagic...)
	line = appendPadded(line, m.seq, seqDigits)
	line = append(line, '-')
	line = appendPadded(line, m.sender, senderDigits)
	line = append(line, '-')
	line = appendPadded(line, int(m.sent), timeDigits)
	for n := 0; len(line)-start < size; n++ {
		pad := byte('x')
		if n%8 == 0 {
			pad = ' '
		}
		line = append(line, pad)
	}
	return line
}

func appendPadded(line []byte, n, width int) []byte {
	digits := strconv.AppendInt(make([]byte, 0, 20), int64(n), 10)
	for range width - len(digits) {
		line = append(line, '0')
	}
	return append(line, digits...)
}

// nextMarker finds the first marker in a stream. rest is what follows it, or,
// where there is none, the tail that may be the beginning of one.
func nextMarker(stream []byte) (m marker, rest []byte, ok bool) {
	for {
		at := bytes.Index(stream, magic)
		if at < 0 {
			return marker{}, keepHalf(stream), false
		}
		stream = stream[at:]
		if len(stream) < markerLength {
			return marker{}, stream, false
		}
		if m, ok := parseMarker(stream[:markerLength]); ok {
			return m, stream[markerLength:], true
		}
		stream = stream[len(magic):]
	}
}

// keepHalf returns the last byte if the magic may begin with it.
func keepHalf(stream []byte) []byte {
	if n := len(stream); n > 0 && stream[n-1] == magic[0] {
		return stream[n-1:]
	}
	return nil
}

func parseMarker(b []byte) (marker, bool) {
	b = b[len(markerMagic):]
	seq, ok1 := number(b[:seqDigits])
	b = b[seqDigits:]
	sender, ok2 := number(b[1 : 1+senderDigits])
	dash1 := b[0]
	b = b[1+senderDigits:]
	sent, ok3 := number(b[1:])
	ok := ok1 && ok2 && ok3 && dash1 == '-' && b[0] == '-'
	return marker{seq: seq, sender: sender, sent: time.Duration(sent)}, ok
}

func number(digits []byte) (n int, ok bool) {
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + int(d-'0')
	}
	return n, true
}
