package main

import (
	"fmt"
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
	cmd.AddCommand(list, deadLettersReplay(r))
	return cmd
}

func deadLettersReplay(r *remote) *cobra.Command {
	var topic, reason string
	cmd := &cobra.Command{
		Use: "replay", Short: "Read dead letters again from the log, and count those that can be read now", Args: cobra.NoArgs,
		Long: "Read the original lines again with the server's present settings. It may be repeated: a line counts once.",
	}
	cmd.Flags().StringVar(&topic, "topic", "", "only letters of this topic")
	cmd.Flags().StringVar(&reason, "reason", "", "only letters refused for this reason, such as bad_json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var res gen.ReplayResult
		body := gen.ReplayRequest{Topic: topic, Reason: reason}
		if printed, err := r.call(cmd, http.MethodPost, "/v1/dead-letters/replay", body, &res); err != nil || printed {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%d tried: %d are events now, %d still cannot be read, %d are no longer in the log\n",
			res.Tried, res.Replayed, res.Refused, res.Gone)
		return nil
	}
	return cmd
}
