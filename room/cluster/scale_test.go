//go:build unix

package cluster

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/room"
	"whoelse/room/settings"
)

// These benchmarks are of what many people on many servers cost each server: docs/scaling.md builds on them.
// CPU is that of the process, in which the engine is, too (of Claims and Direct).

// manyPeople is how many people there are, and on how many servers.
func manyPeople() (people, servers int) {
	if full {
		return 1_000_000, 100
	}
	return 100_000, 10
}

// BenchmarkRoster is a server that hears who is on the others, and lists them.
func BenchmarkRoster(b *testing.B) {
	people, servers := manyPeople()
	on := make([][]room.Presence, servers)
	for i := range on {
		for n := range people / servers {
			on[i] = append(on[i], newCrowd(fmt.Sprintf("somebody%d-%d", i, n)).here...)
		}
	}
	hear := func(r *room.Room) {
		for i, here := range on {
			r.SetRoster(fmt.Sprint("server", i), here, false)
		}
	}
	b.Run("new", func(b *testing.B) {
		each(b, people, func() {
			b.StopTimer()
			r := emptyRoom(b)
			b.StartTimer()
			hear(r)
		})
	})
	r := emptyRoom(b)
	hear(r)
	b.Run("known", func(b *testing.B) { each(b, people, func() { hear(r) }) })
	b.Run("listed", func(b *testing.B) {
		each(b, people, func() {
			if got := len(r.Everyone()); got != people {
				b.Fatalf("%d people are known, of %d", got, people)
			}
		})
	})
	b.Run("announced again", func(b *testing.B) {
		c := &Cluster{opts: Options{Node: "hears"}}
		c.rosters.init()
		c.rosters.room = r
		var said [2][]*nats.Msg // by two runs of a server, in turn: each replaces the other
		bytes := 0
		for run := range said {
			parts := slices.Collect(slices.Chunk(outward(on[0], time.Now()), partPeople))
			for n, here := range parts {
				data, err := json.Marshal(rosterMessage{V: version, Run: fmt.Sprint(run), Seq: 1, Part: n, Parts: len(parts), Here: here})
				if err != nil {
					b.Fatal(err)
				}
				said[run] = append(said[run], &nats.Msg{Subject: "whoelse.roster.server0", Data: data})
				bytes += len(data)
			}
		}
		run := 0
		each(b, len(on[0]), func() {
			for _, msg := range said[run%2] {
				c.hearRoster(msg)
			}
			run++
		})
		if got := len(r.Everyone()); got != people {
			b.Errorf("%d people are known, of %d", got, people)
		}
		b.ReportMetric(float64(bytes)/float64(2*len(on[0])), "B/each")
	})
}

// each measures work that is about n things.
func each(b *testing.B, n int, work func()) {
	spent := func() time.Duration {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it can't fail
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	done, before := 0, spent()
	for b.Loop() {
		work()
		done += n
	}
	b.ReportMetric(float64((spent()-before).Nanoseconds())/float64(done), "CPU-ns/each")
	b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "each/s")
}

// BenchmarkClaims is nicks that people claim on two servers at once, beside those that are held already.
func BenchmarkClaims(b *testing.B) {
	people, _ := manyPeople()
	for _, held := range []int{people / 1000, people / 100, people / 10} {
		b.Run(fmt.Sprint(held, " held"), func(b *testing.B) { benchClaims(b, held) })
	}
}

func benchClaims(b *testing.B, held int) {
	var lines strings.Builder
	for i := range held {
		fmt.Fprintf(&lines, "environment=\"NICK=held%d\" %s", i, gossh.MarshalAuthorizedKey(keyOf(b, "held", i)))
	}
	e := engine(b)
	var registries [2]*keys.Registry
	for i := range registries {
		s := newServer(b, fmt.Sprint("node", i), e.URLs()...)
		file := filepath.Join(s.dir, "authorized_keys")
		write(b, file, []byte(lines.String()))
		registry := must[*keys.Registry](b)(keys.Open(file, slog.New(slog.DiscardHandler)))
		s.states["keys"] = func(_ string, data []byte) error { return registry.Receive(data) }
		s.start()
		err := registry.Share(func(change func() ([]byte, error)) error { return s.Change("keys", change) })
		if err != nil {
			b.Fatal(err)
		}
		registries[i] = registry
	}
	claimed := 0
	each(b, len(registries), func() {
		var all sync.WaitGroup
		for i, registry := range registries {
			nick := fmt.Sprintf("new%d-%d", i, claimed)
			all.Go(func() {
				// One that is not confirmed in time is made all the same.
				if err := registry.Claim(nick, keyOf(b, nick, 0)); err != nil && !errors.Is(err, room.ErrUncertain) {
					b.Error(err)
				}
			})
		}
		all.Wait()
		claimed++
	})
}

// keyOf is a key that nobody can sign with.
func keyOf(b *testing.B, name string, n int) keys.PublicKey {
	seed := sha256.Sum256(fmt.Append(nil, name, n))
	return must[gossh.PublicKey](b)(gossh.NewPublicKey(ed25519.PublicKey(seed[:])))
}

// BenchmarkDirect is direct messages to 1,000 nicks, each of which has a history.
func BenchmarkDirect(b *testing.B) {
	const atOnce = 500 // wait for the engine
	s := join(b, "a", engine(b).URLs()...)
	sent := 0
	each(b, atOnce, func() {
		for range atOnce {
			e := said(newID(), "are you coming to lunch, or shall I bring you something?")
			e.Message.Kind, e.Message.Room, e.Message.To = room.KindDirect, "", []string{fmt.Sprint("bob", sent%1000)}
			s.Append(e, func(err error) { b.Error(err) })
			sent++
		}
		s.reached(b, uint64(sent))
	})
}

// emptyRoom is a room where nothing is said, and whose people have no settings.
func emptyRoom(b *testing.B) *room.Room {
	store := must[*settings.Store](b)(settings.Open(b.TempDir()))
	r := must[*room.Room](b)(room.New(silence{}, silence{}, silence{}, store, room.Options{Rooms: room.RoomOptions{Store: noRooms{}}}))
	b.Cleanup(r.Close)
	return r
}

// silence is the log, the histories and the directory of a room where nothing is said.
type silence struct{ room.Histories }

func (silence) Append(*room.Event, func(error)) {}
func (silence) LastID() string                  { return "" }
func (silence) Registered(string) bool          { return true }
func (silence) Free(string) bool                { return false }
func (silence) Bot(string) bool                 { return false }

func (silence) Tail(string, int, func(*room.Message) (bool, error)) iter.Seq2[*room.Message, error] {
	return func(func(*room.Message, error) bool) {}
}

type noRooms struct{ room.Rooms }

func (noRooms) Load() ([]room.RoomInfo, error) { return nil, nil }
