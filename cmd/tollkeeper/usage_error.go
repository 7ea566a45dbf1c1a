package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// explain makes every command below root answer a mistake in how it was called with what is wrong, in the words of the
// settings, and with where its help is. Without it a group such as `keys` takes a mistyped command for a question for help and
// exits 0.
func explain(root *cobra.Command) {
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see '%s --help'", plain(err), cmd.CommandPath())
	})
	var each func(cmd *cobra.Command)
	each = func(cmd *cobra.Command) {
		for _, c := range cmd.Commands() {
			each(c)
		}
		switch check := cmd.Args; {
		case cmd.HasSubCommands() && cmd.RunE == nil:
			cmd.Args = unknownCommand
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		case check != nil:
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				if err := check(cmd, args); err != nil {
					return fmt.Errorf("%w; it is called as '%s'", err, cmd.UseLine())
				}
				return nil
			}
		}
	}
	each(root)
}

func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		meant := near[0]
		if i := slices.IndexFunc(near, func(name string) bool { return letters(name) == letters(args[0]) }); i >= 0 {
			meant = near[i] // typed in another order, which happens most
		}
		hint = "; did you mean " + meant + "?"
	}
	return fmt.Errorf("unknown command %q for %q%s; see '%s --help'", args[0], cmd.CommandPath(), hint, cmd.CommandPath())
}

// letters are those of a word in the order of the alphabet.
func letters(word string) string {
	l := []byte(word)
	slices.Sort(l)
	return string(l)
}

// missingFlags puts cobra's complaint about flags that a command needs into the words of the others.
func missingFlags(cmd *cobra.Command, err error) error {
	list, ok := strings.CutPrefix(err.Error(), "required flag(s) ")
	if !ok {
		return err
	}
	names := strings.ReplaceAll(strings.TrimSuffix(list, " not set"), `"`, "")
	return fmt.Errorf("--%s is missing; see '%s --help'", strings.ReplaceAll(names, ", ", ", --"), cmd.CommandPath())
}

// plain says what is wrong with a flag's value without the names of Go's parsers.
func plain(err error) error {
	bad, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	want := map[string]string{"int": "is not a whole number", "duration": "is not a duration such as 15m", "bool": "is neither true nor false", "size": "is not a size such as 512MiB or 2GiB"}
	if text, known := want[bad.GetFlag().Value.Type()]; known {
		return fmt.Errorf("--%s: %q %s", bad.GetFlag().Name, bad.GetValue(), text)
	}
	return err
}
