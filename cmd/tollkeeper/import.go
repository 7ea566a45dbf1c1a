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
)

func newImportCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "import FILE...", Short: "Put log files straight into ClickHouse", Args: cobra.MinimumNArgs(1),
		Long: "Put log files, gzip-packed or not, straight into ClickHouse. A file that is imported twice counts once.\n" +
			"Lines that cannot be read become dead letters. Detection is not run on them: see 'tollkeeper backtest'.",
		Example: "  tollkeeper import --format combined /var/log/apache2/access.log.1 /var/log/apache2/access.log.2.gz",
	}
	load := settings(cmd, quiet)
	cmd.Flags().BoolVar(&asJSON, "json", false, "end with one JSON object")
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
		a, err := start(cmd.Context(), cmd, c, true)
		if err != nil {
			return err
		}
		began := time.Now()
		bar := progress(cmd.ErrOrStderr(), "importing")
		sum, err := a.Import(cmd.Context(), files, bar.set)
		bar.end()
		if err != nil {
			return stopped(a, failed{importError(cmd.Context(), err)})
		}
		if asJSON {
			err = json.NewEncoder(cmd.OutOrStdout()).Encode(sum)
		} else {
			printImport(cmd.OutOrStdout(), sum, time.Since(began))
		}
		if err == nil && sum.Lines > 0 && sum.DeadLetters == sum.Lines {
			err = failed{fmt.Errorf("no line could be read as %s; 'tollkeeper formats' lists what --format may be", c.Format)}
		}
		return stopped(a, err)
	}
	return cmd
}

// importError says what to do about an import that ended early. What was imported by then stays, and counts once.
func importError(ctx context.Context, err error) error {
	const again = "run the same command again to add what is missing"
	switch {
	case ctx.Err() != nil:
		return interrupted("interrupted; " + again)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: the packed file ends early; get the whole file, then %s", err, again)
	}
	return fmt.Errorf("%w; %s", err, again)
}

func printImport(w io.Writer, s ingest.ImportSummary, took time.Duration) {
	fmt.Fprintf(w, "%d lines in %s: %d events, %d dead letters\n", s.Lines, took.Round(10*time.Millisecond), s.Events, s.DeadLetters)
	for _, status := range slices.Sorted(maps.Keys(s.ByStatus)) {
		fmt.Fprintf(w, "  %3s  %10d\n", status, s.ByStatus[status])
	}
	if s.Known > 0 {
		fmt.Fprintf(w, "%d of the lines were imported before and count once.\n", s.Known)
	}
	if s.DeadLetters > 0 {
		fmt.Fprintln(w, "'tollkeeper deadletters list' shows what could not be read, and why, once 'tollkeeper serve' runs.")
	}
}
