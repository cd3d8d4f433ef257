package main

import (
	"flag"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain lets this test binary be the floor and the canary, as the program itself is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "floor" || os.Args[1] == "canary") {
		main()
		return
	}
	// Measurements mostly wait: -parallel on the command line is read after this.
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestMeasurements has every measurement done with small numbers, all side by side, and
// checks what is counted, never how long it took.
func TestMeasurements(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	server := filepath.Join(t.TempDir(), "whoelse")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", server, "whoelse")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for _, test := range []struct {
		line string
		rows string             // their names
		want map[string]float64 // figures of every row
		some []string           // figures that are above 0 in every row
	}{
		{
			"fanout --sessions 6 --rate 100 --duration 200ms --rounds 1", "floor,old,server",
			map[string]float64{"delivered": 100, "lost": 0, "duplicates": 0, "ended": 0}, []string{"p50 ms"},
		},
		{"idle --sessions 10 --settle 100ms", "floor,old,server", map[string]float64{"ended": 0}, []string{"KB/session"}},
		{"joins --sessions 10 --rounds 1 --new-keys", "floor,old,server", map[string]float64{"ended": 0}, []string{"seconds"}},
		{
			"stuck --sessions 4 --stuck 2 --rate 1000 --duration 500ms --rounds 1 --only server", "server,server with stuck",
			map[string]float64{"delivered": 1500, "lost": 0, "duplicates": 0, "ended": 0}, []string{"p50 ms"},
		},
		{
			"dm --sessions 4 --rate 100 --duration 200ms --rounds 1 --only server", "server",
			map[string]float64{"delivered": 20, "lost": 0, "duplicates": 0, "ended": 0}, []string{"p50 ms"},
		},
		{
			"bots --sessions 4 --bots 2 --rate 100 --duration 200ms --rounds 1 --only server",
			"server with people,server with bots",
			map[string]float64{"delivered": 100, "lost": 0, "duplicates": 0, "ended": 0}, []string{"p50 ms"},
		},
		{
			"rooms --sessions 20 --rooms 2 --rate 100 --duration 200ms --rounds 1 --only server",
			"server in one room by lines,server in one room by deliveries,server in rooms",
			map[string]float64{"lost": 0, "duplicates": 0, "ended": 0}, []string{"delivered"},
		},
		{
			"abuse --kinds tiny,group,handshakes,churn --addresses 1 --duration 500ms --settle 100ms --only server",
			"server none 0 x 0,server tiny 1 x 20,server group 1 x 20,server handshakes 1 x 20,server churn 1 x 20",
			map[string]float64{"of": 40}, []string{"chat p50 ms"},
		},
	} {
		args := strings.Fields(test.line)
		t.Run(args[0], func(t *testing.T) {
			t.Parallel()
			m := find(args[0])
			b := &bench{options: m.defaults, calm: 100 * time.Millisecond, log: io.Discard}
			err := b.parse(append(args, "--server", server, "--old", server))
			if err != nil {
				t.Fatal(err)
			}
			if b.programs, err = b.options.programs(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			if err := m.run(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			var names []string
			attacked, counted := 0, 0 // rows
			for _, row := range b.rows {
				names = append(names, row.name)
				for figure, want := range test.want {
					if row.get(figure) != want {
						t.Errorf("%s: %s is %g, want %g", row.name, figure, row.get(figure), want)
					}
				}
				for _, figure := range test.some {
					if !(row.get(figure) > 0) {
						t.Errorf("%s: %s is %g", row.name, figure, row.get(figure))
					}
				}
				if row.get("at once") > 0 {
					attacked++
				} else if row.get("lost") > 0 {
					t.Errorf("%s: lost %g without an attack", row.name, row.get("lost"))
				}
				if !math.IsNaN(row.get("goroutines")) { // the metrics answered in time
					counted++
				}
			}
			if attacked > 0 && counted == 0 {
				t.Error("no metrics")
			}
			if want := strings.Split(test.rows, ","); !slices.Equal(names, want) {
				t.Errorf("rows %q, want %q", names, want)
			}
			t.Log("\n" + b.String())
		})
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	for _, line := range []string{
		"", "fanfare", "fanout --rate 0", "fanout --rounds -1", "idle --only ceiling", "idle 5", "stuck --duration 0s",
		"dm --senders 5", "abuse --kinds polite --only floor", "abuse --addresses 0 --only floor",
	} {
		if err := command(t.Context(), strings.Fields(line), io.Discard); err == nil {
			t.Errorf("%q was accepted", line)
		}
	}
}

func TestReport(t *testing.T) {
	r := &report{}
	for i, cpu := range []float64{4, 2, 8, 3, 10, 5} {
		r.add([]string{"floor", "server"}[i%2], figure{"CPU", cpu, 1}, count("lost", i))
	}
	r.ratios("CPU", 0.4)
	r.holdNone("floor", "lost")
	want := `|        | CPU  | lost |
| ---    | ---  | ---  |
| floor  | 4.0  | 0    |
| server | 2.0  | 1    |
| floor  | 8.0  | 2    |
| server | 3.0  | 3    |
| floor  | 10.0 | 4    |
| server | 5.0  | 5    |

- CPU, server to floor: [0.50 0.38 0.50], median 0.50
- NOT HELD: CPU, server to floor: 0.5, at most 0.4
- NOT HELD: floor: lost: 6, at most 0
`
	if got := r.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
