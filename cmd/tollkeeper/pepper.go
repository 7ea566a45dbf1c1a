package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/internal/config"
	"github.com/tollkeeper/tollkeeper/keys"
)

func newPepperCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "pepper", Short: "Look after the secret that keys are hashed with",
		Long: "The database holds no key, only its HMAC under a secret beside the database: the file pepper of the data folder, or the setting of that name.",
	}
	cmd.AddCommand(pepperExtend())
	return cmd
}

func pepperExtend() *cobra.Command {
	cmd := &cobra.Command{
		Use: "extend", Short: "Add a version to the file, under which keys are hashed from the next start on", Args: cobra.NoArgs,
		Long: "For when somebody may have seen the file. What was hashed under the older versions stays good, so rotate those keys afterwards\n" +
			"(tollkeeper keys rotate). Give the new file to every process that shares the database before the first of them starts with\n" +
			"it, and keep a copy apart from the database.",
		Example: "  tollkeeper pepper extend --data /var/lib/tollkeeper",
	}
	load := settings(cmd, quiet)
	concerning(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		if c.Pepper != "" {
			return &config.Error{Problems: []config.Problem{{
				Setting: "pepper", Text: "is a setting here, and no file of the data folder: add a line to it with the next number, a space and 64 hexadecimal digits, such as 'openssl rand -hex 32' prints",
			}}}
		}
		path := filepath.Join(c.Data, "pepper")
		version, err := keys.ExtendPepper(path)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("data: %s holds no file named pepper; name the server's data folder with --data", c.Data)
		}
		if err != nil {
			return failed{err}
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s has a version %d: give it to every process on that database, then start them anew\n", path, version)
		return nil
	}
	return cmd
}
