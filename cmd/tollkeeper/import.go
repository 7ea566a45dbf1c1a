package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/ingest"
	"github.com/tollkeeper/tollkeeper/internal/app"
	"github.com/tollkeeper/tollkeeper/internal/config"
)

func newImportCmd() *cobra.Command {
	var asJSON, dry bool
	cmd := &cobra.Command{
		Use: "import FILE...", Short: "Put log files straight into ClickHouse", Args: cobra.MinimumNArgs(1),
		Long: "Put log files, packed with gzip or zstd or not, straight into ClickHouse. A file that is imported twice counts once.\n" +
			"Lines that cannot be read become dead letters. Detection is not run on them: see 'tollkeeper backtest'.",
		Example: "  tollkeeper import --format combined /var/log/apache2/access.log.1 /var/log/apache2/access.log.2.gz",
	}
	load := settings(cmd, quiet)
	concerning(cmd, "truncate-ip", "dedup-window", "events-days", "country-file", "network-file", "clickhouse", "clickhouse-library", "clickhouse-cluster")
	cmd.Flags().BoolVar(&asJSON, "json", false, "end with one JSON object")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what the files hold; store nothing")
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		for _, f := range files {
			if info, err := os.Stat(f); err != nil {
				return fmt.Errorf("cannot read %s: %w", f, err)
			} else if info.IsDir() {
				return fmt.Errorf("%s is a folder; name the files in it", f)
			}
		}
		// Found before anything is opened, a wrong format is one of how the command was called.
		if problems := slices.DeleteFunc(checkFiles(c), func(p config.Problem) bool { return p.Setting != "format" && p.Setting != "mapping" }); len(problems) > 0 {
			return &config.Error{Problems: problems}
		}
		began := time.Now()
		bar := progress(cmd.ErrOrStderr(), "importing")
		show := func(sum ingest.ImportSummary) error {
			bar.end()
			if !asJSON {
				printImport(cmd.OutOrStdout(), sum, time.Since(began), dry)
			} else if err := json.NewEncoder(cmd.OutOrStdout()).Encode(sum); err != nil {
				return err
			}
			if sum.Lines > 0 && sum.DeadLetters == sum.Lines {
				return failed{fmt.Errorf("no line could be read as %s; 'tollkeeper formats' lists what --format may be", c.Format)}
			}
			return nil
		}
		if dry {
			sum, err := app.DryImport(cmd.Context(), c, files, bar.set)
			if err != nil {
				bar.end()
				if cmd.Context().Err() != nil {
					err = interrupted("interrupted")
				}
				return failed{err}
			}
			return show(sum)
		}
		a, err := start(cmd.Context(), cmd, c, true)
		if err != nil {
			return err
		}
		sum, err := a.Import(cmd.Context(), files, bar.set)
		if err != nil {
			bar.end()
			return stopped(a, failed{importError(cmd.Context(), err)})
		}
		return stopped(a, show(sum))
	}
	return cmd
}

// importError says what to do about an import that ended early. What was imported by then stays, and counts once.
func importError(ctx context.Context, err error) error {
	const again = "run the same command again to add what is missing"
	switch {
	case ctx.Err() != nil:
		return interrupted("interrupted; " + again)
	case errors.Is(err, ingest.ErrOtherFormat):
		return err
	case errors.Is(err, ingest.ErrCut):
		return fmt.Errorf("%w; get the whole file, then %s", err, again)
	}
	return fmt.Errorf("%w; %s", err, again)
}

func printImport(w io.Writer, s ingest.ImportSummary, took time.Duration, dry bool) {
	fmt.Fprintf(w, "%d lines in %s: %d events, %d dead letters\n", s.Lines, took.Round(10*time.Millisecond), s.Events, s.DeadLetters)
	for _, status := range slices.Sorted(maps.Keys(s.ByStatus)) {
		fmt.Fprintf(w, "  %3s  %10d\n", status, s.ByStatus[status])
	}
	if s.Known > 0 {
		fmt.Fprintf(w, "%d of the lines were imported before and count once.\n", s.Known)
	}
	if s.Duplicates > 0 {
		fmt.Fprintf(w, "%d of the events repeat the request id of an earlier one and do not count.\n", s.Duplicates)
	}
	if s.Unprotected > 0 {
		fmt.Fprintf(w, "%d of the events have no request id: had their gateway written one twice, it would count twice.\n", s.Unprotected)
	}
	for _, reason := range slices.Sorted(maps.Keys(s.ByReason)) {
		fmt.Fprintf(w, "  refused, %s: %d\n", reason, s.ByReason[reason])
	}
	switch {
	case dry:
		fmt.Fprintln(w, "A dry run: nothing was stored.")
	case s.DeadLetters > 0:
		fmt.Fprintln(w, "'tollkeeper deadletters list' shows what could not be read, and why, once 'tollkeeper serve' runs.")
	}
}
