package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/detect/replay"
	"github.com/tollkeeper/tollkeeper/internal/app"
)

// newBacktestCmd replays recorded traffic through the detectors, in event time.
func newBacktestCmd() *cobra.Command {
	var b backtest
	var asJSON bool
	cmd := &cobra.Command{
		Use: "backtest SOURCE --out DIR", Short: "Replay recorded traffic through the detectors and policies", Args: cobra.ExactArgs(1),
		Long: `Replays a recorded log through the same detectors that run live, in event time, and writes to DIR

  decisions.jsonl  flags and suspensions, one JSON object a line
  episodes.jsonl   all that was found about one actor, with evidence, examples and timeline
  report.html      the same with plots (with --html)

SOURCE is a log file of any known format (gzip-packed or not), or a folder with events.jsonl or events.jsonl.gz. Beside it may lie
keys.json (a list of objects with key_id, plan, account, environment, tags: what policies ask for) and labels.json (a list of
objects with key_id, family, expect, start, end): then the run is scored against the labels.`,
		Example: "  tollkeeper backtest traffic --out result --html\n  tollkeeper backtest --policy stricter.yaml --format nginx access.log.gz --out result",
	}
	load := settings(cmd)
	cmd.Flags().StringVar(&b.out, "out", "", "folder for the results (required)")
	cmd.Flags().IntVar(&b.shards, "shards", 1, "engines, with the keys shared out among them as among a topic's partitions")
	cmd.Flags().BoolVar(&b.html, "html", false, "write report.html")
	cmd.Flags().BoolVar(&asJSON, "json", false, "end with one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		b.source, b.format, b.mapping, b.hops = args[0], c.Format, c.Mapping, c.TrustedHops
		if err := b.prepare(c.Policy, c.CountryFile, c.NetworkFile); err != nil {
			return err
		}
		bar := progress(cmd.ErrOrStderr(), "replaying")
		err = b.run(cmd.Context(), bar.set)
		bar.end()
		if err != nil {
			return failed{err}
		}
		if err := b.write(); err != nil {
			return failed{err}
		}
		if asJSON {
			return json.NewEncoder(cmd.OutOrStdout()).Encode(b.result())
		}
		b.print(cmd.OutOrStdout())
		return nil
	}
	cmd.AddCommand(newBacktestSeriesCmd())
	return cmd
}

// backtest is one run.
type backtest struct {
	source, out             string
	format, mapping         string
	hops, shards            int
	html                    bool
	countries, networks     []string
	events                  string // the log itself
	keys                    map[string]detect.KeyAttributes
	listed                  int // keys in keys.json
	labels                  []replay.Label
	labelled                bool
	policies                *detect.Policies
	wanted                  map[string]bool // keys whose times the score needs
	traffic                 replay.Traffic
	hours                   *replay.Hours
	decisions               []detect.Decision
	records, badLines, size int64
	took                    time.Duration
	views                   map[string]detect.KeyView
}

// prepare does everything that can fail before the work begins.
func (b *backtest) prepare(policy, countryFile, networkFile string) error {
	if b.out == "" {
		return errors.New("--out is missing: name the folder for the results")
	}
	if b.shards < 1 || b.shards > 64 {
		return fmt.Errorf("--shards is %d: write a number between 1 and 64", b.shards)
	}
	dir := filepath.Dir(b.source)
	info, err := os.Stat(b.source)
	switch {
	case err != nil:
		return fmt.Errorf("cannot read %s: %w", b.source, err)
	case info.IsDir():
		dir = b.source
		for _, name := range []string{"events.jsonl.gz", "events.jsonl"} {
			if info, err = os.Stat(filepath.Join(dir, name)); err == nil {
				b.events = filepath.Join(dir, name)
				break
			}
		}
		if b.events == "" {
			return fmt.Errorf("%s holds neither events.jsonl.gz nor events.jsonl: name the log file itself", dir)
		}
	default:
		b.events = b.source
	}
	b.size = info.Size()
	b.policies = detect.DefaultPolicies()
	if policy != "" {
		raw, err := os.ReadFile(policy)
		if err != nil {
			return fmt.Errorf("policy: %w", err)
		}
		if b.policies, err = detect.ParsePolicies(raw); err != nil {
			return err
		}
	}
	if err := b.readKeys(filepath.Join(dir, "keys.json")); err != nil {
		return err
	}
	if err := b.readLabels(filepath.Join(dir, "labels.json")); err != nil {
		return err
	}
	b.countries, b.networks = app.AddressFiles(countryFile, networkFile)
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return nil
}

func (b *backtest) readKeys(path string) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var list []struct {
		KeyID       string   `json:"key_id"`
		Account     string   `json:"account"`
		Plan        string   `json:"plan"`
		Environment string   `json:"environment"`
		Tags        []string `json:"tags"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	b.listed = len(list)
	b.keys = make(map[string]detect.KeyAttributes, len(list))
	for _, k := range list {
		b.keys[k.KeyID] = detect.KeyAttributes{Account: k.Account, Plan: k.Plan, Environment: k.Environment, Tags: k.Tags}
	}
	return nil
}

func (b *backtest) readLabels(path string) error {
	b.wanted = map[string]bool{}
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if b.labels, err = replay.ParseLabels(raw); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	b.labelled = true
	for _, l := range b.labels {
		if l.Expect == replay.ExpectSuspend {
			b.wanted[l.KeyID] = true
		}
	}
	return nil
}

// write leaves the results in the folder.
func (b *backtest) write() error {
	if err := b.writeLines("decisions.jsonl", func(enc *json.Encoder) error {
		for i := range b.decisions {
			d := &b.decisions[i]
			stop, ok := replay.Counts(d)
			if !ok {
				continue
			}
			action := detect.ActionFlag
			if stop {
				action = detect.ActionSuspend
			}
			if err := enc.Encode(decisionLine{
				Time: stamp(d.TimeMillis), KeyID: d.KeyID, Action: action.String(), CarriedOut: d.Action.String(), Score: d.Score, Reason: d.Reason,
				EpisodeID: d.EpisodeID, PolicyID: d.PolicyID, Actor: d.Actor,
			}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	episodes := replay.Episodes(b.decisions, b.labels)
	if err := b.writeLines("episodes.jsonl", func(enc *json.Encoder) error {
		for i := range episodes {
			if err := enc.Encode(&episodes[i]); err != nil {
				return err
			}
		}
		return nil
	}); err != nil || !b.html {
		return err
	}
	f, err := os.Create(filepath.Join(b.out, "report.html"))
	if err != nil {
		return err
	}
	defer f.Close()
	r := replay.Report{
		Source: b.source, Records: b.records, Keys: b.traffic.Keys, First: b.traffic.First, Last: b.traffic.Last,
		Episodes: episodes, Hours: b.hours, Views: b.views, Tradeoffs: b.tradeoffs(episodes), Labels: b.labels,
	}
	if b.labelled {
		s := replay.Rate(b.labels, b.traffic, b.decisions)
		r.Score = &s
	}
	if err := r.WriteHTML(f); err != nil {
		return err
	}
	return f.Close()
}

type decisionLine struct {
	Time       string       `json:"time"`
	KeyID      string       `json:"key_id"`
	Action     string       `json:"action"` // flag or suspend
	CarriedOut string       `json:"carried_out"`
	Score      float64      `json:"score"`
	Reason     string       `json:"reason"`
	EpisodeID  string       `json:"episode_id"`
	PolicyID   string       `json:"policy_id"`
	Actor      detect.Actor `json:"actor"`
}

func stamp(millis int64) string {
	return time.UnixMilli(millis).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

func (b *backtest) writeLines(name string, each func(*json.Encoder) error) error {
	f, err := os.Create(filepath.Join(b.out, name))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := each(json.NewEncoder(f)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return f.Close()
}

// thresholds for which the price is told.
func thresholds() []float64 { return []float64{6, 6.5, 7, 8, 9, 10, 12} }

func (b *backtest) tradeoffs(episodes []replay.Episode) []replay.Tradeoff {
	return replay.Tradeoffs(episodes, b.labels, float64(b.traffic.Last-b.traffic.First)/86400e3, thresholds())
}

type backtestResult struct {
	Records       int64         `json:"records"`
	BadLines      int64         `json:"bad_lines"`
	Keys          int           `json:"keys"`
	Seconds       float64       `json:"seconds"`
	RecordsPerSec float64       `json:"records_per_second"`
	Suspensions   int           `json:"suspensions"`
	Flags         int           `json:"flags"`
	Score         *replay.Score `json:"score,omitempty"`
}

func (b *backtest) result() backtestResult {
	r := backtestResult{
		Records: b.records, BadLines: b.badLines, Keys: b.traffic.Keys, Seconds: b.took.Seconds(),
		RecordsPerSec: float64(b.records) / max(b.took.Seconds(), 1e-9),
	}
	for i := range b.decisions {
		if stop, ok := replay.Counts(&b.decisions[i]); ok {
			if stop {
				r.Suspensions++
			} else {
				r.Flags++
			}
		}
	}
	if b.labelled {
		s := replay.Rate(b.labels, b.traffic, b.decisions)
		r.Score = &s
	}
	return r
}

func (b *backtest) print(w io.Writer) {
	r := b.result()
	fmt.Fprintf(w, "%d records of %d keys over %.1f days in %s (%.0f records/s)\n", r.Records, r.Keys,
		float64(b.traffic.Last-b.traffic.First)/86400e3, b.took.Round(10*time.Millisecond), r.RecordsPerSec)
	if r.BadLines > 0 {
		fmt.Fprintf(w, "%d lines could not be read; 'tollkeeper import' says why\n", r.BadLines)
	}
	if len(b.networks) == 0 {
		fmt.Fprintln(w, "There are no address data: networks are told apart by address prefix. 'make engine' fetches them.")
	}
	fmt.Fprintln(w)
	episodes := replay.Episodes(b.decisions, b.labels)
	if b.labelled {
		r.Score.Print(w)
	} else {
		replay.PrintEpisodes(w, episodes, 10)
	}
	replay.PrintTradeoffs(w, b.tradeoffs(episodes), b.labelled)
	fmt.Fprintf(w, "\nResults are in %s.\n", b.out)
}

// isGzip goes by the name, as everywhere in the program.
func isGzip(path string) bool { return strings.HasSuffix(path, ".gz") }

func canceled(ctx context.Context) bool { return ctx.Err() != nil }
