package command

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func (k *commands) list() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List who holds which nick, by which key", Args: k.exactly(),
		Long: "Each line has a nick, the key's fingerprint and its type, and what there is to say\n" +
			"about it: operator, authority, added=, expires= or expired=, from=, disabled=.",
		RunE: func(c *cobra.Command, _ []string) error {
			reg, err := k.registry()
			if err != nil {
				return err
			}
			if asJSON {
				return sayJSON(c, reg.List())
			}
			_, err = c.OutOrStdout().Write(table(reg.List(), time.Now()))
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON array")
	return c
}

func (k *commands) export() *cobra.Command {
	return &cobra.Command{
		Use: "export [NICK...]", Short: "Print the lines in force, as they stand in authorized_keys",
		Long: "Prints the lines that let somebody in now, of the given nicks or of all.",
		RunE: func(c *cobra.Command, args []string) error {
			var nicks []string
			for _, typed := range args {
				n, err := k.nick(typed)
				if err != nil {
					return err
				}
				nicks = append(nicks, n)
			}
			reg, err := k.registry()
			if err != nil {
				return err
			}
			for _, n := range nicks {
				if !reg.Held(n) {
					return fmt.Errorf("nobody holds %s; whoelse keys list shows who there is", n)
				}
			}
			_, err = c.OutOrStdout().Write(reg.Export(nicks...))
			return err
		},
	}
}
