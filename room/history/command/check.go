package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"whoelse/internal/atomicfile"
	"whoelse/room/history"
)

func check(cfg Config) *cobra.Command {
	var repair bool
	c := &cobra.Command{
		Use: "check [--repair] [--data FOLDER]", Args: cfg.exactly(),
		Short: "Go over all that is stored, and tell what is damaged",
		Long: "Reads every history, the log and the JSON files in the data folder, and changes\n" +
			"nothing; a server may be running. Each damage is reported with its file and byte. What was\n" +
			"set aside earlier, and files that nothing reads, are mentioned and are no error.\n" +
			"The exit status is 1 if anything is wrong.\n\n" +
			"With --repair, which needs the server stopped, what only the log has after a crash is written\n" +
			"to the histories first, as a start does it. Then damaged bytes go to the .torn file beside\n" +
			"their file. Nothing is deleted. If it was interrupted, run it again.",
	}
	c.Flags().BoolVar(&repair, "repair", false, "set aside what is damaged in the histories")
	return framed(cfg, c, func(k *command, _ []string) error {
		dir, err := k.histories(repair)
		if err == nil && repair {
			err = k.repair(dir)
		}
		if err != nil {
			return err
		}
		return k.check(dir)
	})
}

// checking has what is found told, and how far it is.
func (k *command) checking(verb string, tell func(history.Problem)) history.Checking {
	read := int64(0)
	return history.Checking{
		Tell: func(f history.Problem) {
			f.File = filepath.Join("history", f.File)
			tell(f)
		},
		Step: func(bytes int64) {
			read += bytes
			k.progress("%s %s", verb, size(read))
		},
	}
}

func (k *command) check(dir string) error {
	sum, err := history.Check(k.ctx, dir, k.checking("checked", func(f history.Problem) { k.say("%s", f) }))
	if err != nil {
		return k.failed("the histories can't be checked", err, "")
	}
	rest := sum.Trouble + k.checkOthers()
	k.say("%s, %s, %d damaged, %s set aside, %s in the log", count(sum.Files, "file"),
		count(sum.Records, "record"), sum.Damaged, size(sum.Aside), count(sum.Waiting, "event"))
	found := fmt.Sprintf("%s found in %s", count(sum.Damaged+rest, "problem"), k.data)
	mend := "set aside"
	if sum.Waiting > 0 { // the log may have what is damaged
		mend = "put back from the log or set aside"
	}
	repair := "whoelse check --repair"
	if k.data != "data" {
		repair += " --data " + quoted(k.data)
	}
	switch {
	case sum.Damaged > 0:
		return fmt.Errorf("%s; stop the server, and %d can be %s with: %s", found, sum.Damaged, mend, repair)
	case rest > 0:
		return fmt.Errorf("%s, to be mended by hand", found)
	}
	return nil
}

func (k *command) repair(dir string) error {
	mended := 0
	err := history.Repair(k.ctx, dir, slog.New(k), k.checking("repaired", func(f history.Problem) {
		if f.Severity == history.Damage {
			mended++
			f.What = "mended: " + f.What
			k.say("%s", f)
		}
	}))
	if err != nil {
		return k.failed("the histories can't be repaired", err, "; run the same command again")
	}
	also := ""
	if k.logged > 0 {
		also = "; what was mended as a start does it is reported on standard error"
	}
	k.say("%s mended%s", count(mended, "problem"), also)
	return nil
}

// checkOthers sees that the other files in the data folder that are JSON can be
// understood, and returns how many can't.
func (k *command) checkOthers() (broken int) {
	for _, pattern := range []string{"*.json", "settings/*.json", "*.jsonl"} {
		names, _ := fs.Glob(os.DirFS(k.data), pattern) // the pattern is a good one
		for _, name := range names {
			k.progress("checked %s", history.Clean(name))
			if err := checkJSON(filepath.Join(k.data, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				broken++
				k.say("%s: %v; mend it by hand, or move it away", history.Clean(name), err)
			}
		}
	}
	return broken
}

// checkJSON sees that a file has a JSON value, or one in each line, of which the last may be half written.
func checkJSON(path string) error {
	f, err := atomicfile.OpenRegular(path)
	if errors.Is(err, atomicfile.ErrNotRegular) {
		return errors.New("is not a file")
	}
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	if strings.HasSuffix(path, ".jsonl") {
		at := 0
		for l := range bytes.Lines(text) {
			if bytes.HasSuffix(l, []byte("\n")) && !json.Valid(l) {
				return fmt.Errorf("byte %d: not a line of it", at)
			}
			at += len(l)
		}
		return nil
	}
	if len(text) == 0 {
		return errors.New("is empty")
	}
	var value json.RawMessage
	err = json.Unmarshal(text, &value)
	if at, ok := errors.AsType[*json.SyntaxError](err); ok {
		err = fmt.Errorf("byte %d: %w", at.Offset, err)
	}
	return err
}
