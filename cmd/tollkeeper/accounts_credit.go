package main

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

func accountsCredit(r *remote) *cobra.Command {
	var c gen.CreditCreate
	var expires string
	cmd := &cobra.Command{
		Use: "credit ID AMOUNT CURRENCY", Short: "Give an account credit, which statements use up first", Args: cobra.ExactArgs(3),
		Example: "  tollkeeper accounts credit acct_1 120.50 USD --note 'paid by wire'",
	}
	cmd.Flags().StringVar(&c.Note, "note", "", "what it is for")
	cmd.Flags().StringVar(&expires, "expires", "", "the first day without it, such as 2027-01-01; it stays without")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c.Amount, c.Currency = args[1], args[2]
		var err error
		if c.ExpiresAt, err = day("expires", expires); err != nil {
			return err
		}
		var made gen.Credit
		if printed, err := r.call(cmd, http.MethodPost, accountPath(args[0])+"/credits", c, &made); err != nil || printed {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), made.Id)
		return nil
	}
	return cmd
}

func accountsVoid(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "void CREDIT", Short: "Take back what is left of a credit; what statements used of it stays used", Args: cobra.ExactArgs(1),
		Example: "  tollkeeper accounts show acct_1                # lists its credits\n  tollkeeper accounts void grant_01",
		RunE: func(cmd *cobra.Command, args []string) error {
			var c gen.Credit
			if printed, err := r.call(cmd, http.MethodPost, "/v1/credits/"+url.PathEscape(args[0])+"/void", nil, &c); err != nil || printed {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is void: %s of %s %s were used\n", c.Id, c.Used, c.Amount, c.Currency)
			return nil
		},
	}
}

// accountsReached shows what customers are told of, too.
func accountsReached(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "reached ID", Short: "List the thresholds of quotas that an account and its keys reached, the newest first", Args: cobra.ExactArgs(1),
		Example: "  tollkeeper accounts reached acct_1",
		RunE: func(cmd *cobra.Command, args []string) error {
			var list gen.NotificationList
			if printed, err := r.call(cmd, http.MethodGet, accountPath(args[0])+"/notifications", nil, &list); err != nil || printed {
				return err
			}
			return table(cmd.OutOrStdout(), func(row func(...any)) {
				row("AT", "QUOTA", "PER", "OF", "PERCENT", "USED", "LIMIT")
				for _, n := range list.Items {
					row(n.At, n.QuotaId, n.Per, n.Subject, n.Percent, n.Used, n.Limit)
				}
			})
		},
	}
}
