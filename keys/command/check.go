package command

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"whoelse/keys"
)

func (k *commands) check() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "check", Short: "Tell what is wrong or odd about authorized_keys", Args: k.exactly(),
		Long: "Tells of lines that are disabled, and warns of what may not be meant.\n" +
			"The exit status is 1 if a line is disabled; warnings alone leave it 0.",
		RunE: func(c *cobra.Command, _ []string) error {
			reg, err := k.registry()
			if err != nil {
				return err
			}
			found, err := reg.Check()
			if err != nil {
				return err
			}
			if err := k.tell(c, reg, found, asJSON); err != nil {
				return err
			}
			if err := keys.Unfinished(k.data); err != nil {
				return err
			}
			if n := disabled(found); n > 0 {
				return fmt.Errorf("%s in %s let nobody in; mend or remove them", count(n, "line"), reg.Path())
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON array")
	return c
}

func (k *commands) tell(c *cobra.Command, reg *keys.Registry, found []keys.Problem, asJSON bool) error {
	if asJSON {
		if found == nil {
			found = []keys.Problem{}
		}
		return sayJSON(c, found)
	}
	var lines []string
	for _, p := range found {
		lines = append(lines, p.String())
	}
	bad := disabled(found)
	lines = append(lines, fmt.Sprintf("%s in force, %d disabled, %s",
		count(inForce(reg.List(), time.Now()), "key"), bad, count(len(found)-bad, "warning")))
	return say(c, lines...)
}

func disabled(found []keys.Problem) int {
	n := 0
	for _, p := range found {
		if p.Disabled {
			n++
		}
	}
	return n
}

func inForce(list []keys.Entry, now time.Time) int {
	n := 0
	for _, e := range list {
		if e.Disabled == "" && (e.Expires.IsZero() || now.Before(e.Expires)) {
			n++
		}
	}
	return n
}

// count is "1 line", "2 lines".
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
