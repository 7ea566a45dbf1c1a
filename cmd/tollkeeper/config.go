package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newConfigCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check or print the settings"}
	check := &cobra.Command{
		Use: "check", Short: "Report every problem with the settings; opens nothing but the files they name", Args: cobra.NoArgs,
	}
	load := settings(check)
	check.RunE = func(cmd *cobra.Command, _ []string) error {
		if _, err := load(); err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), "the settings are valid")
		return nil
	}
	show := &cobra.Command{
		Use: "print", Short: "Print the settings as a file that --config reads, secrets left out", Args: cobra.NoArgs,
	}
	loadShow := settings(show)
	show.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := loadShow()
		if err != nil {
			return err
		}
		fmt.Fprint(cmd.OutOrStdout(), c.Print())
		return nil
	}
	cmd.AddCommand(check, show)
	return cmd
}
