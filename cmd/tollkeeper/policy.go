package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/deploy/policies"
	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/detect/replay"
)

func newPolicyCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Check a policy file, see what it would have done, and which ones were in force"}
	check := &cobra.Command{
		Use: "check FILE", Short: "Report every problem of a policy file", Args: cobra.ExactArgs(1),
		Long:    "Report every problem of a policy file, by line; what may be in one, 'tollkeeper policy example' explains.",
		Example: "  tollkeeper policy check policy.yaml",
	}
	asJSON := check.Flags().Bool("json", false, "print what was found as JSON")
	check.RunE = func(cmd *cobra.Command, args []string) error {
		raw, err := os.ReadFile(args[0])
		if err != nil {
			return fmt.Errorf("cannot read the policy file: %w", err)
		}
		p, err := detect.ParsePolicies(raw)
		if *asJSON {
			var c checked
			if err == nil {
				c.Revision, c.Policies = p.Revision, policyNames(p)
			}
			return c.report(cmd, err)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: revision %s, policies in order: %s\n", args[0], p.Revision, strings.Join(policyNames(p), ", "))
		return nil
	}
	example := &cobra.Command{
		Use: "example", Short: "Print a policy file in which every field is explained", Args: cobra.NoArgs,
		Example: "  tollkeeper policy example > policy.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), policies.Example)
			return err
		},
	}
	cmd.AddCommand(check, example, newPolicySimulateCmd(), newPolicyHistoryCmd(), newPolicyShowCmd(), newPolicyDiffCmd())
	return cmd
}

// policyNames lists the policies, the one for all other keys included.
func policyNames(p *detect.Policies) []string {
	names := make([]string, len(p.List))
	for i := range p.List {
		names[i] = p.List[i].ID
	}
	return names
}

// simulated is what a policy would have done with one key.
type simulated struct {
	KeyID  string    `json:"key_id"`
	Name   string    `json:"name,omitempty"`
	At     time.Time `json:"at"`
	Action string    `json:"action"`
	Held   string    `json:"held,omitempty"`
	Reason string    `json:"reason"`
	Policy string    `json:"policy_id"`
}

// difference is a key on which the present policies would have done something else.
type difference struct {
	KeyID   string `json:"key_id"`
	Name    string `json:"name,omitempty"`
	Present string `json:"present"`
	Would   string `json:"would"`
}

func newPolicySimulateCmd() *cobra.Command {
	b := backtest{shards: 1}
	var asJSON bool
	var from pastFlags
	cmd := &cobra.Command{
		Use: "simulate FILE [SOURCE]", Short: "Show which keys a policy would have acted on, on past traffic", Args: cobra.RangeArgs(1, 2),
		Long: "Replay SOURCE, or the events in ClickHouse (both as for backtest), under the policies of FILE. Lists the keys that would have been\n" +
			"suspended, quarantined or throttled, those that a policy, a cap or its mode held back, and what is different under the present\n" +
			"policies (--policy, or the built-in ones).",
		Example: "  tollkeeper policy simulate stricter.yaml --from-clickhouse --since 30d\n  tollkeeper policy simulate stricter.yaml access.log.gz --format nginx",
	}
	load := settings(cmd)
	concerning(cmd, "policy", "truncate-ip", "country-file", "network-file", "clickhouse", "clickhouse-library", "clickhouse-cluster")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	cmd.Flags().Float64Var(&b.falseMonth, "false-per-month", 1, "false suspensions in 30 days that you would put up with: what recall that buys")
	from.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		if b.policies, err = readPolicies(args[0]); err != nil {
			return err
		}
		if b.present, err = readPolicies(c.Policy); err != nil {
			return err
		}
		if err := b.replay(cmd, c, &from, args[1:]); err != nil {
			return err
		}
		if asJSON {
			b.printBad(cmd.ErrOrStderr())
			return b.encodeSimulated(cmd.OutOrStdout())
		}
		return b.printSimulated(cmd.OutOrStdout())
	}
	return cmd
}

// simulated lists what was done, and what was wanted and held back.
func (b *backtest) simulated() (acted, held []simulated) {
	for i := range b.decisions {
		d := &b.decisions[i]
		s := simulated{
			KeyID: d.KeyID, Name: b.names[d.KeyID], At: time.UnixMilli(d.TimeMillis).UTC(), Action: d.Action.String(), Held: d.Held, Reason: d.Reason,
			Policy: d.PolicyID,
		}
		switch {
		case d.Phase > detect.PhaseEscalated:
		case d.Action > detect.ActionFlag:
			acted = append(acted, s)
		case d.Wanted > detect.ActionFlag && d.Held != "":
			s.Action = d.Wanted.String()
			held = append(held, s)
		}
	}
	return acted, held
}

// differences lists the keys with which the two sets of policies deal differently, by the most that each does.
func (b *backtest) differences() (out []difference) {
	most := func(list []detect.Decision) map[string]detect.Action {
		m := map[string]detect.Action{}
		for i := range list {
			if d := &list[i]; d.KeyID != "" && d.Phase <= detect.PhaseEscalated {
				m[d.KeyID] = max(m[d.KeyID], d.Action)
			}
		}
		return m
	}
	would, present := most(b.decisions), most(b.presently)
	ids := map[string]bool{}
	for _, m := range []map[string]detect.Action{would, present} {
		for id := range m {
			ids[id] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if w, p := would[id], present[id]; w != p {
			out = append(out, difference{KeyID: id, Name: b.names[id], Present: p.String(), Would: w.String()})
		}
	}
	return out
}

func (b *backtest) encodeSimulated(w io.Writer) error {
	enc := json.NewEncoder(w)
	acted, held := b.simulated()
	for _, s := range append(acted, held...) {
		if err := enc.Encode(s); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	for _, d := range b.differences() {
		if err := enc.Encode(d); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}

func (b *backtest) printSimulated(w io.Writer) error {
	acted, held := b.simulated()
	keys := map[string]bool{}
	for _, s := range acted {
		keys[s.KeyID] = true
	}
	fmt.Fprintf(w, "would have acted on %d keys (%d records, %.1f days)\n", len(keys), b.records, float64(b.traffic.Last-b.traffic.First)/86400e3)
	b.printBad(w)
	if len(held) > 0 {
		fmt.Fprintf(w, "would have held back %d actions\n", len(held))
	}
	if err := table(w, func(row func(...any)) {
		for _, s := range append(acted, held...) {
			row("", s.At, s.Action, s.KeyID, s.Name, s.Held, s.Reason)
		}
	}); err != nil {
		return err
	}
	if diff := b.differences(); len(diff) > 0 {
		fmt.Fprintf(w, "\nagainst the present policies %d keys are dealt with differently\n", len(diff))
		if err := table(w, func(row func(...any)) {
			for _, d := range diff {
				row("", d.KeyID, d.Name, d.Present+" -> "+d.Would)
			}
		}); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(w, "\nthe present policies would have done the same")
	}
	b.printTradeoffs(w, replay.Episodes(b.decisions, b.labels))
	return nil
}
