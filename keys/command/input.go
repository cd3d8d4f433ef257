package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"whoelse/keys"
)

// inputMax is more than ParseKeys takes: it says that it is too much.
const inputMax = 2 << 20

const standardInput = "-"

// readKeys reads public keys from files. All of them have to be good.
func readKeys(c *cobra.Command, files []string) ([]keys.PublicKey, error) {
	if len(files) == 0 {
		files = []string{standardInput}
	}
	var all []keys.PublicKey
	for _, file := range files {
		name, text, err := readSource(c, file)
		if err != nil {
			return nil, fmt.Errorf("%s can't be read: %w; nothing was added", name, err)
		}
		text, certificates := withoutCertificates(text)
		if certificates > 0 {
			remark(c, "%s: left out %s", name, count(certificates, "certificate"))
		}
		list, err := keys.ParseKeys(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w; nothing was added", name, err)
		}
		all = append(all, list...)
	}
	return all, nil
}

func readSource(c *cobra.Command, file string) (name string, text []byte, err error) {
	name, in := "standard input", c.InOrStdin()
	if file != standardInput {
		name = "--key " + file
		f, err := os.Open(file)
		if err != nil {
			return name, nil, withoutPath(err)
		}
		defer f.Close()
		in = f
	} else if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		remark(c, "paste public keys, one a line, and end with ^D")
	}
	text, err = io.ReadAll(io.LimitReader(in, inputMax))
	return name, text, withoutPath(err)
}

// withoutPath leaves out what is said already.
func withoutPath(err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err
	}
	return err
}

// withoutCertificates blanks the lines that have one, since ssh-add -L prints them
// beside the keys that they are for. Where there is nothing else they stay, to be
// refused.
func withoutCertificates(text []byte) (rest []byte, certificates int) {
	others := false
	for line := range bytes.Lines(text) {
		words := bytes.Fields(line)
		switch {
		case len(words) > 1 && bytes.HasSuffix(words[0], []byte("-cert-v01@openssh.com")):
			certificates++
			line = []byte("\n")
		case len(words) > 0 && words[0][0] != '#':
			others = true
		}
		rest = append(rest, line...)
	}
	if !others {
		return text, 0
	}
	return rest, certificates
}
