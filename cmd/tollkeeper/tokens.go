package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

func newTokensCmd() *cobra.Command {
	r := &remote{}
	cmd := &cobra.Command{
		Use: "tokens", Short: "List, create and revoke API tokens of a running server",
		Long: "An API token is how a program asks the REST API: a gateway on another machine, Prometheus, a billing job, a customer's portal.\n" +
			"It comes in the header Authorization: Bearer TOKEN, and may do what its role may.",
	}
	r.flags(cmd)
	cmd.AddCommand(tokensList(r), tokensCreate(r), tokensRevoke(r))
	return cmd
}

func tokensList(r *remote) *cobra.Command {
	var at paging
	cmd := &cobra.Command{Use: "list", Short: "List tokens, the newest first; their secrets are not kept", Args: cobra.NoArgs}
	at.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var page gen.TokenPage
		if printed, err := r.call(cmd, http.MethodGet, "/v1/tokens"+at.query(), nil, &page); err != nil || printed {
			return err
		}
		err := table(cmd.OutOrStdout(), func(row func(...any)) {
			row("ID", "NAME", "ROLE", "ACCOUNT", "ENDS WITH", "CREATED", "EXPIRES", "REVOKED")
			for _, t := range page.Items {
				row(t.Id, t.Name, t.Role, t.AccountId, t.Last4, t.CreatedAt, t.ExpiresAt, t.RevokedAt)
			}
		})
		more(cmd, page.NextCursor)
		return err
	}
	return cmd
}

func tokensCreate(r *remote) *cobra.Command {
	var t gen.TokenCreate
	var role string
	var period time.Duration
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a token; it is shown once", Args: cobra.ExactArgs(1),
		Example: "  tollkeeper tokens create edge-gateway --role platform\n" +
			"  tollkeeper tokens create portal --role customer --account acct_1 --for 24h",
	}
	cmd.Flags().StringVar(&role, "role", "", "what its bearer may do: admin, security, billing, platform, viewer or customer")
	cmd.Flags().StringVar(&t.AccountId, "account", "", "account of a customer")
	cmd.Flags().DurationVar(&period, "for", 0, "how long it is good for, such as 720h; 0: until it is revoked")
	_ = cmd.MarkFlagRequired("role")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t.Name, t.Role = args[0], gen.Role(role)
		if period < 0 {
			return errors.New("--for: is in the past; give how long the token is to be good for, such as 24h")
		}
		if period > 0 {
			t.ExpiresAt = time.Now().Add(period).UTC()
		}
		var made gen.TokenSecret
		if printed, err := r.call(cmd, http.MethodPost, "/v1/tokens", t, &made); err != nil || printed {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n", made.Token.Id, made.Secret)
		fmt.Fprintln(cmd.ErrOrStderr(), "The second line is the token. It is shown this once; only its hash is kept.")
		return nil
	}
	return cmd
}

func tokensRevoke(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Refuse a token for ever", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := r.ask(cmd.Context(), http.MethodDelete, "/v1/tokens/"+url.PathEscape(args[0]), nil); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is revoked\n", args[0])
			return nil
		},
	}
}
