package command

import (
	"bytes"
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"whoelse/keys"
)

func (k *commands) list() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List who holds which nick, by which key",
		Long: "Each line has a nick, the key's fingerprint and its type, and what there is to say\n" +
			"about it: operator, authority, added=, expires= or expired=, from=, disabled=.",
		RunE: func(c *cobra.Command, _ []string) error {
			reg, err := k.registry(c, false)
			if err != nil {
				return err
			}
			if asJSON {
				return sayJSON(c, reg.List())
			}
			var text bytes.Buffer
			w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
			for _, e := range reg.List() {
				words := describe(e)
				line := strings.Join(words[:3], "\t")
				if len(words) > 3 {
					line += "\t" + strings.Join(words[3:], " ")
				}
				fmt.Fprintln(w, line)
			}
			_ = w.Flush() // into memory
			_, err = c.OutOrStdout().Write(text.Bytes())
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON array")
	return c
}

// describe is a line of authorized_keys as people are shown it: nick, fingerprint and
// type, '-' where there is none, and then only the options it has. Scripts read it:
// words do not move or change, and new ones come at the end.
func describe(e keys.Entry) []string {
	words := []string{cmp.Or(e.Nick, "-"), cmp.Or(e.Fingerprint, "-"), cmp.Or(e.Type, "-")}
	add := func(name, value string) {
		if strings.ContainsAny(value, " \"\\") {
			value = strconv.Quote(value)
		}
		if value != "" {
			words = append(words, name+"="+value)
		}
	}
	if e.Role != "" {
		words = append(words, e.Role)
	}
	if e.Authority {
		words = append(words, "authority")
		add("principals", strings.Join(e.Principals, ","))
		add("comment", e.Comment)
	}
	if !e.Added.IsZero() {
		add("added", e.Added.Format(time.DateOnly))
	}
	if expired(e) {
		add("expired", e.Expires.UTC().Format(time.RFC3339))
	} else if !e.Expires.IsZero() {
		add("expires", e.Expires.UTC().Format(time.RFC3339))
	}
	add("from", e.From)
	if e.Disabled != "" {
		add("line", strconv.Itoa(e.Line))
		add("disabled", e.Disabled)
	}
	return words
}

func expired(e keys.Entry) bool { return !e.Expires.IsZero() && !time.Now().Before(e.Expires) }

// did is lines about keys that something happened to.
func did(what string, list []keys.Entry) (lines []string) {
	for _, e := range list {
		lines = append(lines, what+" "+strings.Join(describe(e), " "))
	}
	return lines
}

func (k *commands) export() *cobra.Command {
	return &cobra.Command{
		Use: "export [NICK...]", Short: "Print the lines in force, as they stand in authorized_keys",
		Long: "Prints the lines that are in force now, of the given nicks or of all.",
		RunE: func(c *cobra.Command, nicks []string) error {
			reg, err := k.registry(c, false)
			if err != nil {
				return err
			}
			for _, n := range nicks {
				if err := held(reg, n); err != nil {
					return err
				}
			}
			_, err = c.OutOrStdout().Write(reg.Export(nicks...))
			return err
		},
	}
}

func held(reg *keys.Registry, n string) error {
	if !reg.Held(n) {
		return fmt.Errorf("nobody holds %s; whoelse keys list shows who there is", n)
	}
	return nil
}

func (k *commands) check() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "check", Short: "Report mistakes and oddities in authorized_keys",
		Long: "Reports lines that are disabled, and warns of what may not be meant.\n" +
			"The exit status is 1 if a line is disabled; warnings alone leave it 0.",
		RunE: func(c *cobra.Command, _ []string) error { return k.runCheck(c, asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON array")
	return c
}

func (k *commands) runCheck(c *cobra.Command, asJSON bool) error {
	reg, err := k.registry(c, false)
	if err != nil {
		return err
	}
	found, err := reg.Check()
	if err != nil {
		return err
	}
	var lines []string
	disabled, inForce := 0, 0
	for _, p := range found {
		lines = append(lines, p.String())
		if p.Disabled {
			disabled++
		}
	}
	for _, e := range reg.List() {
		if e.Disabled == "" && !expired(e) {
			inForce++
		}
	}
	if asJSON {
		err = sayJSON(c, append([]keys.Problem{}, found...)) // [], not null
	} else {
		err = say(c, append(lines, fmt.Sprintf("%s in force, %d disabled, %s",
			count(inForce, "key"), disabled, count(len(found)-disabled, "warning")))...)
	}
	if err == nil {
		err = keys.Unfinished(k.data)
	}
	if err == nil && disabled > 0 {
		err = fmt.Errorf("%s in %s let nobody in; mend or remove them", count(disabled, "line"), reg.Path())
	}
	return err
}
