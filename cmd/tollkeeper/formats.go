package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
)

func newFormatsCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "formats [NAME]", Short: "List the log formats that can be read, or show how to set one up", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			all := accesslog.Formats()
			if len(args) == 1 {
				for _, f := range all {
					if f.Name != args[0] {
						continue
					}
					if asJSON {
						return json.NewEncoder(cmd.OutOrStdout()).Encode(f)
					}
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", f.Name, f.Description)
					if f.Configure != "" {
						fmt.Fprintf(cmd.OutOrStdout(), "\n%s\n", f.Configure)
					}
					return nil
				}
				return fmt.Errorf("there is no format %q; 'tollkeeper formats' lists them", args[0])
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(all)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, f := range all {
				fmt.Fprintf(w, "%s\t%s\t%s\n", f.Name, f.Gateway, f.Description)
			}
			return w.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
