package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/tollkeeper/tollkeeper/detect/series"
)

// newBacktestSeriesCmd scores recorded series of numbers, in the folder layout of the Numenta Anomaly Benchmark.
func newBacktestSeriesCmd() *cobra.Command {
	var (
		results string
		asJSON  bool
	)
	cmd := &cobra.Command{
		Use:   "series DIR --out RESULTS",
		Short: "Find anomalies in recorded series of numbers",
		Long: `Reads DIR/data/CATEGORY/FILE.csv with the columns timestamp and value and writes RESULTS/CATEGORY/FILE.csv with timestamp,
value and anomaly_score, row for row. A score is in [0, 1); from 0.5 on it is an alert. No row's score depends on a later row, and
one set of constants serves all files.`,
		Example: "  tollkeeper backtest series nab --out results",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if results == "" {
				return errors.New("--out is missing: name the folder for the results")
			}
			files, err := seriesFiles(args[0])
			if err != nil {
				return err
			}
			b := seriesBacktest{dir: filepath.Join(args[0], "data"), out: results, progress: progressTo(cmd.ErrOrStderr())}
			if err := b.run(cmd.Context(), files); err != nil {
				return failed{err}
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(b.summary())
			}
			return b.print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&results, "out", "", "folder for the results (required)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the summary as one JSON object")
	return cmd
}

// seriesFiles lists DIR/data/CATEGORY/FILE.csv, relative to DIR/data.
func seriesFiles(dir string) ([]string, error) {
	data := filepath.Join(dir, "data")
	if info, err := os.Stat(data); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder: give the folder that holds data/CATEGORY/FILE.csv", data)
	}
	var files []string
	err := filepath.WalkDir(data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(data, path)
		if err != nil {
			return err
		}
		if !entry.IsDir() && strings.HasSuffix(name, ".csv") && strings.Count(filepath.ToSlash(name), "/") == 1 {
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list series: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no CATEGORY/FILE.csv", data)
	}
	return files, nil
}

type seriesBacktest struct {
	dir, out string
	progress func(string)

	mu      sync.Mutex
	done    []seriesResult
	seconds float64
}

type seriesResult struct {
	category string
	series.Summary
}

type seriesTotal struct {
	Files   int `json:"files"`
	Rows    int `json:"rows"`
	Alerts  int `json:"alerts"`
	Ignored int `json:"ignored_values"`
}

func (t *seriesTotal) add(r seriesResult) {
	t.Files++
	t.Rows += r.Rows
	t.Alerts += r.Alerts
	t.Ignored += r.Ignored
}

// run scores the files on all processors; each file is written beside its place and renamed, so that a result is whole or
// absent.
func (b *seriesBacktest) run(ctx context.Context, files []string) error {
	start := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, name := range files {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			sum, err := b.score(name)
			if err != nil {
				return err
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			b.done = append(b.done, seriesResult{category: filepath.Dir(name), Summary: sum})
			b.progress(fmt.Sprintf("%d of %d files", len(b.done), len(files)))
			return nil
		})
	}
	err := group.Wait()
	b.progress("")
	b.seconds = time.Since(start).Seconds()
	return err
}

func (b *seriesBacktest) score(name string) (series.Summary, error) {
	var sum series.Summary
	in, err := os.Open(filepath.Join(b.dir, name))
	if err != nil {
		return sum, fmt.Errorf("read series: %w", err)
	}
	defer in.Close()
	path := filepath.Join(b.out, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return sum, fmt.Errorf("make the folder for the results: %w", err)
	}
	out, err := os.CreateTemp(filepath.Dir(path), ".series-*")
	if err != nil {
		return sum, fmt.Errorf("write results: %w", err)
	}
	defer func() { _ = os.Remove(out.Name()) }() // fails once it is renamed
	defer out.Close()
	buffered := bufio.NewWriter(out)
	if sum, err = series.ScoreCSV(bufio.NewReader(in), buffered, series.Defaults()); err != nil {
		return sum, fmt.Errorf("%s: %w", in.Name(), err)
	}
	if err := errors.Join(buffered.Flush(), out.Chmod(0o644), out.Close()); err != nil {
		return sum, fmt.Errorf("write results: %w", err)
	}
	if err := os.Rename(out.Name(), path); err != nil {
		return sum, fmt.Errorf("write results: %w", err)
	}
	return sum, nil
}

func (b *seriesBacktest) totals() (byCategory map[string]*seriesTotal, names []string, all seriesTotal) {
	byCategory = map[string]*seriesTotal{}
	for _, r := range b.done {
		if byCategory[r.category] == nil {
			byCategory[r.category] = &seriesTotal{}
		}
		byCategory[r.category].add(r)
		all.add(r)
	}
	return byCategory, slices.Sorted(maps.Keys(byCategory)), all
}

func (b *seriesBacktest) summary() any {
	byCategory, _, all := b.totals()
	return struct {
		Out string `json:"out"`
		seriesTotal
		Seconds    float64                 `json:"seconds"`
		RowsPerSec float64                 `json:"rows_per_second"`
		Categories map[string]*seriesTotal `json:"categories"`
	}{b.out, all, b.seconds, float64(all.Rows) / b.seconds, byCategory}
}

func (b *seriesBacktest) print(w io.Writer) error {
	byCategory, names, all := b.totals()
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, t seriesTotal) {
		fmt.Fprintf(tab, "%s\t%d\t%d\t%d\t\n", name, t.Files, t.Rows, t.Alerts)
	}
	fmt.Fprintln(tab, "category\tfiles\trows\talerts\t")
	for _, name := range names {
		row(name, *byCategory[name])
	}
	row("all", all)
	if err := tab.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nresults in %s; %.1f s, %.0f rows/s\n", b.out, b.seconds, float64(all.Rows)/b.seconds)
	return err
}

// progressTo returns a function that keeps one line up to date if w is a terminal, and clears it when told "".
func progressTo(w io.Writer) func(string) {
	file, ok := w.(*os.File)
	if !ok || !isatty.IsTerminal(file.Fd()) {
		return func(string) {}
	}
	return func(text string) { fmt.Fprintf(w, "\r\x1b[K%s", text) }
}
