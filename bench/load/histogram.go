package load

import (
	"math/bits"
	"time"
)

const (
	// subBits gives 64 buckets an octave: a figure read back is within 1.6 %.
	subBits = 6
	// octaves above the first reach past an hour in microseconds.
	octaves = 27
)

// Histogram counts durations by microsecond in buckets that widen as they grow,
// so that counting one costs an increment and no memory. The zero value is
// ready. One goroutine at a time.
type Histogram struct {
	counts [octaves << subBits]uint32
	total  uint64
	max    time.Duration
}

// Add counts one duration.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(uint64(d.Microseconds()))]++
	h.total++
	h.max = max(h.max, d)
}

// Merge adds what another histogram has counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.max = max(h.max, other.max)
}

// Count is how many durations were added.
func (h *Histogram) Count() int { return int(h.total) }

// Max is the longest duration, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile is the duration that the share q of all does not exceed.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.total))
	var seen uint64
	for i, n := range h.counts {
		seen += uint64(n)
		if n > 0 && seen > rank {
			return min(time.Duration(upper(i))*time.Microsecond, h.max)
		}
	}
	return h.max
}

// bucket numbers the bucket of a count of microseconds: exact below 64, then
// by the highest bit and the six below it.
func bucket(us uint64) int {
	shift := max(bits.Len64(us)-subBits-1, 0)
	i := shift<<subBits + int(us>>shift)
	return min(i, octaves<<subBits-1)
}

// upper is the largest count of microseconds in a bucket.
func upper(i int) uint64 {
	shift := max(i>>subBits-1, 0)
	low := uint64(i - shift<<subBits)
	return (low+1)<<shift - 1
}
