package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
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

	Store      Store                               // for dead letters and gaps
	NewDecoder func(topic string) (Decoder, error) // of the gateways' formats
	Source     func(topic string) string           // as in Config

	MemoryBytes    int64         // 64 MiB
	FlushInterval  time.Duration // 50 ms
	InsertTimeout  time.Duration // as in Config
	SessionTimeout time.Duration
	StallAfter     time.Duration
	OnGap          string

	Logger     *slog.Logger
	Registerer prometheus.Registerer // must not be the Ingester's own: wrap it with a label
	Now        func() time.Time
}

// Rekeyer carries lines from topics that the gateway does not key by API key into a topic of Tollkeeper's own that is: so
// all records of a key meet in one partition, where detection and counting need them. No key in clear is written.
//
// It is a member of a consumer group that plans its blocks in offset commits as the Ingester does, with the target topic in
// the place of the store. kafka-go has no idempotent producer: what was written when a process died is written again by
// the next owner, the very same records with the same identity, and the window of the Ingester behind it counts them once.
// A record without a request id gets one from the topic, partition and offset that it came from.
//
// Two things are asked of the cluster: offsets.retention.minutes longer than the longest outage of all rekeyers (a group
// whose offsets were forgotten starts at the log's beginning), and as many partitions in the target topic as it ever had.
type Rekeyer struct {
	*Ingester
	target *targetTopic
}

// NewRekeyer checks the settings. It does not connect.
func NewRekeyer(cfg RekeyConfig) (*Rekeyer, error) {
	if cfg.Target == "" {
		return nil, errors.New("re-keying needs a target topic; set kafka.rekey_target")
	}
	if cfg.Store == nil {
		return nil, errors.New("re-keying needs a store for dead letters")
	}
	def(&cfg.Group, "tollkeeper-rekey")
	def(&cfg.MemoryBytes, 64<<20)
	def(&cfg.FlushInterval, 50*time.Millisecond)
	t := &targetTopic{Store: cfg.Store, progress: map[string]*written{}}
	in, err := New(Config{
		Brokers: cfg.Brokers, Topics: cfg.Topics, Group: cfg.Group, Instance: cfg.Instance, TLS: cfg.TLS, SASL: cfg.SASL,
		Store: t, NewDecoder: cfg.NewDecoder, Source: cfg.Source, MemoryBytes: cfg.MemoryBytes, FlushInterval: cfg.FlushInterval,
		MaxBlockRows: 20_000, MaxInsertsPerSecond: 1000, InsertTimeout: cfg.InsertTimeout, SessionTimeout: cfg.SessionTimeout,
		StallAfter: cfg.StallAfter, DedupWindow: -1, DedupShare: 0.01, OnGap: cfg.OnGap, Logger: cfg.Logger, Registerer: cfg.Registerer, Now: cfg.Now,
	})
	if err != nil {
		return nil, err
	}
	in.unplaced = true
	t.writer = &kafka.Writer{
		Addr: kafka.TCP(cfg.Brokers...), Topic: cfg.Target, Balancer: &kafka.Hash{}, RequiredAcks: kafka.RequireAll,
		Compression: kafka.Lz4, BatchSize: 10_000, BatchBytes: 900_000, BatchTimeout: time.Millisecond, MaxAttempts: 1, Transport: in.kafka.transport,
	}
	return &Rekeyer{Ingester: in, target: t}, nil
}

// Run is as [Ingester.Run].
func (r *Rekeyer) Run(ctx context.Context) error {
	defer func() { _ = r.target.writer.Close() }()
	return r.Ingester.Run(ctx)
}

// targetTopic stands in for the store: a block's records go into a topic. Dead letters and gaps go to the real store.
type targetTopic struct {
	Store
	writer *kafka.Writer

	mu       sync.Mutex
	progress map[string]*written // by source partition: what of the block in hand is acknowledged
}

// written is how far a block has got, so that a retry in the same process writes only what is missing.
type written struct {
	token   string
	buf     []byte
	pending []kafka.Message
}

func (t *targetTopic) InsertEvents(ctx context.Context, span usage.Span, b *usage.Batch) error {
	w := t.of(span)
	if token := span.Token("rekeyed"); w.token != token {
		w.token = token
		w.fill(span, b)
	}
	err := t.writer.WriteMessages(ctx, w.pending...)
	var each kafka.WriteErrors
	if errors.As(err, &each) && len(each) == len(w.pending) {
		failed := w.pending[:0]
		for i, e := range each {
			if e != nil {
				failed = append(failed, kafka.Message{Key: w.pending[i].Key, Value: w.pending[i].Value})
			}
		}
		w.pending = failed
	}
	if err != nil {
		return fmt.Errorf("write to topic %s: %w", t.writer.Topic, err)
	}
	w.token, w.pending = "", w.pending[:0]
	return nil
}

func (t *targetTopic) of(span usage.Span) *written {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := span.Topic + "/" + strconv.Itoa(int(span.Partition))
	if t.progress[key] == nil {
		t.progress[key] = &written{}
	}
	return t.progress[key]
}

// fill makes the messages of a block. Keys and values share one buffer that the next block of the partition reuses.
func (w *written) fill(span usage.Span, b *usage.Batch) {
	w.buf, w.pending = w.buf[:0], w.pending[:0]
	var one usage.Batch
	var r usage.Record
	var ends [][2]int
	for i := range b.Len() {
		if len(b.RequestID.At(i)) > 0 {
			w.buf = accesslog.AppendRecord(w.buf, b, i)
		} else {
			b.At(i, &r)
			r.RequestID = originID(span, r.Offset, r.Sub)
			one.Reset()
			one.Append(&r)
			w.buf = accesslog.AppendRecord(w.buf, &one, 0)
		}
		value := len(w.buf)
		w.buf = append(w.buf, b.KeyID.At(i)...)
		ends = append(ends, [2]int{value, len(w.buf)})
	}
	from := 0
	for _, e := range ends {
		m := kafka.Message{Value: w.buf[from:e[0]:e[0]]}
		if e[1] > e[0] {
			m.Key = w.buf[e[0]:e[1]:e[1]]
		}
		w.pending = append(w.pending, m)
		from = e[1]
	}
}

// originID is the identity of a record that has none of its own: the place it was first written to.
func originID(span usage.Span, offset int64, sub uint16) []byte {
	id := append([]byte(usage.DerivedRequestID), span.Topic...)
	id = append(id, '/')
	id = strconv.AppendInt(id, int64(span.Partition), 10)
	id = append(id, '/')
	id = strconv.AppendInt(id, offset, 10)
	if sub > 0 {
		id = append(id, '/')
		id = strconv.AppendUint(id, uint64(sub), 10)
	}
	return id[:min(len(id), usage.MaxRequestIDBytes)]
}

// Landed always says no: a planned block is written again, and its records are counted once behind.
func (t *targetTopic) Landed(context.Context, usage.Span) (bool, error) { return false, nil }

func (t *targetTopic) LastOffset(context.Context, string, int32) (int64, bool, error) {
	return 0, false, nil
}

func (t *targetTopic) RecentRequestIDs(context.Context, string, int32, time.Time, func(int64, string, []byte)) error {
	return nil
}
