package main

import (
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

func newDeadLettersCmd() *cobra.Command {
	r := &remote{}
	cmd := &cobra.Command{Use: "deadletters", Short: "Look at log lines that could not be read, on a running server"}
	r.flags(cmd)
	var reason string
	var limit int
	list := &cobra.Command{Use: "list", Short: "List dead letters, the newest first, secrets removed", Args: cobra.NoArgs}
	list.Flags().StringVar(&reason, "reason", "", "only those refused for this reason, such as bad_json")
	list.Flags().IntVar(&limit, "limit", 50, "how many, at most 200")
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		var page gen.DeadLetterPage
		if printed, err := r.call(cmd, http.MethodGet, "/v1/dead-letters"+query("reason", reason, "limit", strconv.Itoa(limit)), nil, &page); err != nil || printed {
			return err
		}
		return table(cmd.OutOrStdout(), func(row func(...any)) {
			row("AT", "WHERE", "REASON", "DETAIL", "LINE")
			for _, l := range page.Items {
				row(l.At, l.Topic+"/"+strconv.Itoa(int(l.Partition))+"@"+strconv.FormatInt(l.Offset, 10), l.Reason, l.Detail, strconv.Quote(l.Line))
			}
		})
	}
	cmd.AddCommand(list)
	return cmd
}
