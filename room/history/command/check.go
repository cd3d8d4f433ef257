package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"whoelse/room/history"
)

func (k *commands) check() *cobra.Command {
	var repair bool
	c := &cobra.Command{
		Use: "check [--repair] [--data FOLDER]", Short: "Go over all that is stored, and tell what is damaged", Args: k.exactly(),
		Long: "Reads every history, the log and the JSON files in the data folder, and changes\n" +
			"nothing; a server may be running. Each damage is reported with its file and byte. What was\n" +
			"set aside earlier, and files that nothing reads, are mentioned and are no error.\n" +
			"The exit status is 1 if anything is wrong.\n\n" +
			"With --repair, which needs the server stopped, what only the log has after a crash is written\n" +
			"to the histories first, as a start does it. Then damaged bytes go to the .torn file beside\n" +
			"their file. Nothing is deleted. If it was interrupted, run it again.",
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := k.histories()
			if err != nil {
				return err
			}
			if repair {
				if err := k.runRepair(c, dir); err != nil {
					return err
				}
			}
			return k.runCheck(c, dir)
		},
	}
	c.Flags().BoolVar(&repair, "repair", false, "set aside what is damaged in the histories")
	return c
}

// checking shows what is found, and how far it is.
type checking struct {
	c    *cobra.Command
	verb string
	bar  *progress
	read int64
	err  error // of writing to standard output
}

func (s *checking) tell(f history.Finding) {
	s.bar.clear()
	f.File = filepath.Join("history", f.File)
	s.say(f.String())
}

func (s *checking) say(text string) {
	if err := say(s.c, "%s", text); s.err == nil {
		s.err = err
	}
}

func (s *checking) step(bytes int64) {
	s.read += bytes
	s.bar.show("%s %s", s.verb, size(s.read))
}

func (k *commands) runCheck(c *cobra.Command, dir string) error {
	s := &checking{c: c, verb: "checked", bar: newProgress(c)}
	defer s.bar.clear()
	sum, err := history.Check(c.Context(), dir, history.Checking{Tell: s.tell, Step: s.step})
	if err != nil {
		return interrupted(k.because(fmt.Errorf("the histories can't be checked: %w", err), ""), "")
	}
	broken := k.checkOthers(c.Context(), s)
	s.bar.clear()
	s.say(fmt.Sprintf("%s, %s, %d damaged, %s set aside, %s in the log", count(sum.Files, "file"),
		count(sum.Records, "record"), sum.Damaged, size(sum.Aside), count(sum.Waiting, "event")))
	if s.err != nil {
		return s.err
	}
	return k.verdict(sum, broken)
}

// verdict is what is to be done about what was found; broken files are no histories.
func (k *commands) verdict(sum history.Summary, broken int) error {
	rest, repair := sum.Trouble+broken, k.again("check --repair")
	mend := "set aside"
	if sum.Waiting > 0 { // the log may have what is damaged
		mend = "put back from the log or set aside"
	}
	switch {
	case sum.Damaged > 0 && rest > 0:
		return fmt.Errorf("%s found in %s; %d of them can be %s while no server runs, with: %s", count(sum.Damaged+rest, "problem"), k.data, sum.Damaged, mend, repair)
	case sum.Damaged > 0:
		return fmt.Errorf("%s found in %s; stop the server, and what is damaged can be %s with: %s", count(sum.Damaged, "problem"), k.data, mend, repair)
	case rest > 0:
		return fmt.Errorf("%s found in %s, which somebody has to see to", count(rest, "problem"), k.data)
	}
	return nil
}

func (k *commands) runRepair(c *cobra.Command, dir string) error {
	if err := k.mayWrite(); err != nil {
		return err
	}
	s := &checking{c: c, verb: "repaired", bar: newProgress(c)}
	defer s.bar.clear()
	mended := 0
	tell := func(f history.Finding) {
		if f.Grade == history.Damage {
			mended++
			f.What = "mended: " + f.What
			s.tell(f)
		}
	}
	log := &remarks{c: c}
	err := history.Repair(c.Context(), dir, slog.New(log), history.Checking{Tell: tell, Step: s.step})
	if err != nil {
		return interrupted(k.because(err, "repair"), "; run the same command again")
	}
	s.bar.clear()
	also := ""
	if log.n > 0 {
		also = "; what was mended as a start does it is reported on standard error"
	}
	s.say(count(mended, "problem") + " mended" + also)
	return s.err
}

// interrupted puts the end of a context into words.
func interrupted(err error, then string) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted%s", then)
	}
	return err
}
