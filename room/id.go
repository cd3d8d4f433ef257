package room

import (
	"strings"
	"sync"
	"time"
)

// idDigits is Crockford's base 32 in lower case: it sorts as its values do and
// has no letters that are taken for digits.
const idDigits = "0123456789abcdefghjkmnpqrstvwxyz"

// idLen holds 55 bits: microseconds since 1970 until the year 3111.
const idLen = 11

// idSource gives message ids: microseconds since 1970, or one more than the last
// id where the clock stands still or went back, so none is given twice.
// Safe for concurrent use.
type idSource struct {
	mu   sync.Mutex
	last uint64
}

func newIDSource(lastID string) *idSource { return &idSource{last: decodeID(lastID)} }

func (s *idSource) next(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last+1, uint64(max(now.UnixMicro(), 0)))
	return encodeID(s.last)
}

func encodeID(v uint64) string {
	var b [idLen]byte
	for i := idLen - 1; i >= 0; i-- {
		b[i] = idDigits[v&31]
		v >>= 5
	}
	return string(b[:])
}

// decodeID is encodeID's inverse; what is no id counts as 0.
func decodeID(id string) uint64 {
	if len(id) != idLen {
		return 0
	}
	var v uint64
	for i := range idLen {
		d := strings.IndexByte(idDigits, id[i])
		if d < 0 {
			return 0
		}
		v = v<<5 | uint64(d)
	}
	return v
}
