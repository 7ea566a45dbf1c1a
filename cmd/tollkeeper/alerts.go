package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

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
		{"close", "Close an alert"},
		{"reopen", "Take back what was said about an alert"},
	} {
		cmd.AddCommand(alertsChange(r, verb.name, verb.short))
	}
	cmd.AddCommand(
		alertsSay(r, "assign ID PERSON", "Say who looks into an alert; nobody, with an empty name", "assignee"),
		alertsSay(r, "comment ID TEXT", "Add a remark to the timeline of an alert", "text"),
	)
	return cmd
}

func alertsList(r *remote) *cobra.Command {
	var status, severity, key, assignee, text string
	var at paging
	cmd := &cobra.Command{
		Use: "list", Short: "List alerts, the newest first", Args: cobra.NoArgs,
		Example: "  tollkeeper alerts list --status open --severity high\n  tollkeeper alerts list --key key_1 --json",
	}
	cmd.Flags().StringVar(&status, "status", "", "only alerts in this state: open, acknowledged, confirmed, dismissed or closed")
	cmd.Flags().StringVar(&severity, "severity", "", "only alerts of this severity and worse ones: low, medium, high or critical")
	cmd.Flags().StringVar(&key, "key", "", "only alerts about this key")
	cmd.Flags().StringVar(&assignee, "assignee", "", "only alerts that this person looks into")
	cmd.Flags().StringVar(&text, "search", "", "only alerts with this in their title, sentence or key id")
	at.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var page gen.AlertPage
		path := "/v1/alerts" + at.query("status", status, "severity", severity, "key_id", key, "assignee", assignee, "q", text)
		if printed, err := r.call(cmd, http.MethodGet, path, nil, &page); err != nil || printed {
			return err
		}
		err := table(cmd.OutOrStdout(), func(row func(...any)) {
			row("ID", "OPENED", "SEVERITY", "STATUS", "ACTION", "KEY", "WHY")
			for _, a := range page.Items {
				row(a.Id, a.OpenedAt, a.Severity, a.Status, a.Action, a.KeyId, a.Sentence)
			}
		})
		more(cmd, page.NextCursor)
		return err
	}
	return cmd
}

func alertsShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one alert: why, what happened, and what became of similar ones", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var a gen.Alert
			var line gen.Timeline
			var similar gen.SimilarAlerts
			path := "/v1/alerts/" + url.PathEscape(args[0])
			raw, err := r.ask(cmd.Context(), http.MethodGet, path, nil)
			if err != nil {
				return err
			}
			if err := r.read(cmd.Context(), path+"/timeline", &line); err != nil {
				return err
			}
			if err := r.read(cmd.Context(), path+"/similar?limit=5", &similar); err != nil {
				return err
			}
			if r.asJSON {
				return printAlertJSON(cmd.OutOrStdout(), raw, line.Items, similar.Items)
			}
			if err := decode(raw, &a); err != nil {
				return err
			}
			return printAlert(cmd.OutOrStdout(), &a, line.Items, similar.Items)
		},
	}
}

// printAlertJSON prints the API's alert with what the API tells elsewhere: its timeline and the similar ones.
func printAlertJSON(w io.Writer, raw []byte, line []gen.TimelineEntry, similar []gen.SimilarAlert) error {
	all := map[string]any{}
	var alert map[string]json.RawMessage
	if err := decode(raw, &alert); err != nil {
		return err
	}
	for name, value := range alert {
		all[name] = value
	}
	all["timeline"], all["similar"] = line, similar
	return json.NewEncoder(w).Encode(all)
}

func printAlert(w io.Writer, a *gen.Alert, line []gen.TimelineEntry, similar []gen.SimilarAlert) error {
	fmt.Fprintf(w, "%s  %s, %s, %s\nkey %s\n%s\n", a.Id, a.Severity, a.Status, a.Action, cmp.Or(a.KeyId, "none: keys are guessed"), a.Sentence)
	if who := clientOf(&a.Client); who != "" {
		fmt.Fprintf(w, "by %s\n", who)
	}
	if habit := usually(&a.Usual); habit != "" {
		fmt.Fprintf(w, "usually %s\n", habit)
	}
	if a.Assignee != "" {
		fmt.Fprintf(w, "assigned to %s\n", a.Assignee)
	}
	if a.Feedback != "" {
		fmt.Fprintf(w, "%s by %s: %s\n", a.Verdict, a.FeedbackBy, a.Feedback)
	}
	tables := []struct {
		title string
		rows  func(row func(...any))
	}{
		{"", func(row func(...any)) {
			row("FAMILY", "OBSERVED", "EXPECTED", "WITHIN", "P-VALUE", "FINDING")
			for _, e := range a.Evidence {
				row(e.Family, number(e.Observed), band(&e), within(e.WindowSeconds), number(e.PValue), e.Sentence)
			}
		}},
		{"Examples", func(row func(...any)) {
			for _, e := range a.Examples {
				row(e.At, e.Method, e.Path, e.Status, e.ClientIp, e.Country, e.Agent)
			}
		}},
		{"Timeline", func(row func(...any)) {
			for _, e := range line {
				if e.Text == a.Sentence { // it stands above
					e.Text = ""
				}
				row(e.At, e.Kind, e.Actor, e.Text)
			}
		}},
		{"Similar alerts", func(row func(...any)) {
			for _, s := range similar {
				row(s.Alert.Id, s.Alert.OpenedAt, s.Alert.KeyId, s.Alert.Status, s.Alert.Feedback, strings.Join(s.Because, ", "))
			}
		}},
	}
	for _, t := range tables {
		if t.title == "Examples" && len(a.Examples) == 0 || t.title == "Similar alerts" && len(similar) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s", t.title)
		if t.title != "" {
			fmt.Fprintln(w)
		}
		if err := table(w, t.rows); err != nil {
			return err
		}
	}
	return nil
}

// clientOf names the client behind an alert.
func clientOf(c *gen.Client) string {
	var parts []string
	if c.Agent != "" {
		parts = append(parts, c.Agent)
	}
	switch {
	case c.Asn != 0:
		parts = append(parts, "AS"+strconv.FormatInt(c.Asn, 10))
	case c.Network != "":
		parts = append(parts, c.Network)
	}
	if c.Country != "" {
		parts = append(parts, c.Country)
	}
	if len(c.Addresses) > 0 {
		parts = append(parts, strings.Join(c.Addresses[:min(3, len(c.Addresses))], " "))
	}
	return strings.Join(parts, ", ")
}

// usually says what the key's own use looks like, in the order of the dashboard.
func usually(u *gen.Usual) string {
	if u.Networks.All+u.Agents.All+u.Routes.All == 0 {
		return ""
	}
	var parts []string
	for _, uses := range []struct {
		gen.Uses
		shown int
	}{{u.Networks, 2}, {u.Countries, 3}, {u.Agents, 2}, {u.Routes, 2}} {
		var names []string
		for _, use := range uses.Most[:min(uses.shown, len(uses.Most))] {
			names = append(names, use.Name)
		}
		text := strings.Join(names, ", ")
		if more := uses.All - int64(len(names)); more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		if len(names) > 0 {
			parts = append(parts, text)
		}
	}
	if u.Hour != (gen.UsualHour{}) {
		parts = append(parts, fmt.Sprintf("%s to %s requests in such an hour", number(&u.Hour.Low), number(&u.Hour.High)))
	}
	return strings.Join(parts, "; ")
}

// band is what was expected, with the ends of the band of undisturbed values.
func band(e *gen.Evidence) string {
	if e.Low == nil || e.High == nil {
		return number(e.Expected)
	}
	return fmt.Sprintf("%s (%s to %s)", number(e.Expected), number(e.Low), number(e.High))
}

func number(x *float64) string {
	if x == nil {
		return ""
	}
	return strconv.FormatFloat(*x, 'g', 3, 64)
}

// within is the window of a finding, "" when it has none.
func within(seconds int64) string {
	for _, unit := range []struct {
		seconds int64
		name    string
	}{{86400, "d"}, {3600, "h"}, {60, "m"}} {
		if seconds > 0 && seconds%unit.seconds == 0 {
			return strconv.FormatInt(seconds/unit.seconds, 10) + unit.name
		}
	}
	if seconds <= 0 {
		return ""
	}
	return (time.Duration(seconds) * time.Second).String()
}

func alertsChange(r *remote, verb, short string) *cobra.Command {
	var reason string
	var keep bool
	cmd := &cobra.Command{Use: verb + " ID", Short: short, Args: cobra.ExactArgs(1)}
	if verb == "dismiss" {
		cmd.Long = short + ".\nWhat the alert did to the key is undone, unless --keep says otherwise."
		cmd.Flags().BoolVar(&keep, "keep", false, "leave the key suspended, quarantined or throttled")
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept with the alert")
	if verb == "confirm" || verb == "dismiss" {
		_ = cmd.MarkFlagRequired("reason")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body := map[string]any{}
		if reason != "" {
			body["reason"] = reason
		}
		if keep {
			body["reinstate"] = false
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

// alertsSay sends one word or sentence about an alert.
func alertsSay(r *remote, use, short, field string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			verb, _, _ := strings.Cut(use, " ")
			var a gen.Alert
			if printed, err := r.call(cmd, http.MethodPost, "/v1/alerts/"+url.PathEscape(args[0])+"/"+verb, map[string]any{field: args[1]}, &a); err != nil || printed {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is noted\n", a.Id)
			return nil
		},
	}
}
