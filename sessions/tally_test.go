package sessions

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"whoelse/room"
	"whoelse/sessions/result"
)

// The exit status follows from what was reported, and from how it ended.
func TestExitStatus(t *testing.T) {
	receipt := func(o room.Outcome) result.Result {
		return result.Receipt{Receipt: room.Receipt{To: "bob", Outcome: o}}
	}
	failure := func(c result.Code) result.Result { return result.Failure{Code: c, Err: errors.New("why")} }
	kicked := expelled("you were kicked")
	for name, c := range map[string]struct {
		results     []result.Result
		cause       error
		shell, pipe int
	}{
		"nothing":                   {nil, errQuit, 0, 0},
		"done":                      {[]result.Result{result.Done{What: result.Blocked}}, errQuit, 0, 0},
		"delivered":                 {[]result.Result{receipt(room.Delivered), receipt(room.KeptAway)}, errQuit, 0, 0},
		"for one of two":            {[]result.Result{receipt(room.Delivered), receipt(room.RefusedFull)}, errQuit, 3, 1},
		"for one, another unknown":  {[]result.Result{receipt(room.RefusedUnknown), receipt(room.Delivered)}, errQuit, 3, 1},
		"nobody":                    {[]result.Result{receipt(room.RefusedUnknown)}, errQuit, 67, 1},
		"nobody, twice":             {[]result.Result{receipt(room.RefusedUnknown), receipt(room.RefusedUnknown)}, errQuit, 67, 1},
		"nobody, and refused":       {[]result.Result{receipt(room.RefusedUnknown), receipt(room.RefusedBlocked)}, errQuit, 1, 1},
		"the disk":                  {[]result.Result{receipt(room.Failed)}, errQuit, 1, 1},
		"no such nick":              {[]result.Result{failure(result.NotFound)}, errQuit, 67, 1},
		"usage":                     {[]result.Result{failure(result.Usage)}, errQuit, 2, 1},
		"refused":                   {[]result.Result{failure(result.Refused)}, errQuit, 1, 1},
		"not allowed":               {[]result.Result{failure(result.NotAllowed)}, errQuit, 4, 1},
		"a limit":                   {[]result.Result{failure(result.Limit)}, errQuit, 1, 1},
		"storage":                   {[]result.Result{failure(result.Storage)}, errInputEnd, 1, 1},
		"not confirmed":             {[]result.Result{receipt(room.Delivered), failure(result.Unconfirmed)}, errInputEnd, 75, 75},
		"not confirmed and refused": {[]result.Result{receipt(room.RefusedFull), failure(result.Unconfirmed)}, errQuit, 75, 75},
		"not confirmed by the cluster": {[]result.Result{
			result.Receipt{Receipt: room.Receipt{To: "bob", Outcome: room.Failed, Err: room.ErrUncertain}}, receipt(room.Delivered),
		}, errQuit, 75, 75},
		"shutdown": {[]result.Result{receipt(room.Delivered)}, errShutdown, 75, 1},
		"kicked":   {nil, kicked, 4, 1},
		"too slow": {nil, errSlow, 1, 1},
	} {
		for from, want := range map[source]int{fromShell: c.shell, fromPipe: c.pipe} {
			tally := tally{source: from}
			for _, r := range c.results {
				tally.add(r)
			}
			if got := tally.exit(c.cause); got != want {
				t.Errorf("%s, from %d: %d, want %d", name, from, got, want)
			}
		}
		terminal := tally{source: fromTerminal}
		for _, r := range c.results {
			terminal.add(r)
		}
		if got, want := terminal.exit(c.cause) == exitOK, voluntary(c.cause); got != want {
			t.Errorf("%s, at a terminal: well %v, want %v", name, got, want)
		}
	}
}

// The README and help list every exit status.
func TestExitStatusesAreDocumented(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{exitOK, exitFailed, exitUsage, exitPartly, exitNotAllowed, exitUnknown, exitUnconfirmed} {
		if !strings.Contains(string(readme), fmt.Sprintf("\n| %d | ", status)) {
			t.Errorf("the README lacks %d", status)
		}
		if !strings.Contains(Grammar.Find("help").More, fmt.Sprintf(" %d ", status)) {
			t.Errorf("help lacks %d", status)
		}
	}
}
