package command

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"whoelse/internal/cli"
	"whoelse/keys"
)

func list() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List nicks and their keys",
		Long: "Each line has a nick, the key's fingerprint and type, and any of: operator, authority,\n" +
			"added=, expires= or expired=, from=, line=, disabled=, pending.",
	}
	asJSON := c.Flags().Bool("json", false, "as one JSON array")
	return framed(c, func(k *command, _ []string) error {
		if *asJSON {
			return k.printJSON(k.reg.List())
		}
		w := tabwriter.NewWriter(k, 0, 0, 2, ' ', 0)
		for _, e := range k.reg.List() {
			fmt.Fprintln(w, strings.Replace(describe(e), " ", "\t", 3))
		}
		return w.Flush()
	})
}

// describe is a line of authorized_keys as people are shown it: nick, fingerprint and
// type, '-' where there is none, and then only the options it has. Scripts read it:
// words do not move or change, and new ones come at the end.
func describe(e keys.Entry) string {
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
	if e.Expired(time.Now()) {
		add("expired", e.Expires.UTC().Format(time.RFC3339))
	} else if !e.Expires.IsZero() {
		add("expires", e.Expires.UTC().Format(time.RFC3339))
	}
	add("from", e.From)
	if e.Disabled != "" {
		add("line", strconv.Itoa(e.Line))
		add("disabled", e.Disabled)
	}
	if e.Pending {
		words = append(words, "pending")
	}
	return strings.Join(words, " ")
}

// report prints keys that something happened to.
func (k *command) report(what string, list []keys.Entry) {
	for _, e := range list {
		k.Say("%s %s", what, describe(e))
	}
	if len(list) > 0 && what != "already" {
		k.remarkCluster()
	}
}

func export() *cobra.Command {
	return framed(&cobra.Command{
		Use: "export [NICK...]", Short: "Print the lines in force, as they are in authorized_keys",
		Long: "Prints the lines in force, for the given nicks or for all.",
	}, func(k *command, nicks []string) error {
		for _, n := range nicks {
			if err := k.checkHeld(n); err != nil {
				return err
			}
		}
		_, err := k.Write(k.reg.Export(nicks...))
		return err
	})
}

func check() *cobra.Command {
	c := &cobra.Command{
		Use: "check", Short: "Report mistakes in authorized_keys",
		Long: "Reports disabled lines, and warns of expired ones, duplicate keys and look-alike nicks.\n" +
			"The exit status is 1 if a line is disabled; warnings alone leave it 0.",
	}
	asJSON := c.Flags().Bool("json", false, "as one JSON array")
	return framed(c, func(k *command, _ []string) error {
		found, err := k.reg.Check()
		if err != nil {
			return err
		}
		disabled, inForce := 0, 0
		for _, p := range found {
			if !*asJSON {
				k.Say("%s", p)
			}
			if p.Disabled {
				disabled++
			}
		}
		for _, e := range k.reg.List() {
			if e.Disabled == "" && !e.Expired(time.Now()) {
				inForce++
			}
		}
		if *asJSON {
			err = k.printJSON(append([]keys.Problem{}, found...)) // [], not null
		} else {
			k.Say("%s in force, %d disabled, %s",
				cli.Count(inForce, "key"), disabled, cli.Count(len(found)-disabled, "warning"))
		}
		if err = cmp.Or(err, keys.Unfinished(k.Data)); err == nil && disabled > 0 {
			err = fmt.Errorf("%s in %s let nobody in; mend or remove them", cli.Count(disabled, "line"), k.file("authorized_keys"))
		}
		return err
	})
}
