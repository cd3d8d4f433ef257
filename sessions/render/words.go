package render

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"whoelse/room"
	"whoelse/sessions/result"
)

// The words that people read are lower case, without a full stop; they name the thing, the
// cause and the way out, and never an internal error. For results they are in tables, in
// results.go.

// fill replaces the names in words by the values that follow them.
func fill(words string, values ...string) string {
	return strings.NewReplacer(values...).Replace(words)
}

// when is words, or "" where they do not apply.
func when(applies bool, words string) string {
	if applies {
		return words
	}
	return ""
}

// commas joins those words that apply.
func commas(words ...string) string {
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), ", ")
}

// because appends a reason, if there is one.
func because(words, why string) string { return words + when(why != "", ": "+why) }

const storageTrouble = "storage trouble; please try again in a moment"

// Error renders an error, or nil, in words for people. Errors of the storage are for the log.
func Error(err error) string {
	if err == nil {
		return ""
	}
	switch {
	case errors.Is(err, room.ErrUncertain):
		return "the cluster did not answer in time"
	case errors.Is(err, room.ErrCluster):
		return "the cluster can't store messages right now; try again"
	case errors.Is(err, room.ErrStorage):
		return storageTrouble
	}
	if f, ok := errors.AsType[result.Failure](err); ok {
		return failure(f, Style{}, time.Now())
	}
	return err.Error()
}

// Count renders n with a comma between thousands.
func Count(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", Count(n/1000), n%1000)
}

// Number counts things: "1 key is", "2 keys are".
func Number(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + more
}

// People joins nicks as one does in a sentence, of more than most the first ones.
func People(nicks []string, most int) string {
	n := len(nicks)
	switch {
	case n > most+1: // one more is as long as the word about it
		return strings.Join(nicks[:most], ", ") + " and " + Count(n-most) + " others"
	case n > 1:
		return strings.Join(nicks[:n-1], ", ") + " and " + nicks[n-1]
	}
	return strings.Join(nicks, "")
}

// Ago renders a span of time in its largest whole unit.
func Ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// Mentions reports whether s has nick in it as a word of its own, in any case.
func Mentions(s, nick string) bool {
	nick = strings.TrimPrefix(nick, "~") // a guest is spoken to without it
	if nick == "" {
		return false
	}
	for i := 0; i+len(nick) <= len(s); i++ {
		if s[i]|0x20 != nick[0]|0x20 { // cheap: most places are not even the first letter
			continue
		}
		if strings.EqualFold(s[i:i+len(nick)], nick) && !isNickByte(s[max(0, i-1):i]) {
			// Full stops and hyphens behind a nick are punctuation, unless it goes on behind them.
			if after := strings.TrimLeft(s[i+len(nick):], ".-"); !isNickByte(after[:min(1, len(after))]) {
				return true
			}
		}
	}
	return false
}

// isNickByte reports whether s, a byte or none, may be part of a nick.
func isNickByte(s string) bool {
	return s != "" && strings.Contains("abcdefghijklmnopqrstuvwxyz0123456789._-", strings.ToLower(s))
}
