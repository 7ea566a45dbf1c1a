package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

var errNotIntact = errors.New("not intact")

func newTrailCmd() *cobra.Command {
	r := &remote{patience: 11 * time.Minute} // the server gives up after ten
	cmd := &cobra.Command{
		Use: "trail", Short: "Show who did what on a running server, and check that nobody changed the record of it",
		Long: "The audit trail has an entry for every change of a key, account, alert, plan, statement, token or policy, by people and by the detectors.",
	}
	r.flags(cmd)
	cmd.AddCommand(trailList(r), trailCheck(r))
	return cmd
}

func trailList(r *remote) *cobra.Command {
	var target, actor, action, since, until string
	var at paging
	cmd := &cobra.Command{
		Use: "list", Short: "List entries, the newest first", Args: cobra.NoArgs,
		Example: "  tollkeeper trail list --since 7d --action key.suspend\n  tollkeeper trail list --target key_06h2zra2gtvp43qshcs1vyjdjm",
	}
	cmd.Flags().StringVar(&target, "target", "", "only entries about this key, alert, account, plan or token")
	cmd.Flags().StringVar(&actor, "actor", "", "only entries by this actor, such as user:ada")
	cmd.Flags().StringVar(&action, "action", "", "only this action, such as key.suspend")
	cmd.Flags().StringVar(&since, "since", "", "only entries of this time or later, such as 2026-03-01, 36h or 7d (ago)")
	cmd.Flags().StringVar(&until, "until", "", "only entries before this time")
	at.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		from, to, err := moments(since, until, time.Now().UTC())
		if err != nil {
			return err
		}
		var page gen.AuditPage
		question := at.query("target_id", target, "actor", actor, "action", action, "from", instant(from), "to", instant(to))
		if printed, err := r.call(cmd, http.MethodGet, "/v1/audit"+question, nil, &page); err != nil || printed {
			return err
		}
		err = table(cmd.OutOrStdout(), func(row func(...any)) {
			row("AT", "ACTOR", "ACTION", "TARGET", "BEFORE", "AFTER", "REASON")
			for _, e := range page.Items {
				row(e.At, e.Actor, e.Action, e.TargetId, e.Before, e.After, e.Reason)
			}
		})
		more(cmd, page.NextCursor)
		return err
	}
	return cmd
}

func trailCheck(r *remote) *cobra.Command {
	var noted string
	cmd := &cobra.Command{
		Use: "check", Short: "Check that no entry was changed, removed or put in since it was written", Args: cobra.NoArgs,
		Long: "Every entry vouches for the one before it, under a key that is not in the database. Exit 1 when one is not as it was written.\n" +
			"The last line names the end of the trail: note it elsewhere, and give it to a later check, so that a database which was put\n" +
			"back as a whole to an earlier copy of itself is found, too. The server logs one every hour.",
		Example: "  tollkeeper trail check\n  tollkeeper trail check --noted 1841:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
	}
	cmd.Flags().StringVar(&noted, "noted", "", "what an earlier check gave as the end of the trail: it must still run through that")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var c gen.AuditCheck
		raw, err := r.ask(cmd.Context(), http.MethodGet, "/v1/audit/check"+query("noted", noted), nil)
		if err != nil {
			return err
		}
		if err := decode(raw, &c); err != nil {
			return err
		}
		return r.checked(cmd, raw, c.Intact, fmt.Sprintf("%d entries from number %d on are intact", c.Entries, c.First), c.Head, c.Problem)
	}
	return cmd
}

// checked tells what came of a check: what is intact, and what follows it or what is wrong then. It fails where something is.
func (r *remote) checked(cmd *cobra.Command, raw []byte, intact bool, what, end, problem string) (err error) {
	w := cmd.OutOrStdout()
	switch {
	case r.asJSON:
		_, err = fmt.Fprintln(w, strings.TrimSpace(string(raw)))
	case intact:
		_, err = fmt.Fprintln(w, strings.TrimSpace(what+"\n"+end))
	default:
		_, err = fmt.Fprintf(w, "%s, then: %s\n", what, problem)
	}
	if err == nil && !intact {
		err = failed{errNotIntact}
	}
	return err
}

// moments reads what --since and --until say, each as moment does; zero times where they say nothing.
func moments(since, until string, now time.Time) (from, to time.Time, err error) {
	if from, err = moment("since", since, now); err != nil {
		return from, to, err
	}
	if to, err = moment("until", until, now); err != nil {
		return from, to, err
	}
	if !to.IsZero() && !from.Before(to) {
		return from, to, fmt.Errorf("--since %s is not before --until %s", since, until)
	}
	return from, to, nil
}

// instant writes a time for a query, nothing for the zero time.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
