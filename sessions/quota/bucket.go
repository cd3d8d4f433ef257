package quota

import "time"

// rate is how many bytes go into a bucket, which empties within per. No limit if 0.
type rate struct {
	limit int64
	per   time.Duration
}

// span is how long the bucket takes to lose bytes.
func (r rate) span(bytes int64) time.Duration {
	return time.Duration(float64(bytes) * float64(r.per) / float64(r.limit))
}

// bucket is full of what was charged lately. All it has to know is when it will be
// empty, on the limiter's clock.
type bucket time.Duration

// wait is how long until bytes fit, 0 if they do. They do in any case when the bucket
// is empty.
func (b bucket) wait(r rate, bytes int64, now time.Duration) time.Duration {
	if r.limit <= 0 {
		return 0
	}
	full := b.full(now)
	return max(0, min(full, full+r.span(bytes)-r.per))
}

// full is how long the bucket takes to be empty.
func (b bucket) full(now time.Duration) time.Duration { return max(0, time.Duration(b)-now) }

// add puts bytes in, or takes them out.
func (b *bucket) add(r rate, bytes int64, now time.Duration) {
	if r.limit > 0 {
		*b = bucket(now + max(0, b.full(now)+r.span(bytes)))
	}
}
