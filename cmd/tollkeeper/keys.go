package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

func newKeysCmd() *cobra.Command {
	r := &remote{}
	cmd := &cobra.Command{Use: "keys", Short: "List, issue, import, edit, verify, suspend, quarantine, reinstate, revoke, rotate and delete keys on a running server"}
	r.flags(cmd)
	cmd.AddCommand(keysList(r), keysShow(r), keysIssue(r), keysImport(r), keysEdit(r), keysVerify(r), keysRotate(r), keysAssign(r), keysDelete(r), keysQuarantine(r), keysRelease(r))
	for _, verb := range []struct{ name, short, done string }{
		{"suspend", "Refuse a key until it is reinstated, or for a while", "suspended"},
		{"reinstate", "Accept a suspended key again", "reinstated"},
		{"revoke", "Refuse a key for ever", "revoked"},
	} {
		cmd.AddCommand(keysChange(r, verb.name, verb.short, verb.done))
	}
	return cmd
}

func keysList(r *remote) *cobra.Command {
	var status, account, text string
	var at paging
	cmd := &cobra.Command{
		Use: "list", Short: "List keys, the newest first", Args: cobra.NoArgs,
		Example: "  tollkeeper keys list --status suspended\n  tollkeeper keys list --account acct_1 --json",
	}
	cmd.Flags().StringVar(&status, "status", "", "only keys in this state: active, suspended, revoked or expired")
	cmd.Flags().StringVar(&account, "account", "", "only keys of this account")
	cmd.Flags().StringVar(&text, "search", "", "only keys with this in their name or id")
	at.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var page gen.KeyPage
		path := "/v1/keys" + at.query("status", status, "account_id", account, "q", text)
		if printed, err := r.call(cmd, http.MethodGet, path, nil, &page); err != nil || printed {
			return err
		}
		err := table(cmd.OutOrStdout(), func(row func(...any)) {
			row("ID", "NAME", "STATUS", "ACCOUNT", "CREATED", "WHY")
			for _, k := range page.Items {
				row(k.Id, k.Name, k.Status, k.AccountId, k.CreatedAt, k.StatusReason)
			}
		})
		more(cmd, page.NextCursor)
		return err
	}
	return cmd
}

func keysAssign(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "assign ID ACCOUNT", Short: "Give a key that has no account one, which counts what it used, too; once and for good", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var k gen.Key
			body := map[string]any{"account_id": args[1]}
			if printed, err := r.call(cmd, http.MethodPatch, "/v1/keys/"+url.PathEscape(args[0]), body, &k); err != nil || printed {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s belongs to %s\n", k.Id, k.AccountId)
			return nil
		},
	}
}

func keysDelete(r *remote) *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: "delete ID", Short: "Refuse a key for ever and leave it out of lists; what it used is still billed", Args: cobra.ExactArgs(1)}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the audit trail")
	_ = cmd.MarkFlagRequired("reason")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, err := r.ask(cmd.Context(), http.MethodDelete, "/v1/keys/"+url.PathEscape(args[0])+query("reason", reason), nil); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s is deleted\n", args[0])
		return nil
	}
	return cmd
}

func keysShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one key", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var k gen.Key
			if printed, err := r.call(cmd, http.MethodGet, "/v1/keys/"+url.PathEscape(args[0]), nil, &k); err != nil || printed {
				return err
			}
			return showKey(cmd.OutOrStdout(), &k)
		},
	}
}

// showKey prints what is agreed for a key and how it stands.
func showKey(w io.Writer, k *gen.Key) error {
	return table(w, func(row func(...any)) {
		row("id", k.Id)
		row("name", k.Name)
		row("status", k.Status, k.StatusReason)
		row("since", k.StatusChangedAt, k.StatusActor)
		row("until", k.SuspendedUntil)
		row("account", k.AccountId)
		if s := k.AccountSuspension; !s.At.IsZero() {
			row("", "suspended", s.At, s.Actor, s.Reason)
		}
		row("plan", k.PlanId)
		row("tags", strings.Join(k.Tags, ", "))
		row("scopes", strings.Join(k.Scopes, ", "))
		row("allowed", strings.Join(k.AllowedCidrs, ", "))
		row("expires", k.ExpiresAt)
		for _, name := range slices.Sorted(maps.Keys(k.Metadata)) {
			row("metadata", name+"="+k.Metadata[name])
		}
		row("created", k.CreatedAt)
		if t := k.Throttle; t.PerMinute > 0 {
			row("throttled", fmt.Sprintf("to %d a minute", t.PerMinute), t.Reason)
		}
		for _, q := range k.Quarantines {
			row("refuses", fmt.Sprint(q.Kind), q.Value, q.Agent, q.Until, q.Reason)
		}
	})
}

func keysIssue(r *remote) *cobra.Command {
	var account, environment string
	var t terms
	cmd := &cobra.Command{
		Use: "issue NAME", Short: "Issue a key; the key itself is shown once", Args: cobra.ExactArgs(1),
		Example: "  tollkeeper keys issue production --account acct_1\n  tollkeeper keys issue staging --environment test --allow 203.0.113.0/24 --expires 2027-01-01",
	}
	cmd.Flags().StringVar(&account, "account", "", "account that the key belongs to")
	cmd.Flags().StringVar(&environment, "environment", "live", "live or test")
	t.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := t.body(cmd)
		if err != nil {
			return err
		}
		body["name"], body["environment"] = args[0], environment
		if account != "" {
			body["account_id"] = account
		}
		for _, field := range []string{"plan_id", "expires_at"} {
			if body[field] == nil {
				delete(body, field)
			}
		}
		var made gen.KeySecret
		if printed, err := r.call(cmd, http.MethodPost, "/v1/keys", body, &made); err != nil || printed {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n", made.Key.Id, made.Secret)
		fmt.Fprintln(cmd.ErrOrStderr(), "The second line is the key. It is shown this once; only its hash is kept.")
		return nil
	}
	return cmd
}

func keysRotate(r *remote) *cobra.Command {
	var grace time.Duration
	cmd := &cobra.Command{Use: "rotate ID", Short: "Issue a new key in place of another", Args: cobra.ExactArgs(1)}
	cmd.Flags().DurationVar(&grace, "grace", 24*time.Hour, "how long the old key still passes")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var made gen.KeySecret
		body := map[string]any{"grace_seconds": int64(grace / time.Second)}
		if printed, err := r.call(cmd, http.MethodPost, "/v1/keys/"+url.PathEscape(args[0])+"/rotate", body, &made); err != nil || printed {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n", made.Key.Id, made.Secret)
		return nil
	}
	return cmd
}

func keysChange(r *remote, verb, short, done string) *cobra.Command {
	var reason string
	var period time.Duration
	cmd := &cobra.Command{Use: verb + " ID", Short: short, Args: cobra.ExactArgs(1)}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the audit trail")
	_ = cmd.MarkFlagRequired("reason")
	if verb == "suspend" {
		cmd.Flags().DurationVar(&period, "for", 0, "after which the key passes again; 0: until it is reinstated")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body := map[string]any{"reason": reason}
		if period < 0 {
			return fmt.Errorf("--for: %s is in the past; give how long the key is to be refused, such as 24h", period)
		}
		if period > 0 {
			body["until"] = time.Now().Add(period).UTC()
		}
		var k gen.Key
		if printed, err := r.call(cmd, http.MethodPost, "/v1/keys/"+url.PathEscape(args[0])+"/"+verb, body, &k); err != nil || printed {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s is %s\n", k.Id, done)
		return nil
	}
	return cmd
}
