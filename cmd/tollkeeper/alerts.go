package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

func newAlertsCmd() *cobra.Command {
	r := &remote{}
	cmd := &cobra.Command{Use: "alerts", Short: "List and judge alerts on a running server"}
	r.flags(cmd)
	cmd.AddCommand(alertsList(r), alertsShow(r))
	for _, verb := range []struct{ name, short string }{
		{"acknowledge", "Say that somebody looks at an alert"},
		{"confirm", "Say that it is abuse"},
		{"dismiss", "Say that it is no abuse; detection learns that for this key"},
		{"close", "Close an alert without a verdict"},
	} {
		cmd.AddCommand(alertsChange(r, verb.name, verb.short))
	}
	return cmd
}

func alertsList(r *remote) *cobra.Command {
	var status, key string
	var limit int
	cmd := &cobra.Command{Use: "list", Short: "List alerts, the newest first", Args: cobra.NoArgs}
	cmd.Flags().StringVar(&status, "status", "", "only alerts in this state: open, acknowledged, confirmed, dismissed or closed")
	cmd.Flags().StringVar(&key, "key", "", "only alerts about this key")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many, at most 200")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var page gen.AlertPage
		path := "/v1/alerts" + query("status", status, "key_id", key, "limit", strconv.Itoa(limit))
		if printed, err := r.call(cmd, http.MethodGet, path, nil, &page); err != nil || printed {
			return err
		}
		return table(cmd.OutOrStdout(), func(row func(...any)) {
			row("ID", "OPENED", "SEVERITY", "STATUS", "ACTION", "KEY", "WHY")
			for _, a := range page.Items {
				row(a.Id, a.OpenedAt, a.Severity, a.Status, a.Action, a.KeyId, a.Sentence)
			}
		})
	}
	return cmd
}

func alertsShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one alert with its evidence", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var a gen.Alert
			if printed, err := r.call(cmd, http.MethodGet, "/v1/alerts/"+url.PathEscape(args[0]), nil, &a); err != nil || printed {
				return err
			}
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "%s  %s, %s, %s\n%s\n\n", a.Id, a.Severity, a.Status, a.Action, a.Sentence)
			return table(w, func(row func(...any)) {
				row("FAMILY", "OBSERVED", "EXPECTED", "P-VALUE", "FINDING")
				for _, e := range a.Evidence {
					row(e.Family, number(e.Observed), number(e.Expected), number(e.PValue), e.Sentence)
				}
			})
		},
	}
}

func number(x *float64) string {
	if x == nil {
		return ""
	}
	return strconv.FormatFloat(*x, 'g', 3, 64)
}

func alertsChange(r *remote, verb, short string) *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: verb + " ID", Short: short, Args: cobra.ExactArgs(1)}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept with the alert")
	if verb == "confirm" || verb == "dismiss" {
		_ = cmd.MarkFlagRequired("reason")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body := map[string]any{}
		if reason != "" {
			body["reason"] = reason
		}
		var a gen.Alert
		if printed, err := r.call(cmd, http.MethodPost, "/v1/alerts/"+url.PathEscape(args[0])+"/"+verb, body, &a); err != nil || printed {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s is %s\n", a.Id, a.Status)
		return nil
	}
	return cmd
}
