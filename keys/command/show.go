package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"whoelse/keys"
)

// describe is a line of authorized_keys as people are shown it: nick, fingerprint and
// type, '-' where there is none, and then only what there is to say. Its form is
// what scripts read: words do not move or change, and new ones come at the end.
func describe(e keys.Entry, now time.Time) []string {
	words := []string{orDash(e.Nick), orDash(e.Fingerprint), orDash(e.Type)}
	add := func(name, value string) {
		if value != "" {
			words = append(words, name+"="+bare(value))
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
	switch {
	case e.Expires.IsZero():
	case now.Before(e.Expires):
		add("expires", e.Expires.UTC().Format(time.RFC3339))
	default:
		add("expired", e.Expires.UTC().Format(time.RFC3339))
	}
	add("from", e.From)
	if e.Disabled != "" {
		add("line", strconv.Itoa(e.Line))
		add("disabled", e.Disabled)
	}
	return words
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// bare quotes a value unless it is one word as it is.
func bare(s string) string {
	if strings.ContainsAny(s, " \"\\") {
		return strconv.Quote(s)
	}
	return s
}

// did is one line about a key that something happened to.
func did(what string, e keys.Entry) string {
	return what + " " + strings.Join(describe(e, time.Now()), " ")
}

// table aligns nick, fingerprint and type.
func table(list []keys.Entry, now time.Time) []byte {
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, e := range list {
		words := describe(e, now)
		line := strings.Join(words[:3], "\t")
		if len(words) > 3 {
			line += "\t" + strings.Join(words[3:], " ")
		}
		fmt.Fprintln(w, line)
	}
	_ = w.Flush() // into memory
	return text.Bytes()
}

// sayJSON writes v for another program.
func sayJSON(c *cobra.Command, v any) error {
	e := json.NewEncoder(c.OutOrStdout())
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
