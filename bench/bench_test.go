package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"whoelse/bench/load"
	"whoelse/bench/scenario"
	"whoelse/bench/storage"
	"whoelse/bench/target"
)

// TestMain lets this test binary be the floor, what opens histories for the
// measurement of storage, or those who chat beside an attack, as the program itself is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{floorName, storageChildName, canaryName}, os.Args[1]) {
		main()
		return
	}
	os.Exit(m.Run())
}

// testEnv measures the servers given, with everything small.
func testEnv(t testing.TB, servers ...target.Spec) scenario.Env {
	t.Helper()
	if _, err := target.OwnCPU(); err != nil {
		t.Skip(err)
	}
	return scenario.Env{
		Servers: servers, Parallel: 4, Auth: load.AuthKnown, Cipher: ssh.CipherChaCha20Poly1305,
		Calm: 200 * time.Millisecond, Progress: func(string, ...any) {},
	}
}

func testFloor(t testing.TB) target.Spec {
	t.Helper()
	spec, err := floorSpec(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func testServer(t testing.TB) target.Spec {
	t.Helper()
	return testServerWith(t, serverArgs)
}

func testServerWith(t testing.TB, args string) target.Spec {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the server")
	}
	o := &options{dir: t.TempDir()}
	spec, err := o.serverSpec(t.Context(), t.TempDir(), args)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func run[R any](t *testing.T, m measurement, env scenario.Env) []R {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	report, err := m.Run(ctx, env)
	if err != nil {
		t.Fatal(err)
	}
	runs, ok := report.Runs.([]R)
	if !ok {
		t.Fatalf("runs are %T", report.Runs)
	}
	if report.String() == "" || len(report.Table.Rows) != len(runs) {
		t.Errorf("the report does not show its %d runs:\n%s", len(runs), report)
	}
	return runs
}

// testFanout: 20 messages of 6 people reach the 5 others, each once.
func testFanout(t *testing.T, spec target.Spec) {
	fanout := scenario.Fanout{Sessions: 6, Rate: 100, Duration: 200 * time.Millisecond, Rounds: 1, Size: messageSize}
	for _, r := range run[scenario.FanoutRun](t, fanout, testEnv(t, spec)) {
		if r.Sent != 20 || r.Delivered != 100 || r.Lost != 0 || r.Duplicates != 0 || r.Ended != 0 || r.CPU <= 0 {
			t.Errorf("%+v", r)
		}
	}
}

func TestFanoutFloor(t *testing.T)  { testFanout(t, testFloor(t)) }
func TestFanoutServer(t *testing.T) { testFanout(t, testServer(t)) }

func TestIdleAndJoins(t *testing.T) {
	env := testEnv(t, testFloor(t))
	for _, r := range run[scenario.IdleRun](t, scenario.Idle{Sessions: 10, Settle: 100 * time.Millisecond}, env) {
		if r.Sessions != 10 || r.Before <= 0 || r.After < r.Before {
			t.Errorf("%+v", r)
		}
	}
	env.Auth = load.AuthGuest
	for _, r := range run[scenario.JoinsRun](t, scenario.Joins{Sessions: 10, Rounds: 1}, env) {
		if r.Ended != 0 || r.Seconds <= 0 || r.CPU <= 0 {
			t.Errorf("%+v", r)
		}
	}
}

// TestStuckAreStuck: those who stop reading hold the server up, perhaps until it
// gives them up, and only in the stages in which they are meant to.
func TestStuckAreStuck(t *testing.T) {
	t.Parallel()
	stuck := scenario.Stuck{Sessions: 4, Stuck: 2, Rate: 3000, Duration: 500 * time.Millisecond, Rounds: 1, Size: stuckSize}
	runs := run[scenario.StuckRun](t, stuck, testEnv(t, testFloor(t)))
	for _, r := range runs {
		if r.StuckEnded > r.Stuck || r.Lost != 0 || r.Duplicates != 0 || r.Delivered != 3*1500 {
			t.Errorf("%+v", r)
		}
	}
	if len(runs) != 2 || runs[1].Stuck != 2 {
		t.Errorf("want a stage without and one with: %+v", runs)
	}
}

func TestDirectServer(t *testing.T) {
	t.Parallel()
	direct := scenario.Direct{Senders: []int{2}, Duration: 300 * time.Millisecond, Size: messageSize}
	for _, r := range run[scenario.DirectRun](t, direct, testEnv(t, testServer(t))) {
		if r.Delivered+r.Kept == 0 || r.Refused+r.Unanswered+r.Unshown+r.Duplicates != 0 {
			t.Errorf("%+v", r)
		}
	}
}

func TestCommandPrintsJSON(t *testing.T) {
	testEnv(t)
	root := rootCommand()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs([]string{"joins", "--only", "floor", "--sessions", "3", "--rounds", "1", "--json"})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	var report struct {
		Runs []scenario.JoinsRun `json:"runs"`
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || len(report.Runs) != 1 || report.Runs[0].Sessions != 3 {
		t.Errorf("%v in %s", err, out.String())
	}
}

func TestStorageCommand(t *testing.T) {
	t.Parallel()
	testEnv(t)
	root := rootCommand()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs([]string{"storage", "--quick", "--parts", "nicks", "--nicks", "1000", "--rounds", "1", "--dir", t.TempDir(), "--json"})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	var report struct {
		Command string           `json:"command"`
		Runs    []storage.Figure `json:"runs"`
	}
	err := json.Unmarshal(out.Bytes(), &report)
	if err != nil || len(report.Runs) == 0 || !strings.Contains(report.Command, "--rounds 1 --slice 200ms --records 20000 --nicks 1000 ") {
		t.Errorf("%v in %s", err, out.String())
	}
}

func TestCommandRefusesNonsense(t *testing.T) {
	for _, args := range [][]string{
		{"fanout", "--rate", "0"},
		{"joins", "--auth", "password"},
		{"idle", "--only", "ceiling"},
		{"storage", "--parts", "tapes"},
		{"storage", "--nicks", "1"},
		{"storage", "--slice", "0s"},
		{"abuse", "--kinds", "polite"},
		{"abuse", "--addresses", "0"},
		{"abuse", "--per-address", "-1"},
	} {
		root := rootCommand()
		root.SetArgs(args)
		if err := root.ExecuteContext(t.Context()); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}
