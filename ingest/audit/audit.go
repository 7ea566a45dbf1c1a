// Package audit answers one question: is every record that was taken from Kafka counted exactly once?
//
// It compares four accounts of the same records: the offsets that the consumer group has committed, the events and dead
// letters that are stored, the gaps that were noted, and the usage that was sealed. It may be asked at any time, while
// records come in and hours are sealed, and then speaks of what was committed when it began. It changes nothing.
//
// What it cannot see: a record that a gateway wrote twice without a request id; the last of a line's several records when
// its row was stored before the others were marked for that and deleted before its hour was sealed; rows that are past their time to live.
package audit

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// listLimit bounds how many differences of a kind are listed.
const listLimit = 100

// Store is where events, dead letters, gaps and sealed usage are.
type Store interface {
	Audit(ctx context.Context, from, to time.Time) ([]clickhouse.PartitionAudit, error)
	MissingOffsets(ctx context.Context, topic string, partition int32, from, to time.Time, first, before int64, limit int) ([]clickhouse.OffsetRange, error)
	CountHoles(ctx context.Context, from, to time.Time) ([]clickhouse.Holes, error)
	MissingRecords(ctx context.Context, from, to time.Time) ([]clickhouse.BrokenLines, error)
	AuditSealed(ctx context.Context, from, to time.Time, limit int) ([]clickhouse.SealedDifference, error)
	TooOld(ctx context.Context, from, to time.Time, limit int) (clickhouse.TooOld, error)
	Gaps(ctx context.Context) ([]usage.Gap, error)
	RekeyedTwice(ctx context.Context, from, to time.Time) (map[string]int64, error)
}

// Position is what Kafka and the consumer group say about a partition.
type Position struct {
	Topic     string // as its rows are stored: one that was made anew has a name of its own
	Partition int32
	// First is the oldest offset that the log still holds, End the next to be written.
	First, End int64
	// Committed is the offset below which everything is stored; -1 when nothing was committed yet.
	Committed int64
	// LastRow is the highest offset below Committed that left an event or a dead letter; -1 when there is none or it is not known.
	LastRow int64
	// StreamMillis is the latest record time below Committed, 0 when it is not known.
	StreamMillis int64
	Stopped      string // why the partition stands still until an operator decides; only known of those that this process owns
}

// Config says what is compared.
type Config struct {
	Store Store
	// Positions are those of Kafka, as the Ingester finds them.
	Positions func(ctx context.Context) ([]Position, error)
	// Rekeyed are topics whose records go into another topic: only their dead letters are stored under their own name.
	Rekeyed []string
	// KeepDays is how long events are kept, 0 for ever.
	KeepDays int
	Now      func() time.Time
}

// Report says what was found.
type Report struct {
	Exact      bool                        `json:"exact"`
	At         time.Time                   `json:"at"`
	Partitions []clickhouse.PartitionAudit `json:"partitions"`
	// Differences says what is not exact, in words; empty when all is.
	Differences []string `json:"differences"`
	// Notes are facts that explain figures but are no fault, such as recorded gaps.
	Notes []string `json:"notes"`
	// TooOld are records that no seal covers and none will: no fault of the books, but of a clock, or of a log that came late.
	TooOld clickhouse.TooOld `json:"too_old"`
}

// run is one audit under way.
type run struct {
	Config
	Report
	from, to  time.Time
	gaps      []usage.Gap
	positions map[place]Position
}

type place struct {
	topic     string
	partition int32
}

// rekeyed says whether the records that are stored under that name go into another topic.
func (r *run) rekeyed(stored string) bool {
	topic, _ := usage.KafkaTopic(stored)
	return slices.Contains(r.Rekeyed, topic)
}

func (r *run) differs(format string, args ...any) {
	r.Differences = append(r.Differences, fmt.Sprintf(format, args...))
}

func (r *run) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// Run checks that every offset up to the committed one is stored exactly once, and that sealed usage is what the events
// say. Zero times look at everything; else at the days in [from, to). An error means that it could not be found out.
func Run(ctx context.Context, cfg Config, from, to time.Time) (Report, error) {
	r := &run{Config: cfg, from: from, to: to, positions: map[place]Position{}, Report: Report{At: cfg.Now().UTC(), Differences: []string{}, Notes: []string{}}}
	// Read before the stored rows: what is committed by now must be there by then.
	positions, err := cfg.Positions(ctx)
	if err != nil {
		return r.Report, err
	}
	for _, p := range positions {
		r.positions[place{p.Topic, p.Partition}] = p
	}
	if r.gaps, err = cfg.Store.Gaps(ctx); err != nil {
		return r.Report, err
	}
	for _, g := range r.gaps {
		r.note("%s/%d: %s", g.Topic, g.Partition, gapInWords(g))
	}
	holes, err := cfg.Store.CountHoles(ctx, from, to)
	if err != nil {
		return r.Report, err
	}
	for _, h := range holes {
		r.note("%s/%d: at %d offsets the log had no record that counts: transaction markers, aborted or compacted records", h.Topic, h.Partition, h.Offsets)
	}
	if r.Partitions, err = cfg.Store.Audit(ctx, from, to); err != nil {
		return r.Report, err
	}
	for _, p := range r.Partitions {
		if err := r.partition(ctx, p); err != nil {
			return r.Report, err
		}
	}
	for _, p := range positions {
		r.position(p)
	}
	broken, err := cfg.Store.MissingRecords(ctx, from, to)
	if err != nil {
		return r.Report, err
	}
	for _, l := range broken {
		r.differs("%s/%d: offsets %d to %d have records in them of which at least %d are not stored", l.Topic, l.Partition, l.From, l.To-1, l.Records)
	}
	twice, err := cfg.Store.RekeyedTwice(ctx, from, to)
	if err != nil {
		return r.Report, err
	}
	for _, origin := range slices.Sorted(maps.Keys(twice)) {
		r.differs("%s: %d records that were re-keyed from it count twice", origin, twice[origin])
	}
	if err := r.sealed(ctx); err != nil {
		return r.Report, err
	}
	if r.TooOld, err = cfg.Store.TooOld(ctx, from, to, listLimit); err != nil {
		return r.Report, err
	}
	r.Exact = len(r.Differences) == 0
	return r.Report, nil
}

// partition looks at what is stored of one.
func (r *run) partition(ctx context.Context, p clickhouse.PartitionAudit) error {
	if p.Rows != p.Places {
		r.differs("%s/%d: %d events, but only %d different places in the log: some are stored twice", p.Topic, p.Partition, p.Rows, p.Places)
	}
	if strings.HasPrefix(p.Topic, "import:") || r.rekeyed(p.Topic) {
		return nil // a file's empty lines, and records that went into another topic, are neither events nor dead letters
	}
	first, before := int64(-1), int64(math.MaxInt64)
	if position, ok := r.positions[place{p.Topic, p.Partition}]; ok {
		// Behind it a block may be half there: its dead letters are stored before its events.
		before = max(position.Committed, 0)
		if position.LastRow >= 0 && r.from.IsZero() && p.MinOffset > position.First && !r.expired(p.FirstDay) {
			first = position.First
		}
	}
	missing, err := r.Store.MissingOffsets(ctx, p.Topic, p.Partition, r.from, r.to, first, before, listLimit)
	if err != nil {
		return err
	}
	for _, m := range missing {
		r.missing(p.Topic, p.Partition, m.From, m.To)
	}
	return nil
}

// position looks at the ends of a partition: what must be stored because it was committed.
func (r *run) position(p Position) {
	if p.Stopped != "" {
		r.differs("%s/%d stands still: %s", p.Topic, p.Partition, p.Stopped)
	}
	if p.LastRow < 0 || r.rekeyed(p.Topic) {
		return
	}
	i := slices.IndexFunc(r.Partitions, func(a clickhouse.PartitionAudit) bool { return a.Topic == p.Topic && a.Partition == p.Partition })
	none := i < 0
	if r.to.IsZero() && (none || r.Partitions[i].MaxOffset < p.LastRow) {
		last := "nothing is"
		if !none {
			last = fmt.Sprintf("only up to %d is", r.Partitions[i].MaxOffset)
		}
		text := fmt.Sprintf("%s/%d: offset %d was stored and committed, but %s stored now", p.Topic, p.Partition, p.LastRow, last)
		if r.KeepDays > 0 && p.StreamMillis < r.At.AddDate(0, 0, 1-r.KeepDays).UnixMilli() {
			r.note("%s: perhaps because events are kept for %d days", text, r.KeepDays)
		} else {
			r.differs("%s", text)
		}
	}
}

// expired says whether rows of before that day may be past their time to live.
func (r *run) expired(day int32) bool {
	return r.KeepDays > 0 && int64(day) <= r.At.Unix()/86400-int64(r.KeepDays)+1
}

func (r *run) missing(topic string, partition int32, from, to int64) {
	if !within(r.gaps, topic, partition, from, to) {
		r.differs("%s/%d: offsets %d to %d are neither events nor dead letters (so are transaction markers and compacted records that were passed by before it was noted where they are)",
			topic, partition, from, to-1)
	}
}

// sealed compares sealed usage with the events.
func (r *run) sealed(ctx context.Context) error {
	from, to := r.from, r.to
	if from.IsZero() && r.KeepDays > 0 {
		from = r.At.AddDate(0, 0, min(-1, 2-r.KeepDays)) // older hours cannot be recomputed
	}
	if to.IsZero() {
		to = r.At.Add(24 * time.Hour)
	}
	from, to = from.UTC().Truncate(time.Hour), to.UTC().Truncate(time.Hour)
	found, err := r.Store.AuditSealed(ctx, from, to, listLimit)
	if err != nil || len(found) == 0 {
		return err
	}
	// An hour that was sealed anew while we looked may have been seen half old, half new. A true difference stays.
	again, err := r.Store.AuditSealed(ctx, from, to, listLimit)
	if err != nil {
		return err
	}
	for _, d := range again {
		if slices.ContainsFunc(found, func(f clickhouse.SealedDifference) bool { return f.Hour.Equal(d.Hour) && f.KeyID == d.KeyID }) {
			r.differs("hour %s of key %s: %s", d.Hour.Format(time.RFC3339), d.KeyID, d.Text())
		}
	}
	return nil
}

// Reasons of gaps that a log leaves that was cut back: one of its earlier name, and one of the name that it has since.
const (
	GapCutBack     = "log_cut_back"
	GapEarlierName = "stored_under_earlier_name"
)

// gapInWords is what a recorded gap tells. One of a topic that was made anew is empty: how far the old log went is not known.
func gapInWords(g usage.Gap) string {
	switch {
	case g.Reason == GapCutBack:
		return fmt.Sprintf("the log was cut back to offset %d after everything below %d had been read; what was written at those offsets before that was noticed was not read", g.From, g.To)
	case g.Reason == GapEarlierName:
		return fmt.Sprintf("offsets %d to %d are stored under the name that the log had before it was cut back", g.From, g.To-1)
	case g.To > g.From+1:
		return fmt.Sprintf("offsets %d to %d were not read: %s", g.From, g.To-1, g.Reason)
	case g.To > g.From:
		return fmt.Sprintf("offset %d was not read: %s", g.From, g.Reason)
	}
	return fmt.Sprintf("everything below offset %d was read, then the topic was made anew; whether its old log went on is not known", g.From)
}

// within says whether recorded gaps cover [from, to).
func within(gaps []usage.Gap, topic string, partition int32, from, to int64) bool {
	for moved := true; moved && from < to; {
		moved = false
		for _, g := range gaps {
			if g.Topic == topic && g.Partition == partition && g.From <= from && g.To > from {
				from, moved = g.To, true
			}
		}
	}
	return from >= to
}
