package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

var errNotExact = errors.New("not exact")

func newAuditCmd() *cobra.Command {
	r := &remote{patience: 11 * time.Minute} // the server gives up after ten
	var since, until string
	cmd := &cobra.Command{
		Use: "audit", Short: "Check that every record is counted exactly once, on a running server", Args: cobra.NoArgs,
		Long: "Compare the offsets that Kafka holds as done, the stored events and dead letters, and sealed usage. Exit 1 when anything\n" +
			"differs. Looking at everything takes seconds for each ten million records.",
		Example: "  tollkeeper audit\n  tollkeeper audit --since 7d",
	}
	r.flags(cmd)
	cmd.Flags().StringVar(&since, "since", "", "only what was taken in on this day or later, and usage from then on, such as 2026-03-01 or 7d (ago)")
	cmd.Flags().StringVar(&until, "until", "", "only what was taken in, and usage, before this day")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var a gen.IngestAudit
		span, err := between(since, until, time.Now().UTC())
		if err != nil {
			return err
		}
		raw, err := r.ask(cmd.Context(), http.MethodGet, "/v1/ingest/audit"+span, nil)
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
		unprotected := int64(0)
		err = table(w, func(row func(...any)) {
			row("TOPIC", "PARTITION", "OFFSETS", "EVENTS", "RETRIES", "NOT PROTECTED", "DEAD LETTERS")
			for _, p := range a.Partitions {
				row(p.Topic, p.Partition, fmt.Sprintf("%d to %d", p.FirstOffset, p.LastOffset), p.Events, p.Duplicates, p.Unprotected, p.DeadLetters)
				unprotected += p.Unprotected
			}
		})
		if err != nil {
			return err
		}
		for _, n := range a.Notes {
			fmt.Fprintln(w, "note: "+n)
		}
		if unprotected > 0 {
			fmt.Fprintf(w, "not protected: %d events have no request id; had their gateway written one twice, it would count twice\n", unprotected)
		}
		tellTooOld(w, a.TooOld)
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

// tellTooOld says which records no seal covers, and what that means for each hour of them.
func tellTooOld(w io.Writer, old gen.TooOldRecords) {
	if old.Records == 0 {
		return
	}
	fmt.Fprintf(w, "too old: %d records of %d hours came when these could not be sealed any more (see events-days):\n", old.Records, old.Hours)
	for _, h := range old.First {
		fate := "count until they are dropped"
		if !h.Counted {
			fate = "do not count: the hour was sealed without them"
		}
		fmt.Fprintf(w, "  %s  %d records %s\n", h.Hour.UTC().Format(time.RFC3339), h.Records, fate)
	}
	if more := old.Hours - int64(len(old.First)); more > 0 {
		fmt.Fprintf(w, "  and %d later hours\n", more)
	}
}

// between is the query for the days from that of since up to that of until, each as moment reads it.
func between(since, until string, now time.Time) (string, error) {
	from, to, err := moments(since, until, now)
	if err != nil {
		return "", err
	}
	const day = 24 * time.Hour
	return query("from", instant(from.Truncate(day)), "to", instant(to.Truncate(day))), nil
}
