package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

func newStatementsCmd() *cobra.Command {
	r := &remote{patience: 11 * time.Minute} // the server gives up after ten
	cmd := &cobra.Command{
		Use: "statements", Short: "List, preview, issue, correct, check and export what accounts owe, on a running server",
		Long: "Statements and corrections are issued by the server itself, once a period is over and all its hours are sealed. These\n" +
			"commands show them, and do not wait for its next look.",
	}
	r.flags(cmd)
	cmd.AddCommand(
		statementsList(r), statementsShow(r), statementsCorrect(r), statementsCheck(r),
		statementsOf(r, "preview", "Show what a period would cost as of now; nothing is stored"),
		statementsOf(r, "issue", "Issue the statement of a period that is over"),
	)
	return cmd
}

func statementsList(r *remote) *cobra.Command {
	var account, month string
	var at paging
	cmd := &cobra.Command{
		Use: "list", Short: "List statements and corrections, the newest first", Args: cobra.NoArgs,
		Example: "  tollkeeper statements list --account acct_1\n  tollkeeper statements list --period 2026-11 --json",
	}
	cmd.Flags().StringVar(&account, "account", "", "only those of this account")
	cmd.Flags().StringVar(&month, "period", "", "only those of this month, such as 2026-11")
	at.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var page gen.StatementPage
		path := "/v1/statements" + at.query("account_id", account, "period", month)
		if printed, err := r.call(cmd, http.MethodGet, path, nil, &page); err != nil || printed {
			return err
		}
		err := table(cmd.OutOrStdout(), func(row func(...any)) {
			row("ID", "NUMBER", "KIND", "ACCOUNT", "FROM", "TO", "TOTAL", "CURRENCY")
			for _, s := range page.Items {
				row(s.Id, s.Number, s.Kind, s.AccountId, s.Period.From, s.Period.To, s.Total, s.Currency)
			}
		})
		more(cmd, page.NextCursor)
		return err
	}
	return cmd
}

func statementsCheck(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Check that no statement was changed or removed since it was issued", Args: cobra.NoArgs,
		Long: "Each statement holds the hash of the one before it. Exit 1 when one is not what was issued.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var c gen.StatementsCheck
			raw, err := r.ask(cmd.Context(), http.MethodGet, "/v1/statements/check", nil)
			if err != nil {
				return err
			}
			if err := decode(raw, &c); err != nil {
				return err
			}
			return r.checked(cmd, raw, c.Intact, fmt.Sprintf("%d statements are what was issued", c.Statements), "", c.Problem)
		},
	}
}

func statementsShow(r *remote) *cobra.Command {
	var asCSV bool
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show a statement or correction with its arithmetic", Args: cobra.ExactArgs(1),
		Example: "  tollkeeper statements show stmt_1\n  tollkeeper statements show stmt_1 --csv > statement.csv",
	}
	cmd.Flags().BoolVar(&asCSV, "csv", false, "print a table for a spreadsheet")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path := "/v1/statements/" + url.PathEscape(args[0])
		if asCSV {
			return r.copy(cmd, path+"/csv")
		}
		var s gen.Statement
		if printed, err := r.call(cmd, http.MethodGet, path, nil, &s); err != nil || printed {
			return err
		}
		return printStatement(cmd.OutOrStdout(), &s)
	}
	return cmd
}

// statementsOf previews or issues the statement of one account and month.
func statementsOf(r *remote, verb, short string) *cobra.Command {
	var account, month string
	cmd := &cobra.Command{Use: verb, Short: short, Args: cobra.NoArgs}
	cmd.Flags().StringVar(&account, "account", "", "id of the account")
	cmd.Flags().StringVar(&month, "period", "", "month in which the period starts, such as 2026-11")
	_ = cmd.MarkFlagRequired("account")
	if verb == "issue" {
		_ = cmd.MarkFlagRequired("period")
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var s gen.Statement
		var printed bool
		var err error
		if verb == "issue" {
			printed, err = r.call(cmd, http.MethodPost, "/v1/statements", gen.StatementIssue{AccountId: account, Period: month}, &s)
		} else {
			printed, err = r.call(cmd, http.MethodGet, "/v1/statements/preview"+query("account_id", account, "period", month), nil, &s)
		}
		if err != nil || printed {
			return err
		}
		return printStatement(cmd.OutOrStdout(), &s)
	}
	return cmd
}

func statementsCorrect(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "correct ID", Short: "Issue a correction when late records changed what is owed", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var c gen.StatementCorrection
			if printed, err := r.call(cmd, http.MethodPost, "/v1/statements/"+url.PathEscape(args[0])+"/correct", nil, &c); err != nil || printed {
				return err
			}
			if !c.Changed {
				fmt.Fprintln(cmd.OutOrStdout(), "no amount has changed")
				return nil
			}
			return printStatement(cmd.OutOrStdout(), &c.Correction)
		},
	}
}

func printStatement(w io.Writer, s *gen.Statement) error {
	fmt.Fprintf(w, "%s %s of %s, %s to %s\n", s.Kind, s.Number, s.AccountId, s.Period.From.UTC().Format("2006-01-02 15:04"), s.Period.To.UTC().Format("2006-01-02 15:04"))
	if s.Basis.Provisional {
		fmt.Fprintln(w, "The period is still open: the amounts may grow.")
	}
	return table(w, func(row func(...any)) {
		row("CHARGE", "QUANTITY", "EXACT", "AMOUNT")
		for _, l := range s.Lines {
			row(l.Description, l.Quantity, l.ExactAmount, l.Amount)
		}
		row("total", "", s.Subtotal, s.Total+" "+s.Currency)
	})
}
