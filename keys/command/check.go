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
			if err := tell(c, reg, found, asJSON); err != nil {
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

func tell(c *cobra.Command, reg *keys.Registry, found []keys.Problem, asJSON bool) error {
	if asJSON {
		return sayJSON(c, append([]keys.Problem{}, found...)) // [], not null
	}
	var lines []string
	for _, p := range found {
		lines = append(lines, p.String())
	}
	inForce := 0
	for _, e := range reg.List() {
		if e.Disabled == "" && (e.Expires.IsZero() || time.Now().Before(e.Expires)) {
			inForce++
		}
	}
	bad := disabled(found)
	lines = append(lines, fmt.Sprintf("%s in force, %d disabled, %s", count(inForce, "key"), bad, count(len(found)-bad, "warning")))
	return say(c, lines...)
}

func disabled(found []keys.Problem) (n int) {
	for _, p := range found {
		if p.Disabled {
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
