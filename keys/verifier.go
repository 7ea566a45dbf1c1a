package keys

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/keys/rate"
)

// Defaults of a verifier.
const (
	DefaultPoll        = 250 * time.Millisecond
	DefaultBound       = time.Second
	DefaultMaxObserved = 1_000_000
	sweepEvery         = time.Second
	noteEvery          = time.Hour
	sweepLimit         = 500
	feedPage           = 2000
)

// VerifierConfig sets how a node keeps up with the store. Poll + the time of one poll must stay below Bound.
type VerifierConfig struct {
	Poll     time.Duration // how often other processes' changes are asked for; 0: DefaultPoll
	Bound    time.Duration // within this a key suspended anywhere is refused here; 0: DefaultBound
	FailOpen bool          // accept keys on what was known last while the feed is silent for longer than Bound
	Quota    QuotaCheck    // nil: no quotas
	// ASN looks up the network of an address, for quarantines; nil: only Request.ASN counts.
	ASN func(netip.Addr) uint32
	// Agent tells the client family of a user agent, for quarantines; nil: a user agent is of the family that it mentions.
	Agent func(userAgent string) string
	// Limiter counts the calls of throttled keys; nil: rate.Local, which counts those of this node.
	Limiter rate.Limiter
	// MaxObserved bounds how many records [Verifier.Observe] makes in all; 0: DefaultMaxObserved.
	MaxObserved int64
	Registerer  prometheus.Registerer // nil: no metrics are exported
}

// Verifier answers from memory. Make one with [NewVerifier]; it is empty, and answers STALE_FEED or NOT_FOUND, until
// [Verifier.Load] has returned, and keeps up with other processes while [Verifier.Run] runs. Changes made through its own
// store are in force before they return to their caller.
type Verifier struct {
	store *Store
	cfg   VerifierConfig
	index *index

	accounts suspendedAccounts

	now     func() time.Time
	metrics verifierMetrics

	made  time.Time
	fresh atomic.Int64 // nanoseconds since made, as of which everything committed is known; 0: never
	seq   atomic.Int64 // all changes up to here are known

	unreadable atomic.Int64 // a version of the pepper that keys were made under and that is missing here; 0: none
}

// NewVerifier returns a verifier that hears of every commit of store.
func NewVerifier(store *Store, cfg VerifierConfig) (*Verifier, error) {
	if cfg.Poll == 0 {
		cfg.Poll = DefaultPoll
	}
	if cfg.Bound == 0 {
		cfg.Bound = DefaultBound
	}
	if cfg.MaxObserved == 0 {
		cfg.MaxObserved = DefaultMaxObserved
	}
	if cfg.Limiter == nil {
		cfg.Limiter = rate.Local{}
	}
	if cfg.Poll < 0 || cfg.Poll >= cfg.Bound {
		return nil, fmt.Errorf("the key feed is polled every %s, which must be shorter than its bound of %s", cfg.Poll, cfg.Bound)
	}
	v := &Verifier{store: store, cfg: cfg, index: newIndex(), now: store.now, made: store.now()}
	if err := v.metrics.register(v, cfg.Registerer); err != nil {
		return nil, err
	}
	store.onCommit(func(keys []Key) {
		for i := range keys {
			v.index.apply(&keys[i])
		}
	}, v.accounts.apply)
	return v, nil
}

// deletedKept is how long a deleted key's id still resolves after a restart, so that late log lines find it.
const deletedKept = 30 * 24 * time.Hour

// Load reads all keys: about a second for 100,000. Call it before Run.
func (v *Verifier) Load(ctx context.Context) error {
	started := v.now()
	// The number is read first: a change committed while the keys are read is seen again by the first poll.
	seq, err := sqlstore.LastSeq(ctx, v.store.db.Read(), keysLedger)
	if err != nil {
		return err
	}
	err = eachRow(ctx, v.store.db.Read(), `SELECT `+keyColumns+` FROM keys WHERE deleted_at = 0 OR deleted_at > $1`,
		[]any{started.Add(-deletedKept).UnixMilli()}, func(row scanner) error {
			k, err := scanKey(row)
			if err != nil {
				return err
			}
			v.index.apply(&k)
			return nil
		})
	if err != nil {
		return fmt.Errorf("load keys: %w", err)
	}
	if err := v.readAccounts(ctx, 0); err != nil {
		return err
	}
	v.seq.Store(seq)
	v.refreshed(started)
	return nil
}

// Run follows the changes of other processes and lets time take effect (see [Store.Sweep]) until ctx ends; it then returns
// nil. Errors of the database do not end it: they are logged when they begin and end, and the verifier turns stale.
func (v *Verifier) Run(ctx context.Context) error {
	ticker := time.NewTicker(v.cfg.Poll)
	defer ticker.Stop()
	var failing error
	var swept, noted time.Time
	for {
		err := v.poll(ctx)
		if err == nil && v.now().Sub(swept) >= sweepEvery {
			swept = v.now()
			_, err = v.store.Sweep(ctx, sweepLimit)
		}
		if err == nil && v.now().Sub(noted) >= noteEvery {
			noted = v.now()
			err = v.store.noteAuditHead(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && failing == nil:
			v.store.logger.Warn("key feed: the key store does not answer", "error", err, "bound", v.cfg.Bound, "fail_open", v.cfg.FailOpen)
		case err == nil && failing != nil:
			v.store.logger.Info("key feed: the key store answers again")
		}
		if failing = err; err != nil {
			v.metrics.errors.Inc()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// poll asks once for what has changed.
func (v *Verifier) poll(ctx context.Context) error {
	started := v.now()
	last, err := v.lastSeq(ctx)
	if err != nil {
		return err
	}
	after := v.seq.Load()
	if last > after { // accounts share the numbers of keys; there are few changes of them, and each is of many keys
		if err := v.readAccounts(ctx, after); err != nil {
			return err
		}
	}
	if last-after > feedPage {
		// Somebody made many keys at once. What has happened to keys that exist comes first, so that a node that is busy
		// learning of new ones does not have to call itself stale.
		if err := v.catchUp(ctx, after, last, v.store.changed, func(int64) {}); err != nil {
			return err
		}
		v.refreshed(started)
	}
	if err := v.catchUp(ctx, after, last, v.store.Changes, v.seq.Store); err != nil {
		return err
	}
	v.refreshed(started)
	return nil
}

// catchUp applies the changes that read returns after a number, up to last, and tells reached how far it has come.
func (v *Verifier) catchUp(ctx context.Context, after, last int64, read func(context.Context, int64, int) ([]Key, int64, error), reached func(int64)) error {
	for after < last {
		keys, next, err := v.page(ctx, after, read)
		if err != nil {
			return err
		}
		if len(keys) == 0 { // the last numbers were of keys that have changed again meanwhile, or were taken and not used
			next = last
		}
		var news []Change
		for i := range keys {
			if keys[i].hash != nil && !v.store.pepper.has(keys[i].pepper) {
				v.unreadable.Store(keys[i].pepper)
			}
			if v.index.apply(&keys[i]) {
				news = append(news, Change{Key: keys[i]})
			}
		}
		v.store.hub.Publish(news...)
		reached(next)
		after = next
	}
	return nil
}

// A database that hangs must not keep the next, perhaps luckier, try from happening: every question has its own deadline.
func (v *Verifier) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, max(v.cfg.Bound, time.Second))
}

func (v *Verifier) lastSeq(ctx context.Context) (int64, error) {
	ctx, cancel := v.deadline(ctx)
	defer cancel()
	return sqlstore.LastSeq(ctx, v.store.db.Read(), keysLedger)
}

func (v *Verifier) page(ctx context.Context, after int64, read func(context.Context, int64, int) ([]Key, int64, error)) ([]Key, int64, error) {
	ctx, cancel := v.deadline(ctx)
	defer cancel()
	return read(ctx, after, feedPage)
}

// refreshed notes that everything committed before at is known.
func (v *Verifier) refreshed(at time.Time) { v.fresh.Store(max(int64(at.Sub(v.made)), 1)) }

// silentAt returns for how long the feed has been silent. Both times come from the monotonic clock where there is one, so
// that setting the wall clock back does not hide a silence.
func (v *Verifier) silentAt(now time.Time) time.Duration {
	fresh := v.fresh.Load()
	if fresh == 0 {
		return math.MaxInt64
	}
	return now.Sub(v.made) - time.Duration(fresh)
}

// ErrStale is what [Verifier.Ready] wraps.
var ErrStale = errors.New("the key feed is silent")

// Ready says whether the verifier knows everything that was committed up to one bound ago.
func (v *Verifier) Ready() error {
	if v.fresh.Load() == 0 {
		return fmt.Errorf("%w: the keys have not been loaded yet", ErrStale)
	}
	if version := v.unreadable.Load(); version != 0 {
		return fmt.Errorf("keys were issued under version %d of the pepper, which this process does not have: copy the file named pepper from where it was extended, and restart", version)
	}
	if silent := v.silentAt(v.now()); silent > v.cfg.Bound {
		what := "keys are refused"
		if v.cfg.FailOpen {
			what = "suspensions made elsewhere may be missed"
		}
		return fmt.Errorf("%w for %s, its bound is %s: %s until the key store answers", ErrStale, silent.Round(time.Millisecond), v.cfg.Bound, what)
	}
	return nil
}

// Count returns how many keys are held.
func (v *Verifier) Count() int { return v.index.count() }

// Observe makes records for those ids of the access log that have none yet, asking memory first: see
// [Store.EnsureExternal]. For ids that are known, it costs one map access each and no I/O. At most MaxObserved observed keys
// are held in all, so that a gateway that logs a new name with every call cannot fill the store; ids beyond that are passed
// over and counted.
func (v *Verifier) Observe(ctx context.Context, ids []string) ([]string, error) {
	var unseen []string
	for _, id := range ids {
		if v.index.findID(id) == nil && Observable(id) {
			unseen = append(unseen, id)
		}
	}
	if room := max(v.cfg.MaxObserved-v.index.observed.Load(), 0); int64(len(unseen)) > room {
		v.metrics.passedOver.Add(float64(int64(len(unseen)) - room))
		unseen = unseen[:room]
	}
	if len(unseen) == 0 {
		return nil, nil
	}
	return v.store.EnsureExternal(ctx, unseen, By{Actor: "system:ingest", Reason: "seen in the access log"})
}

type verifierMetrics struct {
	verdicts   map[Code]prometheus.Counter
	errors     prometheus.Counter
	passedOver prometheus.Counter
}

func (m *verifierMetrics) register(v *Verifier, registerer prometheus.Registerer) error {
	verdicts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tollkeeper_key_verifications_total", Help: "Key verifications by result.",
	}, []string{"code"})
	m.verdicts = make(map[Code]prometheus.Counter)
	for _, code := range Codes() {
		m.verdicts[code] = verdicts.WithLabelValues(string(code))
	}
	m.errors = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tollkeeper_key_feed_errors_total", Help: "Polls of the key feed that failed.",
	})
	m.passedOver = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tollkeeper_keys_observed_passed_over_total", Help: "Sightings of new keys in the access log that got no record because as many as are kept are known from it already.",
	})
	if registerer == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{
		verdicts, m.errors, m.passedOver,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tollkeeper_key_feed_silence_seconds", Help: "Age of what this node knows about keys; above the bound it is stale.",
		}, func() float64 { return v.silentAt(v.now()).Seconds() }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tollkeeper_keys_loaded", Help: "Keys held in memory for verification.",
		}, func() float64 { return float64(v.Count()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "tollkeeper_key_events_dropped_total", Help: "Key events that slow subscribers lost; each was told to read the state anew.",
		}, func() float64 { return float64(v.store.hub.Dropped()) }),
	} {
		if err := registerer.Register(c); err != nil {
			return fmt.Errorf("register the metrics of key verification: %w", err)
		}
	}
	return nil
}
