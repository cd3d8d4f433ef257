package config

import (
	"math"
	"strconv"
	"time"

	"whoelse/keys/duration"
)

// Kinds of values that flags have beside pflag's own. 0 is no limit with both.

// size is a number of bytes.
type size int64

// The units that a size can have, the largest first.
var sizeUnits = []struct {
	letter byte
	bytes  int64
}{{'T', 1 << 40}, {'G', 1 << 30}, {'M', 1 << 20}, {'K', 1 << 10}}

// Set implements pflag.Value.
func (s *size) Set(text string) error {
	unit := int64(1)
	for _, u := range sizeUnits {
		if n := len(text) - 1; n > 0 && text[n]&^0x20 == u.letter {
			text, unit = text[:n], u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err == nil && n > uint64(math.MaxInt64/unit) {
		err = strconv.ErrRange
	}
	if err != nil {
		return err
	}
	*s = size(int64(n) * unit)
	return nil
}

// String implements pflag.Value, with the largest unit that says it exactly.
func (s *size) String() string {
	for _, u := range sizeUnits {
		if n := int64(*s); n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + string(u.letter)
		}
	}
	return strconv.FormatInt(int64(*s), 10)
}

// Type implements pflag.Value.
func (s *size) Type() string { return "size" }

// lasting is how long something lasts, as people say it: 90d, 12h.
type lasting time.Duration

// Set implements pflag.Value.
func (l *lasting) Set(text string) error {
	if text == "0" {
		*l = 0
		return nil
	}
	d, err := duration.Parse(text)
	*l = lasting(d)
	return err
}

// String implements pflag.Value.
func (l *lasting) String() string {
	if *l == 0 {
		return "0"
	}
	return duration.Format(time.Duration(*l))
}

// Type implements pflag.Value.
func (l *lasting) Type() string { return "span" }
