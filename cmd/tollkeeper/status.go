package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// statusView is what `status` found, as --json prints it.
type statusView struct {
	Server string     `json:"server"`
	Health gen.Health `json:"health"`
	Stats  *gen.Stats `json:"stats,omitempty"` // none while the server starts
}

func newStatusCmd() *cobra.Command {
	r := &remote{}
	cmd := &cobra.Command{
		Use: "status", Short: "Say whether a running server works, and how far it has come", Args: cobra.NoArgs,
		Long: "Ask a running server what it checks of itself, how far ingest is behind, and what there is of keys and alerts. Exit 1 when a\n" +
			"check fails or no server answers.",
	}
	r.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := r.client()
		if err != nil {
			return err
		}
		v := statusView{Server: c.URL}
		// A server that is not ready answers 503, and says why.
		status, raw, err := r.send(cmd.Context(), http.MethodGet, "/readyz?verbose", nil)
		if err != nil {
			return err
		}
		if status != http.StatusOK && status != http.StatusServiceUnavailable {
			return refusal(status, raw)
		}
		if err := decode(raw, &v.Health); err != nil {
			return err
		}
		var stats gen.Stats
		if err := r.read(cmd.Context(), "/v1/stats", &stats); err == nil {
			stats.RequestsPerSecond, stats.RefusedPerSecond = []gen.Point{}, []gen.Point{} // are for plots
			v.Stats = &stats
		} else if v.Health.Status == gen.HealthStatusOk {
			return err
		}
		w := cmd.OutOrStdout()
		if r.asJSON {
			err = json.NewEncoder(w).Encode(v)
		} else {
			err = v.print(w)
		}
		if err == nil && v.Health.Status != gen.HealthStatusOk {
			err = failed{errors.New("the server is not ready")}
		}
		return err
	}
	return cmd
}

func (v *statusView) print(w io.Writer) error {
	return table(w, func(row func(...any)) {
		row("server", v.Server)
		row("ready", v.Health.Status)
		for _, c := range v.Health.Checks {
			row("  "+c.Name, c.Status, c.Detail)
		}
		s := v.Stats
		if s == nil {
			return
		}
		row("mode", s.Mode)
		row("taken in", fmt.Sprintf("%d records", s.RequestsTotal))
		if s.LagRecords != nil {
			row("behind", fmt.Sprintf("%d records", *s.LagRecords))
		}
		row("dead letters", s.DeadLetters)
		row("keys", counts(s.Keys))
		row("alerts", counts(s.Alerts))
	})
}

// counts writes how many there are in each state, without states that nothing is in.
func counts(m map[string]int64) string {
	var parts []string
	for _, state := range slices.Sorted(maps.Keys(m)) {
		if m[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", m[state], state))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
