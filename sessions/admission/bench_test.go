package admission

import (
	"sync/atomic"
	"testing"
)

// flooded returns a controller whose table is full and that has no other limits.
func flooded(b *testing.B) *Controller {
	d := New(Limits{PerMinute: 1 << 30, Handshakes: 1 << 30}, nil)
	for i := range 70_000 {
		v, err := d.Admit(nthOf6(i))
		if err != nil {
			b.Fatal(err)
		}
		v.Failed(AuthFailed)
		v.Close()
	}
	b.ReportAllocs()
	b.ResetTimer()
	return d
}

// BenchmarkVisit is a whole visit from ever new addresses at a full table.
func BenchmarkVisit(b *testing.B) {
	d := flooded(b)
	var n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			v, err := d.Admit(nthOf6(int(n.Add(1)) << 4))
			if err != nil {
				b.Error(err)
				return
			}
			v.Failed(AuthFailed)
			v.Close()
		}
	})
}

// BenchmarkRefused is a penalised address that keeps knocking.
func BenchmarkRefused(b *testing.B) {
	d := flooded(b)
	v, _ := d.Admit(addr("2001:db8::1"))
	v.Failed(Crashed)
	for b.Loop() {
		if _, err := d.Admit(addr("2001:db8::1")); err == nil {
			b.Fatal("admitted")
		}
	}
}
