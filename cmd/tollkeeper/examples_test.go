package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// calls finds the calls of the program in a text for people, as their words.
func calls(text string) (list [][]string) {
	word := regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`)
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, " #")
		for part := range strings.SplitSeq(line, "&&") {
			at := regexp.MustCompile(`^\s*([A-Z_]+=\S+ )*tollkeeper `).FindString(part)
			if at == "" {
				continue
			}
			part, _, _ = strings.Cut(part[len(at):], " > ")
			part, _, _ = strings.Cut(part, " | ")
			var args []string
			for _, w := range word.FindAllString(part, -1) {
				args = append(args, strings.Trim(w, `'"`))
			}
			list = append(list, args)
		}
	}
	return list
}

// What help and README tell one to type is a command that there is, with flags and arguments that it takes.
func TestEveryExampleIsACommandThatThereIs(t *testing.T) {
	var all [][]string
	var each func(cmd *cobra.Command)
	each = func(cmd *cobra.Command) {
		found := calls(cmd.Example)
		own := func(args []string) bool {
			return strings.HasPrefix("tollkeeper "+strings.Join(args, " "), cmd.CommandPath())
		}
		require.True(t, len(found) == 0 || slices.ContainsFunc(found, own), "%s shows only other commands", cmd.CommandPath())
		all = append(all, found...)
		for _, c := range cmd.Commands() {
			each(c)
		}
	}
	each(newRootCmd())
	inHelp := len(all)
	require.Greater(t, inHelp, 30)
	for _, file := range []string{"../../README.md", "../../docs/notifications.md"} {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		all = append(all, calls(string(raw))...)
	}
	require.Greater(t, len(all), inHelp+15)
	for _, args := range all {
		cmd, rest, err := newRootCmd().Find(args)
		require.NoError(t, err, "%v", args)
		require.True(t, cmd.Runnable(), "%v is no whole command", args)
		require.NoError(t, cmd.ParseFlags(rest), "%v", args)
		require.NoError(t, cmd.ValidateArgs(cmd.Flags().Args()), "%v", args)
	}
}
