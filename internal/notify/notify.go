// Package notify tells receivers outside, by HTTP, what happens to alerts: a security team's Slack, whoever is on call, a SIEM,
// anything that takes webhooks.
//
// Contract. A [Notifier] serves one receiver, by its name, and knows nothing of others: one that is away holds up none of them.
// [Notifier.Run] follows the feed of alerts' changes and sends one message for every chosen entry of an alert's
// timeline, in order, at least once: what is told and how far the feed was read is one transaction, and a message keeps its id
// and its place until the receiver has answered 2xx, over restarts and over the process that sends. The very first start
// begins with what happens from then on. Of all processes on a database one sends to a receiver at a time; when it dies, another takes over
// within half a minute. While messages wait, the feed is not read on: nothing grows during an outage but the feed itself,
// which is the table of alerts, and an alert is told as it is when its messages are written.
//
// A receiver that cannot be reached, or answers 5xx, 408 or 429, is tried without end, up to five minutes apart, and holds up
// everything behind. One that refuses a message, with any other 4xx or a redirect (none is followed), gets it seven times in one to two minutes; then it
// is passed by, logged and counted in tollkeeper_notify_messages_total{outcome="refused"}, so that one message cannot silence
// all later ones.
//
// The receiver's URL is a secret: messages, metrics and errors name its host alone, and nothing of what it answers but the
// status. The package does not judge alerts and changes none.
package notify

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

const (
	defaultPoll  = time.Second
	defaultFirst = 2 * time.Second
	defaultMost  = 5 * time.Minute
	// refusals is how often a message may be refused: with the waits between, one to two minutes, in which a receiver that is
	// being replaced, and answers 404 meanwhile, comes to itself.
	refusals = 7
	// lease is how long the process that sends may be silent before another takes over. Half of it is always left before a
	// try, which is more than a try takes.
	lease = 30 * time.Second
	page  = 50 // alerts that are looked at in one go
)

// Source is the feed of alerts.
type Source interface {
	Last(ctx context.Context) (int64, error)
	Changes(ctx context.Context, after int64, limit int) ([]alerts.Alert, int64, error)
	Get(ctx context.Context, id string) (alerts.Alert, error)
	News(ctx context.Context, id string, n int64) ([]alerts.Event, error)
}

// Config is what a Notifier needs.
type Config struct {
	DB          *sqlstore.DB // with the tables of [Migrations]
	Name        string       // of the receiver: its place in the feed goes by it; "": [Default]
	Alerts      Source
	Sender      *Sender
	Kinds       []string        // which of [Kinds] are told
	MinSeverity alerts.Severity // milder alerts are not told until they become worse
	Families    []string        // alerts without evidence of one of these families are not told until there is some; none: all are
	PublicURL   string          // of the dashboard; "": messages have no link
	Registerer  prometheus.Registerer
	Logger      *slog.Logger
	Now         func() time.Time // nil: time.Now

	Poll      time.Duration // how often the feed is looked at; 0: 1 s
	FirstWait time.Duration // after the first try in vain; 0: 2 s. It doubles with each further one.
	MostWait  time.Duration // 0: 5 min
}

// Default is the name of the receiver that has none.
const Default = "alerts"

// Notifier sends the news of alerts to a receiver.
type Notifier struct {
	cfg      Config
	store    store
	nextTry  time.Time // of the message whose turn it is
	failing  bool      // the receiver does
	broken   bool      // the database does
	oldest   atomic.Int64
	outcomes *prometheus.CounterVec
	failed   prometheus.Counter
}

// New returns a notifier and registers its metrics.
func New(cfg Config) *Notifier {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Name = cmp.Or(cfg.Name, Default)
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{{&cfg.Poll, defaultPoll}, {&cfg.FirstWait, defaultFirst}, {&cfg.MostWait, defaultMost}} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	n := &Notifier{
		cfg: cfg, store: store{db: cfg.DB, name: cfg.Name, me: sqlstore.NewID("", cfg.Now())},
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollkeeper_notify_messages_total", Help: "Messages about alerts by what became of them: delivered, or refused by the receiver and passed by.",
		}, []string{"outcome"}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tollkeeper_notify_failed_tries_total", Help: "Tries in vain to deliver a message about an alert.",
		}),
	}
	age := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tollkeeper_notify_oldest_seconds", Help: "Age of the oldest message about an alert that is not delivered, by what it tells of; 0 without one, and in a process that does not send.",
	}, func() float64 {
		at := n.oldest.Load()
		if at == 0 {
			return 0
		}
		return max(0, cfg.Now().Sub(time.UnixMilli(at)).Seconds())
	})
	for _, outcome := range []string{"delivered", "refused"} {
		n.outcomes.WithLabelValues(outcome) // an alarm on a counter needs its zero
	}
	cfg.Registerer.MustRegister(n.outcomes, n.failed, age)
	return n
}

// Run sends until ctx ends; it then returns nil. A database that does not answer is waited for.
func (n *Notifier) Run(ctx context.Context) error {
	defer n.leave(ctx)
	for {
		wait, err := n.step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		broken := err != nil && !errors.Is(err, errLost)
		if broken && !n.broken {
			n.cfg.Logger.Warn("notifications wait for the database", "receiver", n.cfg.Name, "err", err)
		}
		if n.broken = broken; broken {
			wait = n.cfg.Poll
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// leave lets another process take over at once.
func (n *Notifier) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := n.store.release(ctx); err != nil {
		n.cfg.Logger.Warn("another process can send notifications only after a while", "wait", lease, "err", err)
	}
}

// step does the next thing that is to be done and returns how long to wait after it.
func (n *Notifier) step(ctx context.Context) (time.Duration, error) {
	st, mine, err := n.mine(ctx)
	if err != nil {
		return n.cfg.Poll, err
	}
	if !mine {
		n.oldest.Store(0)
		return n.cfg.Poll, nil
	}
	head, err := n.store.head(ctx)
	if err != nil {
		return n.cfg.Poll, err
	}
	if head == nil {
		n.oldest.Store(0)
		more, err := n.compose(ctx, st)
		if err != nil || !more {
			return n.cfg.Poll, err
		}
		return 0, nil
	}
	n.oldest.Store(head.message.Timestamp.UnixMilli())
	if wait := n.nextTry.Sub(n.cfg.Now()); wait > 0 {
		return min(wait, n.cfg.Poll), nil
	}
	return 0, n.deliver(ctx, head)
}

// mine says whether this is the process that sends, and makes it that when there is none.
func (n *Notifier) mine(ctx context.Context) (state, bool, error) {
	st, found, err := n.store.state(ctx)
	if err != nil {
		return st, false, err
	}
	now := n.cfg.Now()
	if !found {
		last, err := n.cfg.Alerts.Last(ctx)
		if err != nil {
			return st, false, err
		}
		return st, false, n.store.begin(ctx, last, now)
	}
	left := st.heldUntil.Sub(now)
	if st.holder == n.store.me && left > lease/2 {
		return st, true, nil
	}
	if st.holder != n.store.me {
		if left > 0 {
			return st, false, nil
		}
		n.nextTry, n.failing = time.Time{}, false // what another process has learnt about the receiver may not hold here
	}
	ok, err := n.store.hold(ctx, now, now.Add(lease))
	return st, ok, err
}

// compose writes the messages about the next changes down. more is false when there are none.
func (n *Notifier) compose(ctx context.Context, st state) (more bool, err error) {
	list, next, err := n.cfg.Alerts.Changes(ctx, st.cursor, page)
	if err != nil || len(list) == 0 {
		return false, err
	}
	told := map[string]int64{}
	var messages []Message
	for i := range list {
		a := &list[i]
		if a.Severity.Rank() < n.cfg.MinSeverity.Rank() || !n.concerns(a) {
			continue
		}
		after, known, err := n.store.told(ctx, a.ID)
		if err != nil {
			return false, err
		}
		news, err := n.cfg.Alerts.News(ctx, a.ID, after)
		if err != nil {
			return false, err
		}
		// An alert that changed while this was read comes again, with that change's number. To tell of it now would mix two
		// of its states.
		if now, err := n.cfg.Alerts.Get(ctx, a.ID); err != nil {
			return false, err
		} else if now.Seq != a.Seq {
			continue
		}
		for j := range news {
			e := &news[j]
			told[a.ID] = e.N
			history := !known && e.At.Before(st.began)
			if !history && slices.Contains(n.cfg.Kinds, e.Kind) {
				messages = append(messages, tell(a, e, n.cfg.PublicURL))
			}
		}
	}
	return true, n.store.add(ctx, st.cursor, next, told, messages)
}

// concerns says whether an alert has evidence of a family that the receiver wants to hear of.
func (n *Notifier) concerns(a *alerts.Alert) bool {
	return len(n.cfg.Families) == 0 || slices.ContainsFunc(families(a), func(f string) bool { return slices.Contains(n.cfg.Families, f) })
}

// deliver tries the message whose turn it is, and notes what came of it.
func (n *Notifier) deliver(ctx context.Context, w *waiting) error {
	a := n.cfg.Sender.Send(ctx, w.message)
	if !a.Delivered() && ctx.Err() != nil {
		return ctx.Err() // it is sent again at the next start
	}
	// What is known is noted also when the end has come meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lease/2)
	defer cancel()
	log := n.cfg.Logger.With("receiver", n.cfg.Name, "host", n.cfg.Sender.Host(), "message", w.message.ID)
	if a.Delivered() {
		if n.failing {
			log.Info("alerts reach the receiver again")
		}
		n.nextTry, n.failing = time.Time{}, false
		n.outcomes.WithLabelValues("delivered").Inc()
		return n.store.done(ctx, w, "", n.cfg.Now())
	}
	n.failed.Inc()
	w.tries++
	if a.Refused() {
		w.refused++
	}
	if w.refused >= refusals {
		log.Error("the receiver refuses an alert; it is passed by", "alert", w.message.Data.AlertID, "problem", a.Problem, "tries", w.tries)
		n.nextTry = time.Time{}
		n.outcomes.WithLabelValues("refused").Inc()
		return n.store.done(ctx, w, a.Problem, n.cfg.Now())
	}
	wait := max(n.backoff(w.tries), a.RetryAfter)
	n.nextTry = n.cfg.Now().Add(wait)
	if !n.failing {
		n.failing = true
		log.Warn("an alert does not reach the receiver; it is tried again, and later ones wait", "problem", a.Problem, "wait", wait)
	}
	return n.store.tried(ctx, w, a.Problem, n.cfg.Now())
}

// backoff is how long to wait after so many tries in vain: twice as long each time, and up to half of it less, so that
// senders that failed together do not come back together.
func (n *Notifier) backoff(tries int) time.Duration {
	d := n.cfg.MostWait
	if doublings := tries - 1; doublings < 20 {
		d = min(d, n.cfg.FirstWait<<doublings)
	}
	return d - rand.N(d/2+1)
}
