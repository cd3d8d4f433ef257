package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// FromEnvironment sets every flag that was not given from its variable, if there is one:
// --message-rate from WHOELSE_MESSAGE_RATE. The flags may be of any command; the error is
// about the first variable that does not fit.
func FromEnvironment(flags *pflag.FlagSet) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "WHOELSE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, set := os.LookupEnv(name)
		if !set || f.Changed || f.Name == "help" || f.Name == "version" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil && failed == nil {
			failed = fmt.Errorf("in the environment, %s: %q is not a %s", name, value, kindOf(f))
		}
	})
	return failed
}

// FlagError says in plain words which value does not fit which flag, where that is what
// err, of parsing flags, is about. Other errors stay as they are.
func FlagError(err error) error {
	if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Errorf("--%s: %q is not a %s", bad.GetFlag().Name, bad.GetValue(), kindOf(bad.GetFlag()))
	}
	return err
}

// kindOf says in plain words what a flag's value has to be.
func kindOf(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "float64", "int":
		return "number"
	case "bool":
		return "yes or no (true or false)"
	case "size":
		return "size such as 512K, 16M or 2G (0 is no limit)"
	case "span":
		return "span of time such as 12h, 90d or 2w (0 is for ever)"
	}
	return f.Value.Type()
}
