// Package redisrate counts the calls of limited keys in Redis, so that all nodes share one limit: rate.Limiter with the same algorithm as
// rate.Local, as one script that takes Redis' own clock. Two nodes whose clocks differ agree.
//
// Contract.
//
//   - Take asks Redis once, for all limits of the caller, and waits for at most Config.Timeout. What this node knows to be refused it
//     refuses without asking, so a caller who hammers costs Redis about as many questions as it lets calls through.
//   - When Redis does not answer, the call is decided by what this node knows: behind n nodes up to n times as many pass. After three
//     failures in a row nobody waits for Redis any more; it is tried in the background, and asked again once it answers in time. The
//     metric tollkeeper_rate_limits_shared, [Limiter.Ready] and a line of the log, one when it begins and one when it ends, say so.
//   - A call whose question timed out may be counted by Redis nevertheless. None is counted twice, since nothing is asked again; only the nodes of
//     a cluster are, after a connection broke or the caller's slot moved.
//   - Redis keeps one hash per caller that has used something, under tollkeeper: and the namespace, until that is free again. Losing them
//     costs a burst per caller, so Redis needs neither persistence nor replicas. A cluster spreads the callers over its nodes.
//   - The user needs ping, eval, evalsha, time, hget, hset and pexpire on keys that begin with tollkeeper:, in a cluster command and
//     cluster|slots as well.
package redisrate

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/tollkeeper/tollkeeper/keys/rate"
)

//go:embed take.lua
var source string

var take = redis.NewScript(source)

// Config is what a Limiter needs.
type Config struct {
	URL              string        // redis://user:password@host:port/database, redis+cluster:// or redis+sentinel://; rediss for TLS
	SentinelPassword string        // where Sentinels want one
	CAFile           string        // PEM file with the authorities for TLS; "": the system's
	Timeout          time.Duration // how long a decision waits for Redis
	Namespace        string        // the same on all nodes that share limits, different where Redis is shared with others
	Logger           *slog.Logger
	Registerer       prometheus.Registerer // nil: no metrics are exported
}

// Limiter implements [rate.Limiter]. Make one with [Open].
type Limiter struct {
	client  redis.UniversalClient
	timeout time.Duration
	prefix  string
	logger  *slog.Logger

	failures atomic.Int32            // in a row
	away     atomic.Pointer[absence] // nil while Redis is asked
	wake     chan struct{}           // an absence has begun
	local    prometheus.Counter      // decisions without Redis
	seconds  prometheus.Histogram    // of the answers
	decided  atomic.Int64            // the same since Redis was away last, for the log
}

// absence is a time in which Redis is not asked.
type absence struct {
	since time.Time
	cause error
}

const (
	breakAfter  = 3 // failures in a row
	dialTimeout = time.Second
	minPause    = 250 * time.Millisecond // between tries while Redis is away
	maxPause    = 16 * time.Second       // for a Redis that goes away again soon after each return
	steady      = time.Minute            // after this long the last absence is forgotten
)

// Open prepares a Limiter and tries Redis once, for at most about a second. A Redis that is not there is no error: see the contract. An
// error is for the user, and never holds the address.
func Open(ctx context.Context, cfg Config) (*Limiter, error) {
	o, err := options(&cfg)
	if err != nil {
		return nil, err
	}
	o.Protocol, o.DisableIdentity = 2, true // what is asked needs nothing newer
	o.ContextTimeoutEnabled, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = true, dialTimeout, dialTimeout, dialTimeout
	o.MaxRetries, o.DialerRetries, o.DialTimeout = -1, 1, dialTimeout
	redis.SetLogger(silent{}) // it would write to standard error, once for each failure
	l := &Limiter{
		client: redis.NewUniversalClient(o), timeout: cfg.Timeout, prefix: "tollkeeper:" + cfg.Namespace + ":", logger: cfg.Logger,
		wake: make(chan struct{}, 1),
	}
	if err := l.register(cfg.Registerer); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if err := l.try(ctx); err != nil {
		l.leave(err)
	}
	return l, nil
}

// Check says what is wrong with an address and a file for TLS, as Open would, and opens nothing but the file.
func Check(url, caFile string) error {
	_, err := options(&Config{URL: url, CAFile: caFile})
	return err
}

// Close ends the connections.
func (l *Limiter) Close() error { return l.client.Close() }

// Take implements [rate.Limiter].
func (l *Limiter) Take(b *rate.Bucket, at time.Duration) rate.Answer {
	if a := b.Peek(at); !a.OK {
		return a // what all nodes have used is at least what this one knows of
	}
	if l.away.Load() == nil {
		ctx, cancel := context.WithTimeout(context.Background(), l.timeout)
		answer, ahead, _, err := l.ask(ctx, "key:"+b.Subject, b.Limits)
		cancel()
		if err == nil {
			b.Learn(at, ahead)
			l.failures.Store(0)
			return answer
		}
		if l.failures.Add(1) >= breakAfter {
			l.leave(err)
		}
	}
	l.decided.Add(1)
	l.local.Inc()
	return b.Take(at)
}

// ask runs the script. ahead is how far each limit is ahead of micros, Redis' time.
func (l *Limiter) ask(ctx context.Context, subject string, limits []rate.Limit) (a rate.Answer, ahead []time.Duration, micros int64, err error) {
	args := make([]any, 0, 3*len(limits))
	for i := range limits {
		args = append(args, limits[i].Name, int64(limits[i].Interval), int64(limits[i].Tolerance()))
	}
	began := time.Now()
	got, err := take.Run(ctx, l.client, []string{l.prefix + subject}, args...).Int64Slice()
	if err != nil {
		return rate.Answer{}, nil, 0, err
	}
	l.seconds.Observe(time.Since(began).Seconds())
	if len(got) != 3+len(limits) {
		return rate.Answer{}, nil, 0, fmt.Errorf("the script answered %d numbers, not %d", len(got), 3+len(limits))
	}
	for _, n := range got[3:] {
		ahead = append(ahead, time.Duration(n))
	}
	if got[0] == 0 {
		return rate.Answer{OK: true}, ahead, got[2], nil
	}
	return rate.Answer{Limit: int(got[0]) - 1, Wait: time.Duration(got[1])}, ahead, got[2], nil
}

// try says whether Redis decides in time. A connection may take longer to be made than a decision may.
func (l *Limiter) try(ctx context.Context) error {
	reach, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := l.client.Ping(reach).Err(); err != nil {
		return err
	}
	limits := []rate.Limit{rate.PerMinute("try", 60_000, 60)}
	if _, _, _, err := l.ask(reach, "try", limits); err != nil { // the first time, the script is sent with it
		return err
	}
	decide, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	_, _, _, err := l.ask(decide, "try", limits)
	return err
}

// leave stops asking Redis.
func (l *Limiter) leave(cause error) {
	if !l.away.CompareAndSwap(nil, &absence{time.Now(), cause}) {
		return
	}
	l.logger.Warn("Redis does not answer: until it does, each node counts the rates of keys for itself", "err", cause, "timeout", l.timeout)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run tries Redis while it is away, until ctx ends; it then returns nil.
func (l *Limiter) Run(ctx context.Context) error {
	var returned time.Time
	first := minPause
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
		}
		// A Redis that answers a try and nothing else must not be come back to all the time.
		if time.Since(returned) < steady {
			first = min(2*first, maxPause)
		} else {
			first = minPause
		}
		for pause := first; l.away.Load() != nil; pause = minPause {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
			if l.try(ctx) == nil {
				a := l.away.Load()
				l.failures.Store(0)
				l.logger.Info("Redis answers again: all nodes count the rates of keys together",
					"away", time.Since(a.since).Round(time.Millisecond), "decided_alone", l.decided.Swap(0))
				returned = time.Now()
				l.away.Store(nil)
			}
		}
	}
}

// Ready returns nil while all nodes count together, else why this one counts for itself.
func (l *Limiter) Ready(context.Context) error {
	if a := l.away.Load(); a != nil {
		return fmt.Errorf("no answer from Redis for %s; this node counts the rates of keys for itself: %w", time.Since(a.since).Round(time.Second), a.cause)
	}
	return nil
}

func (l *Limiter) register(registerer prometheus.Registerer) error {
	l.local = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tollkeeper_rate_limits_decided_alone_total", Help: "Calls of throttled keys that this node decided by what it knows, since Redis did not answer.",
	})
	l.seconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "tollkeeper_rate_limits_redis_seconds", Help: "How long Redis took to answer.",
		Buckets: []float64{.0001, .0002, .0005, .001, .002, .005, .01, .025, .05, .1, .25, 1},
	})
	if registerer == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{l.local, l.seconds, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tollkeeper_rate_limits_shared", Help: "1 while all nodes count the rates of keys together, 0 while this one counts for itself.",
	}, func() float64 {
		if l.away.Load() != nil {
			return 0
		}
		return 1
	})} {
		if err := registerer.Register(c); err != nil {
			return fmt.Errorf("register the metrics of rate limits: %w", err)
		}
	}
	return nil
}

// silent takes what the library would print.
type silent struct{}

// Printf implements the library's interface.
func (silent) Printf(context.Context, string, ...any) {}
