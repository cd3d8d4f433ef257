package floodlog

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const wordsUnlisted = "many sessions began and ended within a minute; lines are left out"

// journal is a log that may be read while it is written.
type journal struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.String()
}

// logged is how many lines have this in them.
func logged(log *journal, text string) int { return strings.Count(log.String(), text) }

// comeAndGo logs a session as sessions do.
func comeAndGo(log *slog.Logger, nick, from string) {
	log = log.With("nick", nick, "from", from)
	log.Info("session began", "terminal", true)
	log.Info("session ended", "cause", "quit")
}

func TestLogOfVisits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out journal
		log := slog.New(New(slog.New(slog.NewTextHandler(&out, nil)), wordsUnlisted))
		for i := range 1000 {
			comeAndGo(log, "bob", fmt.Sprintf("192.0.%d.1:22", i))
		}
		for i := range 1000 {
			comeAndGo(log, fmt.Sprint("~guest", i), fmt.Sprintf("203.0.113.7:%d", i))
		}
		for i := range 1000 {
			comeAndGo(log, fmt.Sprint("~far", i), fmt.Sprintf("[2001:db8::%x]:22", i))
		}
		comeAndGo(log, "carol", "198.51.100.1:22") // who is alone
		log.With("nick", "bob", "from", "192.0.2.1:22").Warn("something is odd")
		log.Info("key added", "nick", "bob", "from", "192.0.2.1:22")
		for text, want := range map[string]int{
			"nick=bob from=192.0.": listedOfNick + 2, // with the two that are no visits
			"from=203.0.113.7:":    listedOfAddress, "from=[2001:db8::": listedOfAddress, "nick=carol": 2, "level=WARN": 1, "key added": 1,
		} {
			if got := logged(&out, text); got != want {
				t.Errorf("%q: %d lines, want %d", text, got, want)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		left := 6000 - listedOfNick - 2*listedOfAddress
		if want := fmt.Sprintf("level=INFO msg=%q lines=%d\n", wordsUnlisted, left); logged(&out, want) != 1 {
			t.Errorf("without %q:\n%s", want, out.String())
		}
		before := logged(&out, "nick=bob from")
		comeAndGo(log, "bob", "192.0.2.1:22") // another minute
		if got := logged(&out, "nick=bob from") - before; got != 2 {
			t.Errorf("%d lines", got)
		}
	})
}

// Whatever comes, lines are bounded.
func TestLogOfVisitsInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out journal
		log := New(slog.New(slog.NewTextHandler(&out, nil)), wordsUnlisted)
		const minutes = 10
		for i := range minutes * 600 {
			comeAndGo(slog.New(log), fmt.Sprint("~guest", i), fmt.Sprintf("203.%d.%d.7:22", i>>8, i&0xff))
			time.Sleep(100 * time.Millisecond)
		}
		log.Flush()
		log.Flush()
		if got, most := logged(&out, "\n"), (listedInAll+1)*(minutes+1); got > most {
			t.Errorf("%d lines, more than %d", got, most)
		}
	})
}

// Lines without a nick are bounded by address.
func TestLogOfAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out journal
		log := slog.New(New(slog.New(slog.NewTextHandler(&out, nil)), wordsUnlisted))
		for i := range 1000 {
			log.With("from", fmt.Sprintf("203.0.113.7:%d", i)).Info("login refused", "user", fmt.Sprint("root", i))
		}
		log.With("from", "198.51.100.1:22").Info("login refused", "user", "root")
		time.Sleep(time.Minute)
		synctest.Wait()
		for text, want := range map[string]int{
			"from=203.0.113.7:": listedOfAddress, "from=198.51.100.1:22": 1,
			wordsUnlisted + "\" lines=960\n": 1,
		} {
			if got := logged(&out, text); got != want {
				t.Errorf("%q: %d lines, want %d", text, got, want)
			}
		}
	})
}
