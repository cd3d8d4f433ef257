package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"whoelse/internal/cli"
	"whoelse/internal/disk"
	"whoelse/room/attachments"
	"whoelse/room/history"
)

func check() *cobra.Command {
	var repair bool
	c := &cobra.Command{
		Use: "check [--repair] [--data FOLDER]", Args: cli.Args(),
		Short: "Check the data folder for damage, and repair it",
		Long: "Reads every history, the log and the JSON files in the data folder, and changes nothing;\n" +
			"a server may be running. Damage is reported with its file and byte. Bytes set aside earlier,\n" +
			"and unknown files, are mentioned and are no error. The exit status is 1 if anything is wrong.\n\n" +
			"With --repair, which needs the server stopped, the log is applied first, as at a start. Then\n" +
			"damaged bytes go to the .torn file beside their file. Nothing is deleted. If it was\n" +
			"interrupted, run it again.",
	}
	c.Flags().BoolVar(&repair, "repair", false, "set aside damaged bytes of the histories")
	return cli.Command(c, func(r *cli.Run, _ []string) error {
		dir, err := historiesIn(r, repair)
		if err != nil {
			return err
		}
		say := func(f history.Problem) {
			f.File = filepath.Join("history", f.File)
			r.Say("%s", f)
		}
		read := int64(0)
		step := func(bytes int64) {
			read += bytes
			r.Progress("%s read", size(read))
		}
		if repair {
			mended := 0
			err := history.Repair(r.Context(), dir, r.Log(), history.Checking{Step: step, Tell: func(f history.Problem) {
				if f.Severity == history.Damage {
					mended++
					f.What = "mended: " + f.What
					say(f)
				}
			}})
			if err != nil {
				return explain(r, "the histories can't be repaired", err, "; run the same command again")
			}
			r.Say("%s mended", cli.Count(mended, "problem"))
		}
		sum, err := history.Check(r.Context(), dir, history.Checking{Step: step, Tell: say})
		if err != nil {
			return explain(r, "the histories can't be checked", err, "")
		}
		rest := sum.Trouble + checkOthers(r) + checkFiles(r)
		r.Say("%s, %s, %d damaged, %s set aside, %s in the log", cli.Count(sum.Files, "file"),
			cli.Count(sum.Records, "record"), sum.Damaged, size(sum.Aside), cli.Count(sum.Waiting, "event"))
		found := fmt.Sprintf("%s found in %s", cli.Count(sum.Damaged+rest, "problem"), r.Data)
		switch {
		case sum.Damaged > 0:
			return fmt.Errorf("%s; stop the server, and %d can be mended with: whoelse check --repair --data %s",
				found, sum.Damaged, quoted(r.Data))
		case rest > 0:
			return fmt.Errorf("%s, to be mended by hand", found)
		}
		return nil
	})
}

// checkOthers parses the other JSON files in the data folder, and returns how many are broken.
func checkOthers(r *cli.Run) (broken int) {
	for _, pattern := range []string{"*.json", "settings/*.json", "rooms/*.json", "*.jsonl"} {
		names, _ := fs.Glob(os.DirFS(r.Data), pattern) // the pattern is a good one
		for _, name := range names {
			if err := checkJSON(filepath.Join(r.Data, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				broken++
				r.Say("%s: %v; mend it by hand, or move it away", name, err)
			}
		}
	}
	return broken
}

// checkFiles reads the files that people sent, and returns how many are damaged.
func checkFiles(r *cli.Run) (broken int) {
	_, err := attachments.Check(filepath.Join(r.Data, attachments.Folder), func(name, problem string) {
		broken++
		r.Say("%s/%s: %s; move it away", attachments.Folder, name, problem)
	})
	if err != nil {
		broken++
		r.Say("%s: %v", attachments.Folder, err)
	}
	return broken
}

// checkJSON parses a JSON file, or the whole lines of a .jsonl one.
func checkJSON(path string) error {
	f, err := disk.OpenRegular(path)
	if errors.Is(err, disk.ErrNotRegular) {
		return errors.New("is not a file")
	}
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	values := [][]byte{text}
	if strings.HasSuffix(path, ".jsonl") {
		values = slices.Collect(bytes.Lines(text[:bytes.LastIndexByte(text, '\n')+1]))
	} else if err == nil && len(text) == 0 {
		err = errors.New("is empty")
	}
	at := int64(0)
	for _, v := range values {
		if bad, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(v, new(json.RawMessage))); ok && err == nil {
			err = fmt.Errorf("byte %d: %w", at+bad.Offset, bad)
		}
		at += int64(len(v))
	}
	return err
}
