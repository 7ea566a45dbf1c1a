package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

func newDeadLettersCmd() *cobra.Command {
	r := &remote{}
	cmd := &cobra.Command{Use: "deadletters", Short: "Look at log lines that could not be read, on a running server"}
	r.flags(cmd)
	var reason string
	var at paging
	list := &cobra.Command{Use: "list", Short: "List dead letters, the newest first, secrets removed", Args: cobra.NoArgs}
	list.Flags().StringVar(&reason, "reason", "", "only those refused for this reason, such as bad_json")
	at.flags(list)
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		var page gen.DeadLetterPage
		if printed, err := r.call(cmd, http.MethodGet, "/v1/dead-letters"+at.query("reason", reason), nil, &page); err != nil || printed {
			return err
		}
		err := table(cmd.OutOrStdout(), func(row func(...any)) {
			row("AT", "WHERE", "REASON", "DETAIL", "LINE")
			for _, l := range page.Items {
				row(l.At, l.Topic+"/"+strconv.Itoa(int(l.Partition))+"@"+strconv.FormatInt(l.Offset, 10), l.Reason, l.Detail, strconv.Quote(l.Line))
			}
		})
		more(cmd, page.NextCursor)
		return err
	}
	cmd.AddCommand(list, deadLettersReplay(r))
	return cmd
}

func deadLettersReplay(r *remote) *cobra.Command {
	var body gen.ReplayRequest
	cmd := &cobra.Command{
		Use: "replay", Short: "Read dead letters again from the log, and count those that can be read now", Args: cobra.NoArgs,
		Long: "Read the original lines again with the server's present settings. It may be broken off and repeated: a line counts\n" +
			"once. With --dry-run nothing changes.",
		Example: "  tollkeeper deadletters replay --dry-run --reason bad_time",
	}
	cmd.Flags().StringVar(&body.Topic, "topic", "", "only letters of this topic")
	cmd.Flags().StringVar(&body.Reason, "reason", "", "only letters refused for this reason, such as bad_json")
	cmd.Flags().BoolVar(&body.DryRun, "dry-run", false, "only say what would be counted")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		bar := counting(cmd.ErrOrStderr(), "replaying")
		all, err := replayAll(cmd, r, body, bar)
		bar.end()
		if err != nil {
			return err
		}
		if r.asJSON {
			return json.NewEncoder(cmd.OutOrStdout()).Encode(all)
		}
		return printReplay(cmd.OutOrStdout(), all, body.DryRun)
	}
	return cmd
}

// replayAll goes through all pages and adds them up.
func replayAll(cmd *cobra.Command, r *remote, body gen.ReplayRequest, bar *bar) (all gen.ReplayResult, err error) {
	reasons := map[string]*gen.ReplayedReason{}
	for {
		raw, err := r.ask(cmd.Context(), http.MethodPost, "/v1/dead-letters/replay", body)
		if err != nil {
			return all, err
		}
		var page gen.ReplayResult
		if err := decode(raw, &page); err != nil {
			return all, err
		}
		all.Tried += page.Tried
		all.Replayed += page.Replayed
		all.Repeats += page.Repeats
		all.Refused += page.Refused
		all.Gone += page.Gone
		all.Waiting += page.Waiting
		all.Selected = max(all.Selected, page.Selected)
		for _, p := range page.Reasons {
			sum := reasons[p.Reason]
			if sum == nil {
				sum = &gen.ReplayedReason{Reason: p.Reason}
				reasons[p.Reason] = sum
			}
			sum.Tried += p.Tried
			sum.Replayed += p.Replayed
			sum.Repeats += p.Repeats
			sum.Refused += p.Refused
			sum.Gone += p.Gone
			sum.Waiting += p.Waiting
		}
		bar.set(all.Tried, max(all.Selected, all.Tried))
		if body.Cursor = page.NextCursor; body.Cursor == "" {
			break
		}
	}
	all.Reasons = []gen.ReplayedReason{}
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		all.Reasons = append(all.Reasons, *reasons[reason])
	}
	return all, nil
}

func printReplay(w io.Writer, r gen.ReplayResult, dry bool) error {
	if len(r.Reasons) > 0 {
		if err := table(w, func(row func(...any)) {
			row("REASON", "TRIED", "EVENTS", "OF THEM REPEATS", "STILL REFUSED", "GONE", "WAITING")
			for _, p := range r.Reasons {
				row(p.Reason, p.Tried, p.Replayed, p.Repeats, p.Refused, p.Gone, p.Waiting)
			}
		}); err != nil {
			return err
		}
	}
	are := "are"
	if dry {
		are = "would be"
	}
	_, err := fmt.Fprintf(w, "%d tried: %d %s events now, %d of them repeats that do not count; %d still cannot be read, %d are no longer in the log\n",
		r.Tried, r.Replayed, are, r.Repeats, r.Refused, r.Gone)
	if err == nil && r.Waiting > 0 {
		_, err = fmt.Fprintf(w, "%d wait until their neighbours in the log are stored; run the command again then\n", r.Waiting)
	}
	return err
}
