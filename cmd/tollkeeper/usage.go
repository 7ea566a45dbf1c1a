package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

func newUsageCmd() *cobra.Command {
	r := &remote{}
	var key, account, from, to, by string
	var asCSV bool
	cmd := &cobra.Command{
		Use: "usage", Short: "Show what a key or an account used, from a running server", Args: cobra.NoArgs,
		Example: "  tollkeeper usage --account acct_1 --by day\n  tollkeeper usage --key key_1 --from 7d --by hour --csv",
	}
	r.flags(cmd)
	cmd.Flags().StringVar(&key, "key", "", "id of a key")
	cmd.Flags().StringVar(&account, "account", "", "id of an account")
	cmd.Flags().StringVar(&from, "from", "", "start, such as 2026-11-01, 2026-11-01T12:00:00Z or 7d (ago); default: start of the month")
	cmd.Flags().StringVar(&to, "to", "", "end, exclusive, in the same forms; default: now")
	cmd.Flags().StringVar(&by, "by", "", "width of a row: hour, day or month")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "print a table for a spreadsheet")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if (key == "") == (account == "") {
			return errors.New("name either a key with --key or an account with --account")
		}
		now := time.Now().UTC()
		for _, bound := range []struct {
			flag string
			text *string
		}{{"from", &from}, {"to", &to}} {
			at, err := moment(bound.flag, *bound.text, now)
			if err != nil {
				return err
			}
			if !at.IsZero() {
				*bound.text = at.Format(time.RFC3339)
			}
		}
		var u gen.Usage
		asked := query("key_id", key, "account_id", account, "from", from, "to", to, "granularity", by)
		if asCSV {
			return r.copy(cmd, "/v1/usage/csv"+asked)
		}
		path := "/v1/usage" + asked
		if printed, err := r.call(cmd, http.MethodGet, path, nil, &u); err != nil || printed {
			return err
		}
		return table(cmd.OutOrStdout(), func(row func(...any)) {
			row("FROM", "REQUESTS", "ERRORS", "BYTES IN", "BYTES OUT", "UNITS")
			for _, x := range u.Items {
				f := x.Figures
				row(x.Start, f.Requests, f.Errors, f.RequestBytes, f.ResponseBytes, units(f.Units))
			}
			row("total", u.Total.Requests, u.Total.Errors, u.Total.RequestBytes, u.Total.ResponseBytes, units(u.Total.Units))
		})
	}
	return cmd
}

func units(m map[string]int64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s=%d", name, m[name]))
	}
	return strings.Join(parts, " ")
}
