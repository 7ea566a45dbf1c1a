package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go/sasl"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// RekeyConfig is what NewRekeyer needs.
type RekeyConfig struct {
	Brokers  []string
	Topics   []string // that the gateways write, keyed by anything or nothing
	Target   string   // of Tollkeeper's own: format tollkeeper, keyed by key id; an Ingester reads it
	Group    string   // "tollkeeper-rekey"
	Instance string   // as in Config
	TLS      *tls.Config
	SASL     sasl.Mechanism

	Store      OriginStore                         // for dead letters and gaps, and what of it has landed behind the ingester
	NewDecoder func(topic string) (Decoder, error) // of the gateways' formats
	Source     func(topic string) string           // as in Config

	ShortenIPs bool // before they are written; country and network are found by the /24 or /48 then

	MemoryBytes    int64         // 96 MiB
	FlushInterval  time.Duration // 50 ms
	InsertTimeout  time.Duration // as in Config
	SessionTimeout time.Duration
	StallAfter     time.Duration
	OnGap          string
	Replay         bool // as in Config; accepts a target topic that has changed, too

	Logger     *slog.Logger
	Registerer prometheus.Registerer // must not be the Ingester's own: wrap it with a label
	Now        func() time.Time
}

// Rekeyer carries lines from topics that the gateway does not key by API key into a topic of Tollkeeper's own that is: so
// all records of a key meet in one partition, where detection and counting need them. No key in clear is written.
//
// It is a member of a consumer group that plans its blocks in offset commits as the Ingester does, with the target topic in
// the place of the store. kafka-go has no idempotent producer: what was written when a process died is written again by
// the next owner. So each record carries the topic, partition and offset that it came from, and an Ingester to which the
// target topic is Rekeyed counts it once, by that alone: see originMarks.
//
//   - The target topic may get more partitions. A planned block goes where its plan says; the records of a key are in two
//     partitions then for a while.
//   - When the group's offsets are forgotten, the position is rebuilt from what has landed in the store, less maxRekeySpan
//     offsets, as a block that was begun may be half there.
//   - Exactly once ends where the store forgets: records past their time to live mark nothing. And a call whose key becomes
//     known between two times of writing it may be in two partitions, under the key's id and under that of an unknown key.
type Rekeyer struct {
	*Ingester
}

// maxRekeySpan is how many offsets a block that is re-keyed has at the most. It may grow from one version to the next, but
// not shrink: an earlier version's block must fit into what is written again.
const maxRekeySpan = 20_000

// NewRekeyer checks the settings. It does not connect.
func NewRekeyer(cfg RekeyConfig) (*Rekeyer, error) {
	if cfg.Target == "" {
		return nil, errors.New("re-keying needs a target topic: RekeyConfig.Target is empty")
	}
	if cfg.Store == nil {
		return nil, errors.New("re-keying needs a store for dead letters")
	}
	def(&cfg.Group, "tollkeeper-rekey")
	def(&cfg.MemoryBytes, 96<<20)
	def(&cfg.FlushInterval, 50*time.Millisecond)
	t := &targetTopic{OriginStore: cfg.Store, topic: cfg.Target, hands: map[string]*inHand{}}
	in, err := New(Config{
		Brokers: cfg.Brokers, Topics: cfg.Topics, Group: cfg.Group, Instance: cfg.Instance, TLS: cfg.TLS, SASL: cfg.SASL,
		Store: t, NewDecoder: cfg.NewDecoder, Source: cfg.Source, ShortenIPs: cfg.ShortenIPs, MemoryBytes: cfg.MemoryBytes, FlushInterval: cfg.FlushInterval,
		MaxBlockRows: maxRekeySpan, MaxInsertsPerSecond: 1000, InsertTimeout: cfg.InsertTimeout, SessionTimeout: cfg.SessionTimeout,
		StallAfter: cfg.StallAfter, DedupWindow: -1, DedupShare: 0.01, OnGap: cfg.OnGap, Replay: cfg.Replay, Logger: cfg.Logger, Registerer: cfg.Registerer, Now: cfg.Now,
	})
	if err != nil {
		return nil, err
	}
	in.target, t.kafka, t.now = t, in.kafka, in.cfg.Now
	return &Rekeyer{in}, nil
}

// resume finds the offset from which on a partition is written again when the group's own was forgotten or rewound: behind
// what an Ingester took from it directly, and so far before the last record that has landed re-keyed that the block which
// that was of is written whole.
func (t *targetTopic) resume(ctx context.Context, topic string, partition int32) (int64, error) {
	direct, rekeyed, err := t.LastPlaces(ctx, topic, partition)
	if err != nil {
		return 0, err
	}
	from := max(direct+1, rekeyed+1-maxRekeySpan, 0)
	targets, err := t.partitions(ctx)
	if err != nil {
		return 0, err
	}
	moved := 0
	err = t.Rekeyed(ctx, topic, partition, from, func(now int32, keyID string, o usage.Origin) {
		if t.route([]byte(keyID), o.Offset, targets) != int(now) {
			moved++
		}
	})
	if err == nil && moved > 0 {
		err = &movedError{topic: t.topic, source: usage.OriginPartition(topic, partition), records: moved, targets: targets, from: from}
	}
	return from, err
}

// movedError says that records would be written again to other partitions than those they are in, where nobody knows them.
type movedError struct {
	topic, source    string
	records, targets int
	from             int64
}

func (e *movedError) Error() string {
	return fmt.Sprintf("the group's offset of %s is lost, and topic %s has %d partitions, another number than when its last records were re-keyed: %d of them could count twice; start with --replay to accept that",
		e.source, e.topic, e.targets, e.records)
}

// resumeRekeying goes back to where a block that was begun may have started; what is there already is known behind.
func (w *worker) resumeRekeying(ctx context.Context, first int64) error {
	if w.in.target == nil {
		return nil
	}
	var from int64
	var moved *movedError
	err := w.retryFor(ctx, "takeover", rebuildTimeout, func(ctx context.Context) (err error) {
		moved = nil
		if from, err = w.in.target.resume(ctx, w.stored(), w.partition); errors.As(err, &moved) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	if moved != nil {
		if !w.in.cfg.Replay {
			return fmt.Errorf("%w: %w", errStopped, moved)
		}
		w.log.Warn("going on all the same", "reason", moved)
	}
	w.done, w.plan.lastRow = max(from, first), -1
	return nil
}
