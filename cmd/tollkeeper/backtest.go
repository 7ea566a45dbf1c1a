package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/detect/replay"
	"github.com/tollkeeper/tollkeeper/internal/app"
	"github.com/tollkeeper/tollkeeper/internal/config"
)

// newBacktestCmd replays recorded traffic through the detectors, in event time.
func newBacktestCmd() *cobra.Command {
	var b backtest
	var asJSON bool
	var from pastFlags
	cmd := &cobra.Command{
		Use: "backtest [SOURCE] --out DIR", Short: "Replay recorded traffic through the detectors and policies", Args: cobra.MaximumNArgs(1),
		Long: `Replays a recorded log through the same detectors that run live, in event time, and writes to DIR

  decisions.jsonl  flags and suspensions, one JSON object a line
  episodes.jsonl   all that was found about one actor, with evidence, examples and timeline
  report.html      the same with plots (with --html)

SOURCE is a log file of any known format, packed with gzip or zstd or not, - for standard input, or a folder with events.jsonl or
events.jsonl.gz. Beside it may lie
keys.json (a list of objects with key_id, plan, account, environment, tags: what policies ask for; other keys of the log are
then unknown ones, as to a key store) and labels.json (a list of
objects with key_id, family, expect, start, end): then the run is scored against the labels.

With --from-clickhouse it replays the events that are in ClickHouse already: those of the data folder while no server runs on it,
or, beside running servers, those of the ClickHouse that --clickhouse names. Policies then go by what the key store says of a key,
and what people confirmed and dismissed in past alerts stands in for labels.`,
		Example: "  tollkeeper backtest traffic --out result --html\n  tollkeeper backtest --policy stricter.yaml --format nginx access.log.gz --out result\n" +
			"  zcat access.log.3.gz access.log.2.gz | tollkeeper backtest - --out result\n" +
			"  tollkeeper backtest --from-clickhouse --since 30d --out result --html",
	}
	load := settings(cmd)
	concerning(cmd, "policy", "truncate-ip", "country-file", "network-file", "clickhouse", "clickhouse-library", "clickhouse-cluster")
	cmd.Flags().StringVar(&b.out, "out", "", "folder for the results (required)")
	cmd.Flags().IntVar(&b.shards, "shards", 1, "engines, with the keys shared out among them as among a topic's partitions")
	cmd.Flags().BoolVar(&b.html, "html", false, "write report.html")
	cmd.Flags().BoolVar(&asJSON, "json", false, "end with one JSON object")
	cmd.Flags().Float64Var(&b.falseMonth, "false-per-month", 1, "false suspensions in 30 days that you would put up with: what recall that buys")
	from.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		if b.out == "" {
			return errors.New("--out is missing: name the folder for the results")
		}
		if b.policies, err = readPolicies(c.Policy); err != nil {
			return err
		}
		if err := b.replay(cmd, c, &from, args); err != nil {
			return err
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
	source, out          string
	format, mapping      string
	hops, shards         int
	html, shorten        bool
	countries, networks  []string
	events               string // the log itself
	keys                 map[string]detect.KeyAttributes
	strangers            bool // none of the keys in keys.json occurs in the log
	labels               []replay.Label
	policies, present    *detect.Policies // present: to compare with; nil for none
	past                 *past            // instead of a log
	attributes           func(keyID string) detect.KeyAttributes
	names                map[string]string // what people call the keys that something was decided about
	exhaustive           bool              // the labels name all that was abuse
	falseMonth           float64
	wanted               map[string]bool // keys whose times the score needs
	traffic              replay.Traffic
	hours                *replay.Hours
	decisions, presently []detect.Decision
	records, size        int64
	lines, badLines      int64 // of the log, and those that could not be read
	badReasons           map[string]int64
	firstBad             string // the first of them: where, and why
	took                 time.Duration
	profiles             map[string]detect.Profile // by episode, as things stood when it began
}

// replay runs the detectors over a log or over what is in ClickHouse.
func (b *backtest) replay(cmd *cobra.Command, c config.Config, from *pastFlags, args []string) error {
	var err error
	if b.source, err = from.source(args); err != nil {
		return err
	}
	if b.shards < 1 || b.shards > 64 {
		return fmt.Errorf("--shards is %d: write a number between 1 and 64", b.shards)
	}
	b.format, b.mapping, b.hops, b.shorten = c.Format, c.Mapping, c.TrustedHops, c.TruncateIP
	b.countries, b.networks = app.AddressFiles(c.CountryFile, c.NetworkFile)
	b.wanted, b.attributes = map[string]bool{}, func(id string) detect.KeyAttributes { return b.keys[id] }
	if from.use {
		if b.past, err = from.open(cmd, c); err != nil {
			return err
		}
		b.attributes = b.past.app.Attributes
	} else if err := b.prepareFile(); err != nil {
		return err
	}
	if b.out != "" {
		if err := os.MkdirAll(b.out, 0o755); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
	}
	bar := progress(cmd.ErrOrStderr(), "replaying")
	err = b.run(cmd.Context(), bar.set)
	bar.end()
	if err == nil && b.past != nil {
		err = b.askStores(cmd.Context())
	}
	if err != nil {
		err = failed{err}
	}
	if b.past != nil {
		return stopped(b.past.app, err)
	}
	return err
}

// askStores reads what the stores say about the past: verdicts, as labels, and the names of keys.
func (b *backtest) askStores(ctx context.Context) error {
	var err error
	if b.labels, err = b.past.app.Labels(ctx, b.past.since, b.past.until); err != nil {
		return err
	}
	b.names = map[string]string{}
	for _, list := range [][]detect.Decision{b.decisions, b.presently} {
		for i := range list {
			id := list[i].KeyID
			if _, ok := b.names[id]; ok || id == "" {
				continue
			}
			if b.names[id], err = b.past.app.KeyName(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// readPolicies reads a policy file; without one, those that are built in.
func readPolicies(path string) (*detect.Policies, error) {
	if path == "" {
		return detect.DefaultPolicies(), nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return detect.ParsePolicies(raw)
}

// standardInput as a file.
const standardInput = "/dev/stdin"

// prepareFile finds the log, and what lies beside it.
func (b *backtest) prepareFile() error {
	if b.source == "-" {
		b.events = standardInput
		return nil
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
	if err := b.readKeys(filepath.Join(dir, "keys.json")); err != nil {
		return err
	}
	return b.readLabels(filepath.Join(dir, "labels.json"))
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
	b.keys = make(map[string]detect.KeyAttributes, len(list))
	for _, k := range list {
		b.keys[k.KeyID] = detect.KeyAttributes{Account: k.Account, Plan: k.Plan, Environment: k.Environment, Tags: k.Tags}
	}
	return nil
}

func (b *backtest) readLabels(path string) error {
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
	b.exhaustive = true
	for _, l := range b.labels {
		if l.Expect == replay.ExpectSuspend {
			b.wanted[l.KeyID] = true
		}
	}
	return nil
}
