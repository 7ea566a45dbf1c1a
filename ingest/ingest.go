// Package ingest carries access-log lines from Kafka into ClickHouse, each exactly once.
//
// One worker per partition fetches lines, decodes them into columns, enriches them, marks a gateway's own retries, shows
// them to observers (detection, live counters) and hands whole blocks to its inserter. Fetching, decoding, observing and
// inserting each have a goroutine, so that they go on side by side. A block is the run of offsets
// [from, to) of one partition. It is inserted only after an offset commit whose metadata names it was accepted under
// this member's generation: Kafka's group state is the write-ahead plan, so there is nothing else to keep in step with it.
// Whoever owns the partition next reads the plan, asks the store by offset whether the block landed, and if not fetches
// exactly the same offsets and inserts them under the same token.
//
//   - Blocking: [Ingester.Run] runs until its context ends. Nothing else blocks.
//   - Bounds: blocks in flight, fetch buffers and the memory of request ids stay inside Config.MemoryBytes; a slow store
//     slows fetching, lag grows in Kafka, and [Ingester.Health] says so. However much a record batch unpacks to, it is read
//     inside that; one that is packed too large for it stops its partition. Inserts of one partition go one after the other.
//   - Dropped: nothing. A line that cannot be decoded becomes a dead letter (tollkeeper_ingest_dead_letters_total);
//     offsets that the log no longer holds stop the partition, or with OnGap "continue" become a gap row
//     (tollkeeper_ingest_gap_offsets_total); transaction markers and records of aborted transactions, which are no records,
//     are passed by (tollkeeper_ingest_control_records_total), and as compacted records noted as holes. A record batch whose checksum is wrong stops its partition
//     until it reads well.
//   - Not done here: records without a request id cannot be told from a gateway's own retry of them.
//
// docs/exactly-once.md lists what can fail, and the test of each.
package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go/sasl"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// Store is where blocks go. Implementations are safe for concurrent use by several partitions.
type Store interface {
	// InsertEvents stores a block as one atomic part under span.Token("events"). Repeating it changes nothing.
	InsertEvents(ctx context.Context, span usage.Span, b *usage.Batch) error
	// InsertDeadLetters stores the lines of a block that were refused, under span.Token("dead_letters").
	InsertDeadLetters(ctx context.Context, span usage.Span, letters []usage.DeadLetter) error
	// InsertHoles notes offsets of a block at which no event is stored, before the position passes them: the audit tells them from
	// lost ones by that. Repeating it changes nothing.
	InsertHoles(ctx context.Context, span usage.Span, holes []usage.Hole) error
	// Landed says whether any event of the span is stored. Dead letters are not asked about: they are inserted before the
	// events, so they alone prove nothing, and repeating them changes nothing.
	Landed(ctx context.Context, span usage.Span) (bool, error)
	// LandedOffsets returns those of the offsets at which an event is stored that was planned on span.Day or on one of so many days before; the span's own
	// offsets say nothing here.
	LandedOffsets(ctx context.Context, span usage.Span, days int32, offsets []int64) ([]int64, error)
	// LastOffset returns the highest offset of a partition that left an event or a dead letter.
	LastOffset(ctx context.Context, topic string, partition int32) (offset int64, found bool, err error)
	// RecentRequestIDs calls each for the records with a request id from the partition's first on that was made since then:
	// so also for those made earlier that came later. The slice is valid only during the call.
	RecentRequestIDs(ctx context.Context, topic string, partition int32, since time.Time, each func(timeMillis int64, source string, requestID []byte)) error
	// RecordGap notes offsets that were lost before they could be read.
	RecordGap(ctx context.Context, g usage.Gap) error
	// Gaps returns all that were noted.
	Gaps(ctx context.Context) ([]usage.Gap, error)
	// TopicID returns the id that was noted of the topic whose rows of a partition are stored under that name; "" for none.
	TopicID(ctx context.Context, topic string, partition int32) (string, error)
	// NoteTopicID notes it, in place of one that was noted before.
	NoteTopicID(ctx context.Context, topic string, partition int32, id string) error
}

// Observer sees every decoded record in offset order, before it is inserted; a partition's calls come one after the other.
// While it looks at records the next ones are decoded, at most two answers of Kafka's. Assigned is called when the partition's blocks of earlier owners are settled, so that state may be rebuilt from the store. Rows
// may be seen again by a later owner when this one dies between observing and inserting.
//
// A partition fills two batches in turn. Their dictionaries' generations differ, so what is cached by number is good for
// as long as the generation is the same.
type Observer interface {
	Assigned(ctx context.Context, topic string, partition int32) error
	Observe(topic string, partition int32, b *usage.Batch)
	Revoked(topic string, partition int32)
}

// RangeObserver is an Observer that wants rows as soon as they are decoded instead of when their block is full. Its
// Observe is then not called. Rows [from, to) of b are new; the batch is emptied between blocks. It is good for reading
// during the call only: more rows are added to its columns meanwhile.
type RangeObserver interface {
	Observer
	ObserveRange(topic string, partition int32, b *usage.Batch, from, to int)
}

// What to do when offsets are gone before they could be read.
const (
	GapStop     = "stop"     // the partition stands still until an operator decides
	GapContinue = "continue" // a gap row is written and reading goes on behind the gap
)

// Config is what New needs. Zero values get the defaults that the comments name.
type Config struct {
	Brokers  []string // host:port
	Topics   []string
	Group    string // consumer group, "tollkeeper"
	Instance string // optional, unique among running processes and stable over restarts: a restart then takes over at once
	TLS      *tls.Config
	SASL     sasl.Mechanism

	Store      Store
	NewDecoder func(topic string) (Decoder, error) // one per partition
	Source     func(topic string) string           // source of records whose line names none; the topic
	Enrich     func(b *usage.Batch, from int)      // optional
	ShortenIPs bool                                // after Enrich, before anybody else sees them: /24 and /48, in dead letters too
	Observers  []Observer

	MemoryBytes         int64         // all blocks, buffers, what is encoded of them and request ids together, 512 MiB; see memory.go
	FlushInterval       time.Duration // a block is inserted at the latest this long after its first row when ingest and store keep up, 250 ms
	MaxBlockRows        int           // 131,072
	MaxInsertsPerSecond float64       // over all partitions of this process; the flush interval grows to hold it, 10
	MaxInserts          int           // at the same time, over all partitions; the number of cores, at least 2
	InsertTimeout       time.Duration // of one try, 10 s; must be under SessionTimeout
	SessionTimeout      time.Duration // 20 s
	HeartbeatInterval   time.Duration // 2 s
	FetchWait           time.Duration // how long the broker may wait for more data, 100 ms
	StallAfter          time.Duration // no progress for so long despite lag is unhealthy, 30 s

	DedupWindow time.Duration // same source and request id within this counts once, 15 min; negative: off
	DedupShare  float64       // part of MemoryBytes for request ids, 0.4

	Rekeyed    []string // those of Topics that a Rekeyer writes; the Store must be an OriginStore then
	Rekeying   []string // what it writes them from: dead letters of these are replayed here
	RekeyGroup string   // its consumer group, which knows how far they have been read

	OnGap  string // GapStop
	Replay bool   // accept offsets that were rewound: what is stored already is skipped

	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
}

// Ingester is one member of the consumer group.
type Ingester struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	kafka   *kafkaClient
	health  *healthBoard
	inserts chan struct{} // holds one for each insert that runs
	target  *targetTopic  // where blocks go instead of into the store, when this is a Rekeyer's

	topicsEvery time.Duration // how often topics are looked for that can be read now, or not any more
	idleEvery   time.Duration // how often a member without a partition looks whether that is right
	told        time.Time     // when the log last said that the group is waited for; zero while it is there

	largeAnswers, largeBatches *pool
}

// New checks the settings. It does not connect.
func New(cfg Config) (*Ingester, error) {
	setDefaults(&cfg)
	var problems []error
	if len(cfg.Brokers) == 0 {
		problems = append(problems, errors.New("kafka is empty; name at least one host:port"))
	}
	if len(cfg.Topics) == 0 {
		problems = append(problems, errors.New("topics is empty; name the topics that gateways write to"))
	}
	if cfg.Store == nil || cfg.NewDecoder == nil {
		problems = append(problems, errors.New("ingest needs a store and a decoder"))
	}
	if cfg.InsertTimeout >= cfg.SessionTimeout {
		problems = append(problems, fmt.Errorf("InsertTimeout %s must be under SessionTimeout %s, or a dead process's insert could outlive its ownership", cfg.InsertTimeout, cfg.SessionTimeout))
	}
	if cfg.OnGap != GapStop && cfg.OnGap != GapContinue {
		problems = append(problems, fmt.Errorf("on-gap %q is unknown; use %q or %q", cfg.OnGap, GapStop, GapContinue))
	}
	if _, ok := cfg.Store.(OriginStore); len(cfg.Rekeyed) > 0 && !ok {
		problems = append(problems, errors.New("reading re-keyed topics needs a store that knows where records came from"))
	}
	if cfg.MemoryBytes < leastMemory {
		problems = append(problems, fmt.Errorf("ingest-memory of %d bytes is too small; use at least %d MiB", cfg.MemoryBytes, leastMemory>>20))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	in := &Ingester{
		cfg: cfg, log: cfg.Logger, metrics: newMetrics(cfg.Registerer), kafka: newKafkaClient(&cfg), health: newHealthBoard(&cfg), inserts: make(chan struct{}, cfg.MaxInserts),
		topicsEvery:  5 * time.Second,
		idleEvery:    5 * time.Second,
		largeAnswers: newPool(cfg.largeAnswers()), largeBatches: newPool(cfg.largeBatches()),
	}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(newLagCollector(in))
	}
	return in, nil
}

func setDefaults(c *Config) {
	def(&c.Group, "tollkeeper")
	def(&c.MemoryBytes, 512<<20)
	def(&c.FlushInterval, 250*time.Millisecond)
	def(&c.MaxBlockRows, 131_072)
	def(&c.MaxInserts, max(2, runtime.GOMAXPROCS(0)))
	def(&c.MaxInsertsPerSecond, 10)
	def(&c.InsertTimeout, 10*time.Second)
	def(&c.SessionTimeout, 20*time.Second)
	def(&c.HeartbeatInterval, 2*time.Second)
	def(&c.FetchWait, 100*time.Millisecond)
	def(&c.StallAfter, 30*time.Second)
	def(&c.DedupWindow, 15*time.Minute)
	def(&c.DedupShare, 0.4)
	def(&c.OnGap, GapStop)
	if c.Source == nil {
		c.Source = func(topic string) string { return topic }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
