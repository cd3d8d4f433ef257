package sessions

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
)

// Exit statuses of commands and pipes; the README lists them.
const (
	exitOK          = 0
	exitFailed      = 1 // it was refused, or could not be done
	exitUsage       = 2
	exitPartly      = 3   // done for only some of the recipients
	exitNotAllowed  = 4   // no permission; or kicked, banned, or without a valid key
	exitUnknown     = 67  // EX_NOUSER: nobody has that nick
	exitUnconfirmed = 75  // EX_TEMPFAIL: it may or may not be done, or the server is shutting down
	exitTimedOut    = 124 // like timeout(1): --wait is over
)

// exitOfCode has the exit statuses of failures that are not exitFailed.
var exitOfCode = map[result.Code]int{
	result.Usage: exitUsage, result.NotFound: exitUnknown, result.NotAllowed: exitNotAllowed,
	result.Unconfirmed: exitUnconfirmed, result.TimedOut: exitTimedOut,
}

// exitOf is the exit status that one result stands for.
func exitOf(r result.Result) int {
	switch r := r.(type) {
	case result.Failure:
		return cmp.Or(exitOfCode[r.Code], exitFailed)
	case result.Receipt:
		switch {
		case errors.Is(r.Err, room.ErrUncertain):
			return exitUnconfirmed
		case r.Outcome == room.RefusedUnknown:
			return exitUnknown
		case !r.Taken():
			return exitFailed
		}
	}
	return exitOK
}

// mostFailures bounds what standard error says. Commands have less to say; clients of scp and sftp may
// go on for long.
const mostFailures = 200

// unconfirmed is that nobody knows in time what became of a call.
func unconfirmed(call parse.Call) result.Result {
	if call.Name == "inbox" {
		return result.Failure{Code: result.Unconfirmed, Reason: result.MarkingMissing}
	}
	return result.Failure{Code: result.Unconfirmed, Reason: result.AnswersMissing}
}

// tally adds results up: to the exit status and, for a command from a shell, to what
// goes to standard error. Safe for concurrent use.
type tally struct {
	source source // set once, before use
	told   bool   // the same: failures are told in another way than by standard error

	mu       sync.Mutex      // owns the fields below
	reached  bool            // some recipient
	statuses []int           // of failures, each once
	failures []result.Result // and warnings, for standard error
}

// source is where calls come from.
type source int

const (
	fromPipe source = iota
	fromTerminal
	fromShell // a single one: ssh host COMMAND
)

// add counts a result, and reports whether it is kept for standard error.
func (t *tally) add(r result.Result) (kept bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	status := exitOf(r)
	if status != exitOK && !slices.Contains(t.statuses, status) {
		t.statuses = append(t.statuses, status)
	}
	command := t.source == fromShell && !t.told
	switch r := r.(type) {
	case result.Receipt:
		t.reached = t.reached || status == exitOK
		kept = command && status != exitOK
	case result.Failure:
		kept = command || r.Reason == result.AnswersMissing // at the end of a pipe, too
	case result.Done:
		kept = command && r.What == result.NotSearched // a warning, not a fact
	}
	if kept && len(t.failures) < mostFailures {
		t.failures = append(t.failures, r)
	}
	return kept
}

// exit is the exit status of a session or command that ends for cause. A pipe, with many
// lines, only fails or not.
func (t *tally) exit(cause error) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	wanted, shell := voluntary(cause), t.source == fromShell
	failed := slices.DeleteFunc(slices.Clone(t.statuses), func(status int) bool { return status == exitTimedOut })
	switch {
	case !wanted && shell:
		return endingOf(cause).exit
	case !wanted: // ended from outside, or never let in
		return exitFailed
	case t.source == fromTerminal:
		return exitOK
	case slices.Contains(failed, exitUnconfirmed):
		return exitUnconfirmed
	case len(failed) == 0 && len(t.statuses) > 0:
		return exitTimedOut
	case len(failed) == 0:
		return exitOK
	case shell && t.reached:
		return exitPartly
	case shell && len(failed) == 1:
		return failed[0]
	}
	return exitFailed
}

// stderr is what goes to standard error.
func (t *tally) stderr(st render.Style) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for _, r := range t.failures {
		lines = append(lines, "whoelse: "+render.Reason(r, st, time.Now())+"\n")
	}
	return strings.Join(slices.Compact(lines), "") // scp and sftp ask twice
}
