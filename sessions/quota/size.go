package quota

import (
	"unicode"
	"unicode/utf8"
)

// What a message takes on disk beside its text, in bytes and rounded up: the tests in
// sessions/adversarial hold it against files.
const (
	recordBytes = 192 // ids, times, names of fields, the sender, the checksum
	answerBytes = 512 // the marks and the receipt that follow from one recipient reading it
)

// Record is how many bytes one history grows by for a message with this text, to these
// nicks.
func Record(text string, to []string) int64 {
	n := recordBytes
	for _, nick := range to {
		n += len(nick) + len(`"",`)
	}
	return int64(n) + escaped(text)
}

// Recipient is what else is stored for each recipient, once they have read it.
func Recipient() int64 { return answerBytes }

// File is how many bytes a file of this size takes, an empty one too.
func File(size int64) int64 {
	const block = 4 << 10 // what file systems round up to
	return (size/block + 1) * block
}

// escaped is the size of text as a JSON string of printable characters.
func escaped(text string) (n int64) {
	for _, r := range text {
		switch {
		case r == '"' || r == '\\' || r == '\n':
			n += 2
		case r < 0x80:
			n++
		case unicode.IsPrint(r):
			n += int64(utf8.RuneLen(r))
		case r > 0xffff:
			n += 12
		default:
			n += 6
		}
	}
	return n
}
