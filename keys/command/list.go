package command

import (
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
	c := &cobra.Command{
		Use: "list", Short: "List who holds which nick, by which key",
		Long: "Each line has a nick, the key's fingerprint and its type, and what there is to say\n" +
			"about it: operator, authority, added=, expires= or expired=, from=, disabled=.",
	}
	asJSON := c.Flags().Bool("json", false, "as one JSON array")
	return k.framed(c, false, func([]string) error {
		if *asJSON {
			return k.sayJSON(k.reg.List())
		}
		var text strings.Builder
		w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
		for _, e := range k.reg.List() {
			words := describe(e)
			line := strings.Join(words[:3], "\t")
			if len(words) > 3 {
				line += "\t" + strings.Join(words[3:], " ")
			}
			fmt.Fprintln(w, line)
		}
		_ = w.Flush() // into memory
		k.print(text.String())
		return nil
	})
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

// report is lines about keys that something happened to.
func report(what string, list []keys.Entry) (lines []string) {
	for _, e := range list {
		lines = append(lines, what+" "+strings.Join(describe(e), " "))
	}
	return lines
}

func (k *commands) export() *cobra.Command {
	return k.framed(&cobra.Command{
		Use: "export [NICK...]", Short: "Print the lines in force, as they stand in authorized_keys",
		Long: "Prints the lines that are in force now, of the given nicks or of all.",
	}, false, func(nicks []string) error {
		for _, n := range nicks {
			if err := k.held(n); err != nil {
				return err
			}
		}
		k.print(string(k.reg.Export(nicks...)))
		return nil
	})
}

func (k *commands) check() *cobra.Command {
	c := &cobra.Command{
		Use: "check", Short: "Report mistakes and oddities in authorized_keys",
		Long: "Reports lines that are disabled, and warns of what may not be meant.\n" +
			"The exit status is 1 if a line is disabled; warnings alone leave it 0.",
	}
	asJSON := c.Flags().Bool("json", false, "as one JSON array")
	return k.framed(c, false, func([]string) error {
		found, err := k.reg.Check()
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
		for _, e := range k.reg.List() {
			if e.Disabled == "" && !expired(e) {
				inForce++
			}
		}
		if *asJSON {
			err = k.sayJSON(append([]keys.Problem{}, found...)) // [], not null
		} else {
			k.say(append(lines, fmt.Sprintf("%s in force, %d disabled, %s",
				count(inForce, "key"), disabled, count(len(found)-disabled, "warning")))...)
		}
		if err = cmp.Or(err, keys.Unfinished(k.data)); err == nil && disabled > 0 {
			err = fmt.Errorf("%s in %s let nobody in; mend or remove them", count(disabled, "line"), k.reg.Path())
		}
		return err
	})
}
