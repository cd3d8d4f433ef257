package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Environment sets every flag that was not given from its variable, if there is one:
// --message-rate from WHOELSE_MESSAGE_RATE. The error is about the first variable that does not fit.
func Environment(flags *pflag.FlagSet) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "WHOELSE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		text, set := os.LookupEnv(name)
		if !set || f.Changed || f.Name == "help" || f.Name == "version" {
			return
		}
		if err := flags.Set(f.Name, text); err != nil && failed == nil {
			failed = Usage("environment variable %s=%s: %w", name, text, cause(err))
		}
	})
	return failed
}

// FlagError is for cobra: it says in plain words which text does not fit which flag.
func FlagError(c *cobra.Command, err error) error {
	if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		err = fmt.Errorf("--%s %s: %w", bad.GetFlag().Name, bad.GetValue(), cause(err))
	}
	return Usage("%w; %s --help lists the flags", err, c.CommandPath())
}

// cause is what is wrong with a flag's text, in plain words where the flag is one of pflag's own.
func cause(err error) error {
	bad, ok := errors.AsType[*pflag.InvalidValueError](err)
	switch {
	case !ok:
		return err
	case bad.GetFlag().Value.Type() == "bool":
		return errors.New("must be true or false")
	}
	return bad.Unwrap()
}
