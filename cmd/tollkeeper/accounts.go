package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

func newAccountsCmd() *cobra.Command {
	r := &remote{}
	cmd := &cobra.Command{Use: "accounts", Short: "List, open, show, suspend and reinstate accounts, put them on plans and give them credit, on a running server"}
	r.flags(cmd)
	cmd.AddCommand(accountsList(r), accountsOpen(r), accountsShow(r), accountsSubscribe(r), accountsUnsubscribe(r), accountsCredit(r), accountsVoid(r), accountsReached(r),
		accountsSwitch(r, "suspend", "Refuse all keys of an account until it is reinstated", "suspended", "are refused"),
		accountsSwitch(r, "reinstate", "Lift the suspension of an account; each of its keys is what it would be without", "reinstated", "pass again"))
	return cmd
}

func accountPath(id string) string { return "/v1/accounts/" + url.PathEscape(id) }

func accountsList(r *remote) *cobra.Command {
	var at paging
	cmd := &cobra.Command{Use: "list", Short: "List accounts, the newest first", Args: cobra.NoArgs}
	at.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var page gen.AccountPage
		if printed, err := r.call(cmd, http.MethodGet, "/v1/accounts"+at.query(), nil, &page); err != nil || printed {
			return err
		}
		err := table(cmd.OutOrStdout(), func(row func(...any)) {
			row("ID", "NAME", "PLAN", "OPENED", "SUSPENDED")
			for _, a := range page.Items {
				row(a.Id, a.Name, a.PlanId, a.CreatedAt, a.Suspension.Reason)
			}
		})
		more(cmd, page.NextCursor)
		return err
	}
	return cmd
}

func accountsOpen(r *remote) *cobra.Command {
	var n gen.AccountCreate
	cmd := &cobra.Command{
		Use: "open NAME", Short: "Open an account", Args: cobra.ExactArgs(1),
		Example: "  tollkeeper accounts open 'Northwind Traders' --id acct_1 --plan growth",
	}
	cmd.Flags().StringVar(&n.Id, "id", "", "id of the account; made up without")
	cmd.Flags().StringVar(&n.PlanId, "plan", "", "plan that it is on from today; the default plan without")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n.Name = args[0]
		var a gen.Account
		if printed, err := r.call(cmd, http.MethodPost, "/v1/accounts", n, &a); err != nil || printed {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), a.Id)
		return nil
	}
	return cmd
}

// accountView is all that there is about an account, in the API's own words.
type accountView struct {
	Account       gen.Account        `json:"account"`
	Subscriptions []gen.Subscription `json:"subscriptions"`
	Quotas        []gen.QuotaState   `json:"quotas"`
	Credits       []gen.Credit       `json:"credits"`
}

func accountsShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show an account: its plan, what is left of its quotas, its credit", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var v accountView
			var subs gen.SubscriptionList
			var quotas gen.QuotaList
			var credits gen.CreditList
			for _, part := range []struct {
				path string
				into any
			}{
				{accountPath(args[0]), &v.Account},
				{accountPath(args[0]) + "/subscriptions", &subs},
				{"/v1/quotas" + query("account_id", args[0]), &quotas},
				{accountPath(args[0]) + "/credits", &credits},
			} {
				if err := r.read(cmd.Context(), part.path, part.into); err != nil {
					return err
				}
			}
			v.Subscriptions, v.Quotas, v.Credits = subs.Items, quotas.Items, credits.Items
			if r.asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(v)
			}
			return v.print(cmd.OutOrStdout())
		},
	}
}

func (v *accountView) print(w io.Writer) error {
	err := table(w, func(row func(...any)) {
		row("id", v.Account.Id)
		row("name", v.Account.Name)
		row("plan", v.Account.PlanId)
		row("opened", v.Account.CreatedAt)
		if s := v.Account.Suspension; !s.At.IsZero() {
			row("suspended", s.At, s.Actor, s.Reason)
		}
	})
	if err == nil && len(v.Subscriptions) > 0 {
		fmt.Fprintln(w)
		err = table(w, func(row func(...any)) {
			row("PLAN", "VERSION", "FROM", "UNTIL", "BY")
			for _, s := range v.Subscriptions {
				version := "newest"
				if s.PlanVersion > 0 {
					version = strconv.Itoa(int(s.PlanVersion))
				}
				row(s.PlanId, version, s.StartsAt, s.EndsAt, s.CreatedBy)
			}
		})
	}
	if err == nil && len(v.Quotas) > 0 {
		fmt.Fprintln(w)
		err = table(w, func(row func(...any)) {
			row("QUOTA", "PER", "ENFORCED", "USED", "LIMIT", "LEFT", "UNTIL", "STATE")
			for _, q := range v.Quotas {
				row(q.QuotaId, q.Per, q.Enforcement, q.Used, q.Limit, q.Remaining, q.Period.To, q.State)
			}
		})
	}
	if err == nil && len(v.Credits) > 0 {
		fmt.Fprintln(w)
		err = table(w, func(row func(...any)) {
			row("CREDIT", "AMOUNT", "LEFT", "CURRENCY", "EXPIRES", "NOTE")
			for _, c := range v.Credits {
				row(c.Id, c.Amount, c.Remaining, c.Currency, c.ExpiresAt, c.Note)
			}
		})
	}
	return err
}

func accountsSwitch(r *remote, verb, short, done, effect string) *cobra.Command {
	var body gen.AccountSwitch
	cmd := &cobra.Command{
		Use: verb + " ID", Short: short, Args: cobra.ExactArgs(1),
		Example: "  tollkeeper accounts " + verb + " acct_1 --reason 'invoice 2026-0412' --dry-run   # how many keys that is about",
	}
	cmd.Flags().StringVar(&body.Reason, "reason", "", "why; kept in the audit trail")
	_ = cmd.MarkFlagRequired("reason")
	cmd.Flags().BoolVar(&body.DryRun, "dry-run", false, "only say what would come of it; change nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var s gen.AccountSwitched
		if printed, err := r.call(cmd, http.MethodPost, accountPath(args[0])+"/"+verb, body, &s); err != nil || printed {
			return err
		}
		w := cmd.OutOrStdout()
		switch {
		case !s.Changed && verb == "suspend":
			fmt.Fprintf(w, "%s was suspended already: %s\n", s.Account.Id, s.Account.Suspension.Reason)
		case !s.Changed:
			fmt.Fprintf(w, "%s was not suspended\n", s.Account.Id)
		case body.DryRun:
			fmt.Fprintf(w, "%s would be %s: %d active keys\nA dry run: nothing was changed.\n", s.Account.Id, done, s.Keys)
		default:
			fmt.Fprintf(w, "%s is %s: %d active keys %s\n", s.Account.Id, done, s.Keys, effect)
		}
		return nil
	}
	return cmd
}

func accountsSubscribe(r *remote) *cobra.Command {
	var from, until string
	var version int32
	cmd := &cobra.Command{
		Use: "subscribe ID PLAN", Short: "Put an account on a plan, in place of what it would have been on", Args: cobra.ExactArgs(2),
		Example: "  tollkeeper accounts subscribe acct_1 growth --from 2026-12-01\n" +
			"  tollkeeper accounts subscribe acct_1 growth --until 2026-12-15   # a trial",
	}
	cmd.Flags().StringVar(&from, "from", "", "its first day, such as 2026-12-01; today without")
	cmd.Flags().StringVar(&until, "until", "", "the first day without it; without, until it is ended or replaced")
	cmd.Flags().Int32Var(&version, "version", 0, "stay on this version of the plan; 0: follow the plan")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s := gen.SubscriptionCreate{PlanId: args[1], PlanVersion: version}
		var err error
		if s.StartsAt, err = billingDay("from", from); err != nil {
			return err
		}
		if s.EndsAt, err = billingDay("until", until); err != nil {
			return err
		}
		var made gen.Subscription
		if printed, err := r.call(cmd, http.MethodPost, accountPath(args[0])+"/subscriptions", s, &made); err != nil || printed {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s is on %s from %s\n", made.AccountId, made.PlanId, made.StartsAt.UTC().Format(time.RFC3339))
		return nil
	}
	return cmd
}

func accountsUnsubscribe(r *remote) *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use: "unsubscribe ID", Short: "End what an account is subscribed to; from then on it is on the default plan", Args: cobra.ExactArgs(1),
		Long: "End what an account is subscribed to; from then on it is on the default plan, also where another subscription was to follow.\n" +
			"A flat fee is due for the days up to the end, of those of the period; use is rated up to the end.",
	}
	cmd.Flags().StringVar(&at, "at", "", "the first day without it, such as 2026-12-01; tomorrow without")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ends, err := billingDay("at", at)
		if err != nil {
			return err
		}
		var ended gen.Subscription
		if printed, err := r.call(cmd, http.MethodPost, accountPath(args[0])+"/subscriptions/end", gen.SubscriptionEnd{EndsAt: ends}, &ended); err != nil || printed {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s is on %s until %s\n", ended.AccountId, ended.PlanId, ended.EndsAt.UTC().Format(time.RFC3339))
		return nil
	}
	return cmd
}

// day reads a day or an instant, nothing when text is empty. How long ago, which [moment] takes too, is for looking back:
// what is billed from then on should be written out.
func day(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t, err = time.Parse(time.RFC3339, text)
	}
	if err != nil {
		return t, fmt.Errorf("--%s is %q: write 2026-12-01 or 2026-12-01T00:00:00+01:00", flag, text)
	}
	return t, nil
}

// billingDay is [day] for what the server takes the day of, in a zone that it knows and we do not: an hour that is on the same
// day nearly everywhere, from -11:00 to +12:59.
func billingDay(flag, text string) (time.Time, error) {
	t, err := day(flag, text)
	if err == nil && len(text) == len(time.DateOnly) {
		t = t.Add(11 * time.Hour)
	}
	return t, err
}
