package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/detect/replay"
)

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
		Episodes: episodes, Hours: b.hours, Profiles: b.profiles, Tradeoffs: b.tradeoffs(episodes), Labels: b.labels, Names: b.names,
	}
	if b.exhaustive {
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

// thresholds are the demands for evidence of which the price is told: the mildest of the policies that were replayed, under
// which nothing is known, and stricter ones.
func thresholds(p *detect.Policies) []float64 {
	list := []float64{math.Inf(1)}
	for i := range p.List {
		list[0] = min(list[0], p.List[i].Required.Suspend)
	}
	for _, stricter := range []float64{5, 5.5, 6, 7, 8, 10, 12, 15, 20} {
		if stricter > list[0] && len(list) < 7 {
			list = append(list, stricter)
		}
	}
	return list
}

func (b *backtest) tradeoffs(episodes []replay.Episode) []replay.Tradeoff {
	return replay.Tradeoffs(episodes, b.labels, b.exhaustive, float64(b.traffic.Last-b.traffic.First)/86400e3, thresholds(b.policies))
}

type backtestResult struct {
	Records       int64            `json:"records"`
	BadLines      int64            `json:"bad_lines"`
	BadReasons    map[string]int64 `json:"bad_reasons,omitempty"` // bad lines by reason
	Keys          int              `json:"keys"`
	Seconds       float64          `json:"seconds"`
	RecordsPerSec float64          `json:"records_per_second"`
	Suspensions   int              `json:"suspensions"`
	Flags         int              `json:"flags"`
	Score         *replay.Score    `json:"score,omitempty"`
	Notice        string           `json:"notice,omitempty"` // why the result may mean nothing
}

func (b *backtest) result() backtestResult {
	r := backtestResult{
		Records: b.records, BadLines: b.badLines, BadReasons: b.badReasons, Keys: b.traffic.Keys, Seconds: b.took.Seconds(),
		RecordsPerSec: float64(b.records) / max(b.took.Seconds(), 1e-9),
	}
	if b.traffic.Keys == 0 && b.records > 0 {
		r.Notice = "None of the records names a key, so that there was nobody to look at. 'tollkeeper formats' says where each format names it."
	}
	if b.strangers {
		r.Notice = "None of the keys in keys.json occurs in the log, so that every call was one with an unknown key. Are its key ids those of the log?"
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
	if b.exhaustive {
		s := replay.Rate(b.labels, b.traffic, b.decisions)
		r.Score = &s
	}
	return r
}

func (b *backtest) print(w io.Writer) {
	r := b.result()
	fmt.Fprintf(w, "%d records of %d keys over %.1f days in %s (%.0f records/s)\n", r.Records, r.Keys,
		float64(b.traffic.Last-b.traffic.First)/86400e3, b.took.Round(10*time.Millisecond), r.RecordsPerSec)
	if r.Notice != "" {
		fmt.Fprintln(w, r.Notice)
	}
	b.printBad(w)
	if len(b.networks) == 0 && b.past == nil {
		fmt.Fprintln(w, "There are no address data: networks are told apart by address prefix. 'make engine' fetches them.")
	}
	fmt.Fprintln(w)
	episodes := replay.Episodes(b.decisions, b.labels)
	if b.exhaustive {
		r.Score.Print(w)
	} else {
		replay.PrintEpisodes(w, episodes, b.names, 10)
	}
	b.printTradeoffs(w, episodes)
	fmt.Fprintf(w, "\nResults are in %s.\n", b.out)
}

// printBad says how many lines were left out, and why.
func (b *backtest) printBad(w io.Writer) {
	if b.badLines == 0 {
		return
	}
	fmt.Fprintf(w, "%d of %d lines could not be read; the first is %s\n", b.badLines, b.lines, b.firstBad)
	for _, reason := range slices.Sorted(maps.Keys(b.badReasons)) {
		fmt.Fprintf(w, "  refused, %s: %d\n", reason, b.badReasons[reason])
	}
}

// printTradeoffs says what stricter demands for evidence would have meant, and what the false suspensions that one would put
// up with buy.
func (b *backtest) printTradeoffs(w io.Writer, episodes []replay.Episode) {
	list, labelled := b.tradeoffs(episodes), len(b.labels) > 0
	if labelled && !b.exhaustive {
		replay.PrintVerdicts(w, episodes, b.labels)
	}
	replay.PrintTradeoffs(w, list, labelled)
	if !labelled {
		return
	}
	if t, ok := replay.Buys(list, b.falseMonth); ok {
		fmt.Fprintf(w, "\nAt most %v false suspensions in 30 days: required_evidence.suspend %v buys a recall of %.3f on this history.\n", b.falseMonth, t.Required, t.Recall)
	} else {
		fmt.Fprintf(w, "\nNo demand for evidence that was tried keeps false suspensions to %v in 30 days; caps.false_suspensions_per_month does.\n", b.falseMonth)
	}
}

func canceled(ctx context.Context) bool { return ctx.Err() != nil }
