package command

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"whoelse/keys"
	"whoelse/keys/duration"
	"whoelse/keys/internal/sanitize"
)

// adding is what add was told.
type adding struct {
	files         []string
	expires, from string
	operator      bool
}

func (k *commands) add() *cobra.Command {
	var a adding
	c := &cobra.Command{
		Use: "add NICK", Short: "Bind public keys to a nick", Args: k.exactly("NICK"),
		Long: "Reads public keys from files or from standard input, one a line, as .pub files have\n" +
			"them and ssh-add -L prints them. All of them are added, or none. Keys that hold the\n" +
			"nick already stay as they are.",
		RunE: func(c *cobra.Command, args []string) error { return k.runAdd(c, args[0], a) },
	}
	f := c.Flags()
	f.StringArrayVar(&a.files, "key", nil, "`file` of public keys, may be given several times; - is standard input, and the default")
	f.StringVar(&a.expires, "expires", "", "how `long` the keys are good for: 24h, 90d, 2w")
	f.StringVar(&a.from, "from", "", "`addresses` that they are good from: 192.0.2.0/24,!192.0.2.7")
	f.BoolVar(&a.operator, "operator", false, "make their owner an operator")
	return c
}

func (k *commands) runAdd(c *cobra.Command, typed string, a adding) error {
	n, err := k.nick(typed)
	if err != nil {
		return err
	}
	opt, err := a.options(c)
	if err != nil {
		return k.Usage(err)
	}
	list, err := readKeys(c, a.files)
	if err != nil {
		return err
	}
	reg, err := k.newRegistry(c)
	if err != nil {
		return err
	}
	if err := asBefore(reg.Keys(n), list, opt); err != nil {
		return err
	}
	added, err := reg.Add(n, list, opt)
	if err != nil {
		return inTheWay(reg, err)
	}
	warn(c, reg, added)
	return say(c, outcome(reg.Keys(n), list, added)...)
}

// options checks what was typed. A value that was given and is empty is a script's
// mistake, and must not lift a limit.
func (a adding) options(c *cobra.Command) (keys.AddOptions, error) {
	opt := keys.AddOptions{From: a.from, Operator: a.operator}
	if c.Flags().Changed("expires") {
		lasts, err := duration.Parse(a.expires)
		if err != nil {
			return opt, fmt.Errorf("--expires: %w", err)
		}
		opt.Expires = time.Now().Add(lasts)
	}
	if c.Flags().Changed("from") && a.from == "" {
		return opt, errors.New("--from: an address or a block such as 192.0.2.0/24 is needed")
	}
	if err := opt.Check(); err != nil {
		return opt, fmt.Errorf("--from %s: %w", sanitize.Quote(a.from), err)
	}
	return opt, nil
}

// asBefore refuses to leave a key as it is that is to be something else from now on.
func asBefore(had []keys.Entry, list []keys.PublicKey, opt keys.AddOptions) error {
	for _, key := range list {
		fp := keys.Fingerprint(key)
		i := slices.IndexFunc(had, func(e keys.Entry) bool { return e.Fingerprint == fp })
		if i < 0 {
			continue
		}
		what := ""
		switch e := had[i]; {
		case opt.Operator && e.Role == "":
			what = "--operator"
		case opt.From != "" && e.From != sanitize.Text(opt.From):
			what = "--from"
		case !opt.Expires.IsZero() && !e.Expires.Equal(opt.Expires):
			what = "--expires"
		default:
			continue
		}
		return fmt.Errorf("%s holds %s already, and without this %s; remove it first (whoelse keys remove %s), or edit line %d",
			had[i].Nick, fp, what, fp, had[i].Line)
	}
	return nil
}

// inTheWay says which key it is that stands in the file already.
func inTheWay(reg *keys.Registry, err error) error {
	known, ok := errors.AsType[*keys.KeyKnownError](err)
	if !ok {
		return err
	}
	for _, e := range reg.List() {
		if e.Line == known.Line {
			return fmt.Errorf("%s: %w; remove it first: whoelse keys remove %s", e.Fingerprint, err, e.Fingerprint)
		}
	}
	return err
}

// warn tells what is odd about lines that were added, such as a from= that fits
// nobody.
func warn(c *cobra.Command, reg *keys.Registry, added []keys.Entry) {
	found, err := reg.Check()
	if err != nil {
		return // somebody has just broken the file; the keys were added
	}
	for _, p := range found {
		if slices.ContainsFunc(added, func(e keys.Entry) bool { return e.Line == p.Line }) {
			remark(c, "%s", p)
		}
	}
}

// outcome tells of each key in the order in which they were given.
func outcome(has []keys.Entry, list []keys.PublicKey, added []keys.Entry) []string {
	var lines []string
	for _, key := range list {
		fp := keys.Fingerprint(key)
		is := func(e keys.Entry) bool { return e.Fingerprint == fp }
		i := slices.IndexFunc(has, is)
		if i < 0 {
			continue // removed by somebody in this moment
		}
		what := "already"
		if slices.ContainsFunc(added, is) {
			what = "added"
		}
		if line := did(what, has[i]); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}
