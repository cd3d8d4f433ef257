package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"whoelse/internal/cli"
	"whoelse/keys"
	"whoelse/keys/duration"
	"whoelse/keys/internal/sanitize"
)

const keyFlag = "`file` of public keys, may be given several times; - is standard input, and the default"

func add() *cobra.Command {
	var files []string
	var opt keys.AddOptions
	c := &cobra.Command{
		Use: "add NICK", Short: "Bind public keys to a nick",
		Long: "Reads public keys from files or from standard input, one per line, as in .pub files and\n" +
			"in the output of ssh-add -L. All keys are added, or none. Keys that hold the nick\n" +
			"already stay as they are.",
	}
	f := c.Flags()
	f.StringArrayVar(&files, "key", nil, keyFlag)
	f.Func("expires", "`duration` for which the keys are valid: 24h, 90d, 2w", func(text string) error {
		lasts, err := duration.Parse(text)
		opt.Expires = time.Now().Add(lasts)
		return err
	})
	f.Func("from", "`addresses` from which the keys are valid: 192.0.2.0/24,!192.0.2.7", func(text string) error {
		if opt.From = text; text == "" { // a script's mistake, which must not lift a limit
			return errors.New("must be an address or a block such as 192.0.2.0/24")
		}
		_, err := opt.Text()
		return err
	})
	operator := f.Bool("operator", false, "make their owner an operator")
	bot := f.Bool("bot", false, "mark the nick as a bot's, a program's")
	return unopened(c, func(k *command, args []string) error {
		switch {
		case *operator && *bot:
			return cli.Usage("--operator and --bot exclude each other")
		case *operator:
			opt.Role = keys.RoleOperator
		case *bot:
			opt.Role = keys.RoleBot
		}
		list, err := k.readKeys(files)
		if err != nil {
			return err
		}
		if err := k.create(); err != nil {
			return err
		}
		already := slices.DeleteFunc(k.reg.Keys(args[0]), func(e keys.Entry) bool {
			return e.Pending || !slices.ContainsFunc(list, func(key keys.PublicKey) bool { return keys.Fingerprint(key) == e.Fingerprint })
		})
		for _, e := range already {
			if err := checkUnchanged(e, opt); err != nil {
				return err
			}
		}
		added, err := k.reg.Add(args[0], list, opt)
		if err != nil {
			return explainKnown(err)
		}
		problems, _ := k.reg.Check() // the keys were added, even if the file was broken since
		for _, p := range problems {
			if slices.ContainsFunc(added, func(e keys.Entry) bool { return e.Line == p.Line }) {
				k.Remark("%s", p) // such as a from= that fits nobody
			}
		}
		k.report("already", already)
		k.report("added", added)
		return nil
	})
}

// checkUnchanged refuses an option that a key which stays as it is does not have.
func checkUnchanged(e keys.Entry, opt keys.AddOptions) error {
	what := ""
	switch {
	case opt.Role != "" && e.Role != opt.Role:
		what = "--" + opt.Role
	case opt.From != "" && e.From != sanitize.Text(opt.From):
		what = "--from"
	case !opt.Expires.IsZero() && !e.Expires.Equal(opt.Expires):
		what = "--expires"
	default:
		return nil
	}
	options, err := opt.Text()
	if err != nil {
		return err
	}
	// Not "remove it first": with its last key a nick loses its history.
	return fmt.Errorf("%s holds %s already, and without this %s; put %s before the key in line %d of authorized_keys "+
		"(with a comma in between if the line begins with other options)",
		e.Nick, e.Fingerprint, what, strings.TrimSpace(options), e.Line)
}

// explainKnown names the key that is in the file already.
func explainKnown(err error) error {
	if known, ok := errors.AsType[*keys.KeyKnownError](err); ok && known.Reason != "" {
		return fmt.Errorf("%s: %w; edit that line", known.Fingerprint, err)
	} else if ok {
		return fmt.Errorf("%s: %w; remove it first: whoelse keys remove %[1]s", known.Fingerprint, err)
	}
	return err
}

// certificate is a line that ssh-add -L prints beside the key that it is for.
var certificate = regexp.MustCompile(`(?m)^[ \t]*\S+-cert-v01@openssh\.com[ \t].*$`)

// readKeys reads public keys from files. All of them have to be good.
func (k *command) readKeys(files []string) (all []keys.PublicKey, err error) {
	if len(files) == 0 {
		files = []string{"-"}
	}
	for _, file := range files {
		var text []byte
		name, in := "--key "+file, k.InOrStdin()
		if file != "-" {
			text, err = os.ReadFile(file)
		} else {
			name = "standard input"
			if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
				k.Remark("paste public keys, one a line, and end with ^D")
			}
			text, err = io.ReadAll(io.LimitReader(in, 2<<20)) // more than ParseKeys takes
		}
		if pathError, ok := errors.AsType[*fs.PathError](err); ok {
			err = pathError.Err // the path is in name
		}
		if err != nil {
			return nil, fmt.Errorf("%s can't be read: %w; nothing was added", name, err)
		}
		rest := certificate.ReplaceAll(text, nil) // alone they stay, to be refused
		if n := len(certificate.FindAll(text, -1)); n > 0 && len(bytes.TrimSpace(rest)) > 0 {
			k.Remark("%s: left out %s", name, cli.Count(n, "certificate"))
			text = rest
		}
		list, _, err := keys.ParseKeys(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w; nothing was added", name, err)
		}
		all = append(all, list...)
	}
	return all, nil
}
