package main

import (
	"testing"
	"time"

	"whoelse/bench/load"
	"whoelse/bench/target"
)

const (
	benchSessions = 50
	benchRate     = 500
	benchMessages = 100 // in one iteration
	// The beginning fills buffers and grows heaps, and the crowd's joins are told
	// within a second: so long the talk is not measured.
	benchWarm = benchRate + benchRate/5
)

// BenchmarkFanout shows what the server and the floor spend on a delivery, at
// numbers small enough for every day. The time of an iteration is only the pace
// of the talk; the figures to read are the named ones.
func BenchmarkFanout(b *testing.B) {
	b.Run("floor", func(b *testing.B) { benchmarkFanout(b, testFloor(b)) })
	b.Run("server", func(b *testing.B) { benchmarkFanout(b, testServer(b)) })
}

func benchmarkFanout(b *testing.B, spec target.Spec) {
	env := testEnv(b)
	server, err := target.Start(b.Context(), spec)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			b.Error(err)
		}
	}()
	crowd, err := load.Gather(b.Context(), load.Plan{
		Addr: server.Addr, Sessions: benchSessions, Parallel: env.Parallel,
		Auth: load.AuthGuest, Cipher: env.Cipher, Kind: load.Kind{Columns: 200},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer crowd.Close()
	talkFor(b, server, crowd)
}

func talkFor(b *testing.B, server *target.Target, crowd *load.Crowd) {
	talk := load.Talk{Messages: benchWarm, Rate: benchRate, Size: messageSize, End: "\r"}
	if _, err := crowd.Run(b.Context(), talk); err != nil {
		b.Fatal(err)
	}
	talk.First, talk.Messages = talk.Messages, benchMessages
	var delivered, lost int
	var latency load.Histogram
	before := cpuOf(b, server)
	for b.Loop() {
		out, err := crowd.Run(b.Context(), talk)
		if err != nil {
			b.Fatal(err)
		}
		talk.First += talk.Messages
		delivered, lost = delivered+out.Delivered, lost+out.Lost+out.Duplicates
		latency.Merge(&out.Latency)
	}
	spent := cpuOf(b, server) - before
	b.ReportMetric(float64(spent.Nanoseconds())/1000/float64(delivered), "cpu-us/delivery")
	b.ReportMetric(float64(latency.Quantile(0.99).Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(lost), "lost")
	b.ReportMetric(0, "ns/op")
}

func cpuOf(b *testing.B, server *target.Target) time.Duration {
	b.Helper()
	usage, err := server.Usage()
	if err != nil {
		b.Fatal(err)
	}
	return usage.CPU
}
