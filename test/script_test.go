package test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/script/*.txtar, which are about the command line. They
// have these commands beside those of testscript:
//
//	status N COMMAND...    runs it, expects this exit status, leaves its output in
//	                       the files out and err
//	lines N FILE           the file has so many lines
//	mode MODE FILE         the file or folder has these permissions
//	start NAME ARGS...     runs whoelse until it is ready; $NAME_port and $NAME_line
//	end NAME SIGNAL        ends it; by TERM or INT it exits with 0
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Values["servers"] = map[string]*server{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": runStatus, "lines": countLines, "mode": checkMode, "start": startNamed, "end": endNamed,
		},
	})
}

// scripted makes a command that runs as the script's own do.
func scripted(ts *testscript.TestScript, name string, args []string) *exec.Cmd {
	if name == "whoelse" {
		name = binary
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = ts.MkAbs(".")
	for _, v := range []string{"PATH", "HOME", "TMPDIR", "WHOELSE_LISTEN", "WHOELSE_HOSTNAME", "WHOELSE_DATA", "WHOELSE_MESSAGE_RATE", "WHOELSE_MOTD", "WHOELSE_LOG_FORMAT",
		"WHOELSE_INBOX_MAX", "WHOELSE_HISTORY_MAX_BYTES", "WHOELSE_ROOM_HISTORY_MAX", "WHOELSE_RETENTION", "WHOELSE_METRICS"} {
		if value := ts.Getenv(v); value != "" {
			cmd.Env = append(cmd.Env, v+"="+value)
		}
	}
	return cmd
}

func runStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND...")
	}
	cmd := scripted(ts, args[1], args[2:])
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	err := cmd.Run()
	late.Stop()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		ts.Fatalf("%v", err)
	}
	ts.Check(os.WriteFile(ts.MkAbs("out"), []byte(out.String()), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("err"), []byte(errs.String()), 0o600))
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("exit status %s, want %s\n%s%s", got, args[0], out.String(), errs.String())
	}
}

func countLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lines N FILE")
	}
	text := ts.ReadFile(args[1])
	if got := strconv.Itoa(strings.Count(text, "\n")); got != args[0] {
		ts.Fatalf("%s has %s lines, want %s:\n%s", args[1], got, args[0], text)
	}
}

func checkMode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode MODE FILE")
	}
	want, err := strconv.ParseUint(args[0], 8, 32)
	ts.Check(err)
	fi, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if fi.Mode().Perm() != fs.FileMode(want) {
		ts.Fatalf("%s has mode %04o, want %s", args[1], fi.Mode().Perm(), args[0])
	}
}

// scriptT is a script's testing.TB, as far as a server needs one.
type scriptT struct {
	testing.TB
	ts *testscript.TestScript
}

func (s scriptT) Helper()                   {}
func (s scriptT) Cleanup(f func())          { s.ts.Defer(f) }
func (s scriptT) Fatal(args ...any)         { s.ts.Fatalf("%s", fmt.Sprint(args...)) }
func (s scriptT) Fatalf(f string, a ...any) { s.ts.Fatalf(f, a...) }

func startNamed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: start NAME ARGS...")
	}
	s, err := launch(scriptT{ts: ts}, scripted(ts, "whoelse", args[1:]))
	ts.Check(err)
	ts.Value("servers").(map[string]*server)[args[0]] = s
	ts.Setenv(args[0]+"_port", s.port)
	ts.Setenv(args[0]+"_line", s.line)
}

func endNamed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: end NAME SIGNAL")
	}
	s := ts.Value("servers").(map[string]*server)[args[0]]
	sig := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL}[args[1]]
	err := s.signal(sig, patience)
	if err != nil && sig != syscall.SIGKILL {
		ts.Fatalf("%v: %v\n%s", sig, err, s.log())
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".log"), []byte(s.log()), 0o600))
}
