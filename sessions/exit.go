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

// mostFailures bounds what standard error says. Commands have less to say; clients of scp and sftp may go on for long.
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

	mu       sync.Mutex // owns the fields below
	done     int        // recipients
	status   int        // of all failures so far
	doubtful bool
	late     bool            // --wait timed out
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
	switch {
	case status == exitOK:
		if _, ok := r.(result.Receipt); ok {
			t.done++
		}
		if r == (result.Done{What: result.NotSearched}) && t.source == fromShell { // a warning, not a fact
			t.failures = append(t.failures, r)
			return true
		}
		return false
	case status == exitUnconfirmed:
		t.doubtful = true
	case status == exitTimedOut:
		t.late = true
	case t.status != exitOK && t.status != status:
		t.status = exitFailed
	default:
		t.status = status
	}
	failed, _ := r.(result.Failure) // a pipe's end is on standard error
	kept = t.source == fromShell && !t.told || failed.Reason == result.AnswersMissing
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
	wanted := voluntary(cause)
	switch {
	case !wanted && t.source == fromShell:
		return endingOf(cause).exit
	case !wanted: // ended from outside, or never let in
		return exitFailed
	case t.source == fromTerminal:
		return exitOK
	case t.doubtful:
		return exitUnconfirmed
	case t.late && t.status == exitOK:
		return exitTimedOut
	case t.status == exitOK || t.source == fromShell && t.done == 0:
		return t.status
	case t.source == fromShell:
		return exitPartly
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
