package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/detect"
)

func newPolicyCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Check a policy file, or see what it would have done"}
	check := &cobra.Command{
		Use: "check FILE", Short: "Report every problem of a policy file", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("cannot read the policy file: %w", err)
			}
			p, err := detect.ParsePolicies(raw)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: version %d, %d policies\n", args[0], p.Version, len(p.List))
			return nil
		},
	}
	cmd.AddCommand(check, newPolicySimulateCmd())
	return cmd
}

// simulated is what a policy would have done with one key.
type simulated struct {
	KeyID  string    `json:"key_id"`
	At     time.Time `json:"at"`
	Action string    `json:"action"`
	Held   string    `json:"held,omitempty"`
	Reason string    `json:"reason"`
}

func newPolicySimulateCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "simulate FILE SOURCE", Short: "Show which keys a policy would have acted on, on recorded traffic", Args: cobra.ExactArgs(2),
		Long: "Replay SOURCE (as for backtest) under the policies of FILE and list the keys that would have been suspended, quarantined\n" +
			"or throttled, and those that a policy, a cap or its mode held back.",
	}
	load := settings(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		out, err := os.MkdirTemp("", "tollkeeper-simulate")
		if err != nil {
			return failed{fmt.Errorf("a folder for the results: %w", err)}
		}
		defer func() { _ = os.RemoveAll(out) }()
		b := backtest{source: args[1], out: out, shards: 1, format: c.Format, mapping: c.Mapping, hops: c.TrustedHops}
		if err := b.prepare(args[0], c.CountryFile, c.NetworkFile); err != nil {
			return err
		}
		bar := progress(cmd.ErrOrStderr(), "replaying")
		err = b.run(cmd.Context(), bar.set)
		bar.end()
		if err != nil {
			return failed{err}
		}
		return printSimulated(cmd, b.decisions, asJSON)
	}
	return cmd
}

func printSimulated(cmd *cobra.Command, decisions []detect.Decision, asJSON bool) error {
	var acted, held []simulated
	for i := range decisions {
		d := &decisions[i]
		s := simulated{KeyID: d.KeyID, At: time.UnixMilli(d.TimeMillis).UTC(), Action: d.Action.String(), Held: d.Held, Reason: d.Reason}
		switch {
		case d.Action > detect.ActionFlag:
			acted = append(acted, s)
		case d.Wanted > detect.ActionFlag && d.Held != "":
			s.Action = d.Wanted.String()
			held = append(held, s)
		}
	}
	w := cmd.OutOrStdout()
	if asJSON {
		enc := json.NewEncoder(w)
		for _, s := range append(acted, held...) {
			if err := enc.Encode(s); err != nil {
				return fmt.Errorf("print: %w", err)
			}
		}
		return nil
	}
	fmt.Fprintf(w, "would have acted on %d keys\n", len(acted))
	if len(held) > 0 {
		fmt.Fprintf(w, "would have held back %d actions\n", len(held))
	}
	return table(w, func(row func(...any)) {
		for _, s := range append(acted, held...) {
			row("", s.At, s.Action, s.KeyID, s.Held, s.Reason)
		}
	})
}
