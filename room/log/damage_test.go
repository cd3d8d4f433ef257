package log

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"whoelse/internal/disk"
	"whoelse/internal/disk/disktest"
	"whoelse/room"
)

// four is a log of four events in two segments.
func four(t testing.TB) disk.Folder {
	t.Helper()
	in := mustSub(t, disktest.New())
	l := mustOpen(t, in, Options{})
	mustPut(t, l, 1, 2)
	_ = l.Close()
	l = mustOpen(t, in, Options{}) // begins another one
	mustPut(t, l, 3, 4)
	_ = l.Close()
	return in
}

// TestEveryByte changes or removes each byte of both segments. That costs at most the event
// there, is reported where it does, and the event's number is never given again.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	for seg, at := range map[uint64]int{1: 1, 3: 3} {
		whole := content(t, four(t), SegmentName(seg))
		for i := 0; i < len(whole); i += stride {
			hit := uint64(at + bytes.Count(whole[:i], []byte("\n")))
			for what, b := range map[string][]byte{
				"flipped":  append(append(slices.Clone(whole[:i]), whole[i]^4), whole[i+1:]...),
				"newline":  append(append(slices.Clone(whole[:i]), '\n'), whole[i+1:]...),
				"missing":  append(slices.Clone(whole[:i]), whole[i+1:]...),
				"inserted": append(append(slices.Clone(whole[:i]), '}'), whole[i:]...),
			} {
				if bytes.Equal(b, whole) {
					continue
				}
				what = fmt.Sprintf("byte %d of segment %d %s", i, seg, what)
				in := four(t)
				write(t, in, SegmentName(seg), b)
				logged, logger := newLogger()
				l := mustOpen(t, in, Options{Log: logger})
				got := seqs(all(t, l, 0))
				lost := 0
				for s := uint64(1); s <= 4; s++ {
					if slices.Contains(got, s) {
						continue
					}
					if lost++; s != hit {
						t.Errorf("%s: lost %d", what, s)
					}
				}
				if lost > 0 && logged.count("segment="+SegmentName(seg)) == 0 {
					t.Errorf("%s: %d is lost and nobody is told", what, hit)
				}
				before := l.Stats().Damaged
				if all(t, l, 0); before != l.Stats().Damaged {
					t.Errorf("%s: counted again", what)
				}
				mustPut(t, l, 5, 5)
				if now := all(t, l, 0); now[len(now)-1].Seq < 5 || l.Last() != now[len(now)-1].Seq {
					t.Errorf("%s: a number is given again: %v", what, seqs(now))
				}
				_ = l.Close()
			}
		}
	}
}

// TestEveryEnd cuts the last segment anywhere. All whole lines are there, and it goes on.
func TestEveryEnd(t *testing.T) {
	whole := content(t, four(t), SegmentName(3))
	for i := range whole {
		in := four(t)
		write(t, in, SegmentName(3), whole[:i])
		l := mustOpen(t, in, Options{})
		lines := uint64(bytes.Count(append(slices.Clone(whole[:i]), whole[i]), []byte("\n"))) // without its newline it counts
		wantSeqs(t, fmt.Sprint("cut at ", i), all(t, l, 0), 1, 2+lines)
		if st := l.Stats(); st.Damaged != 0 {
			t.Errorf("cut at %d: %d places are damaged", i, st.Damaged)
		}
		mustPut(t, l, 5, 6)
		if got := all(t, l, 0); uint64(len(got)) != 4+lines || l.Stats().Damaged != 0 {
			t.Errorf("cut at %d: %v", i, seqs(got))
		}
		_ = l.Close()
	}
}

// TestWhatIsReported: each place once, several bad lines in a row as one, the end as torn.
func TestWhatIsReported(t *testing.T) {
	in := four(t)
	a, b := content(t, in, SegmentName(1)), content(t, in, SegmentName(3))
	one := int64(bytes.IndexByte(a, '\n') + 1)
	write(t, in, SegmentName(1), append([]byte("x\ny\n"), a...))
	copy(b[one+20:], "####")
	write(t, in, SegmentName(3), append(b, `{"seq":5`...))
	var got []Damage
	var entries []room.Entry
	err := ReadSegments(in, 0, func(e room.Entry) error { entries = append(entries, e); return nil },
		func(d Damage) { got = append(got, d) })
	if err != nil {
		t.Fatal(err)
	}
	wantSeqs(t, "read", entries, 1, 3)
	want := []Damage{{SegmentName(1), 0, 4, false}, {SegmentName(3), one, int64(len(b)) - one + 8, true}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	l := mustOpen(t, in, Options{})
	for range 3 {
		_ = all(t, l, 0)
	}
	if n := l.Stats().Damaged; n != 1 {
		t.Errorf("%d places, want 1", n)
	}
}

// TestOrder: lines that somebody copied or moved count once, where they belong.
func TestOrder(t *testing.T) {
	in := four(t)
	a, b := content(t, in, SegmentName(1)), content(t, in, SegmentName(3))
	write(t, in, SegmentName(1), slices.Concat(a, a, b)) // 3 and 4 are not this segment's
	write(t, in, SegmentName(3), slices.Concat(a, b, a))
	l := mustOpen(t, in, Options{})
	wantSeqs(t, "read", all(t, l, 0), 1, 4)
	wantSeqs(t, "read", all(t, l, 2), 3, 4)
}

// TestReadBeside reads the folder of a log that is in use.
func TestReadBeside(t *testing.T) {
	in := realDir(t)
	l := mustOpen(t, in, Options{SegmentBytes: 700})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := range 300 {
			_ = put(l, direct(n))
			if n%10 == 0 {
				_ = l.Release(l.Last() - 5)
			}
		}
	}()
	released := func(seq uint64) bool { // a file goes before First says so
		firsts, err := Segments(in)
		return err == nil && len(firsts) > 0 && firsts[0] > seq
	}
	for {
		before, last := l.Last(), uint64(0)
		err := ReadSegments(in, 0, func(e room.Entry) error {
			if last > 0 && e.Seq != last+1 && !released(last) {
				t.Errorf("%d after %d", e.Seq, last)
			}
			last = e.Seq
			return nil
		}, func(d Damage) {
			if !d.Torn {
				t.Errorf("%+v", d)
			}
		})
		if err != nil || last < before && !released(before) {
			t.Errorf("read up to %d of %d: %v", last, before, err)
		}
		select {
		case <-ended:
			return
		default:
		}
	}
}

// FuzzFolder opens a folder with anything in two segments, appends to it, and opens it again.
func FuzzFolder(f *testing.F) {
	in := four(f)
	a, b := content(f, in, SegmentName(1)), content(f, in, SegmentName(3))
	f.Add(a, b)
	f.Add(b, a)
	f.Add([]byte(nil), slices.Concat(b, []byte{0, 0, 0}))
	f.Add(a[:len(a)-9], slices.Concat(b[:40], []byte("\n\n"), b))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		in := mustSub(t, disktest.New())
		write(t, in, SegmentName(1), a)
		write(t, in, SegmentName(3), b)
		l, err := Open(in, Options{Log: quiet})
		if err != nil {
			return // a number that is too great
		}
		before := all(t, l, 0)
		last := uint64(0)
		for _, e := range before {
			if e.Seq <= last || e.Seq > l.Last() {
				t.Fatalf("%d after %d, and the last one is %d", e.Seq, last, l.Last())
			}
			last = e.Seq
		}
		next := l.Last() + 1
		mustPut(t, l, 9, 9)
		_ = l.Close()
		again := mustOpen(t, in, Options{})
		got := seqs(all(t, again, 0))
		if want := append(seqs(before), next); !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
		_ = again.Close()
	})
}
