package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

var errNotExact = errors.New("not exact")

func newAuditCmd() *cobra.Command {
	r := &remote{}
	cmd := &cobra.Command{
		Use: "audit", Short: "Check that every record is counted exactly once, on a running server", Args: cobra.NoArgs,
		Long: "Compare the offsets that Kafka holds as done, the stored events and dead letters, and sealed usage. Exit 1 when anything\n" +
			"differs.",
	}
	r.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var a gen.IngestAudit
		raw, err := r.ask(cmd.Context(), http.MethodGet, "/v1/ingest/audit", nil)
		if err != nil {
			return err
		}
		if err := decode(raw, &a); err != nil {
			return err
		}
		w := cmd.OutOrStdout()
		if r.asJSON {
			if _, err := fmt.Fprintln(w, strings.TrimSpace(string(raw))); err != nil || a.Exact {
				return err
			}
			return failed{errNotExact}
		}
		err = table(w, func(row func(...any)) {
			row("TOPIC", "PARTITION", "OFFSETS", "EVENTS", "RETRIES", "DEAD LETTERS")
			for _, p := range a.Partitions {
				row(p.Topic, p.Partition, fmt.Sprintf("%d to %d", p.FirstOffset, p.LastOffset), p.Events, p.Duplicates, p.DeadLetters)
			}
		})
		if err != nil {
			return err
		}
		for _, n := range a.Notes {
			fmt.Fprintln(w, "note: "+n)
		}
		for _, d := range a.Differences {
			fmt.Fprintln(w, "differs: "+d)
		}
		if !a.Exact {
			return failed{errNotExact}
		}
		fmt.Fprintln(w, "exact")
		return nil
	}
	return cmd
}
