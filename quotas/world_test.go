package quotas

import (
	"context"
	"database/sql"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/shopspring/decimal"
	"go.uber.org/goleak"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
	"github.com/tollkeeper/tollkeeper/quotas/meter"
	"github.com/tollkeeper/tollkeeper/quotas/rating"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Main(m)) }

// both runs a test on both databases.
func both(t *testing.T, test func(t *testing.T, w *world)) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) { test(t, newWorld(t, open(t))) }, Migrations())
}

// one runs a test of what does not depend on the database.
func one(t *testing.T, test func(t *testing.T, w *world)) {
	test(t, newWorld(t, sqltest.New(t, sqlstore.SQLite, Migrations())(t)))
}

var trail = audit.New([]byte("a secret of the tests"))

// world is a service with a ledger of use per key and hour, accounts and a clock that the test sets.
type world struct {
	*Service
	mu       sync.Mutex
	now      time.Time
	sealed   time.Time // zero: up to now
	owner    map[string]string
	ledger   map[string]map[time.Time]meter.Amounts
	told     []Notification
	asked    func() // nil, or what happens once, while use is being read
	ctx      context.Context
	database *sqlstore.DB
}

func when(t testing.TB, s string) time.Time {
	t.Helper()
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, s); err == nil {
			return at
		}
	}
	t.Fatalf("%q is not a time", s)
	return time.Time{}
}

func newWorld(t *testing.T, db *sqlstore.DB) *world {
	w := &world{
		now: when(t, "2026-11-24T15:30:00Z"), owner: map[string]string{"key_1": "acc_1", "key_2": "acc_1", "key_3": "acc_2"},
		ledger: map[string]map[time.Time]meter.Amounts{}, ctx: context.Background(), database: db,
	}
	w.Service = w.another(t)
	return w
}

// another is a second process on the same database.
func (w *world) another(t *testing.T) *Service {
	s, err := New(w.ctx, Config{
		DB: w.database, Source: w, Accounts: w, Now: w.clock, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		Audit: trail,
		OnThreshold: func(_ context.Context, n Notification) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.told = append(w.told, n)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) KeysOfAccount(_ context.Context, account string) ([]string, error) {
	var keys []string
	for k, a := range w.owner {
		if a == account {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

func (w *world) AccountOfKey(key string) string { return w.owner[key] }

// use adds to the ledger.
func (w *world) use(t testing.TB, key, at string, a meter.Amounts) {
	t.Helper()
	hour := when(t, at).Truncate(time.Hour)
	if w.ledger[key] == nil {
		w.ledger[key] = map[time.Time]meter.Amounts{}
	}
	var sum meter.Amounts
	sum.Add(w.ledger[key][hour])
	sum.Add(a)
	w.ledger[key][hour] = sum
}

func (w *world) calls(t testing.TB, key, at string, n int64) {
	t.Helper()
	w.use(t, key, at, meter.Amounts{Requests: n})
}

func (w *world) UsageByKey(_ context.Context, keys []string, from, to time.Time, by meter.Granularity) ([]meter.KeyUsage, error) {
	if !wholeHour(from) || !wholeHour(to) {
		panic("not whole hours: " + from.String() + " " + to.String())
	}
	if happens := w.asked; happens != nil {
		w.asked = nil
		happens()
	}
	bucket := func(time.Time) time.Time { return from }
	if f, err := bucketOf(by); err == nil {
		bucket = func(t time.Time) time.Time { return f(t).From }
	}
	var out []meter.KeyUsage
	for _, k := range keys {
		sums := map[time.Time]meter.Amounts{}
		for hour, a := range w.ledger[k] {
			if !hour.Before(from) && hour.Before(to) {
				sum := sums[bucket(hour)]
				sum.Add(a)
				sums[bucket(hour)] = sum
			}
		}
		for at, a := range sums {
			out = append(out, meter.KeyUsage{KeyID: k, Bucket: at, Amounts: a})
		}
	}
	slices.SortFunc(out, func(a, b meter.KeyUsage) int { return a.Bucket.Compare(b.Bucket) })
	return out, nil
}

func (w *world) EachKey(ctx context.Context, from, to time.Time, each func(meter.KeyUsage) error) error {
	for k := range w.ledger {
		rows, err := w.UsageByKey(ctx, []string{k}, from, to, meter.Total)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := each(r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) SealedThrough(context.Context) (time.Time, error) {
	if w.sealed.IsZero() {
		return w.clock().Truncate(time.Hour), nil
	}
	return w.sealed, nil
}

func num(s string) *decimal.Decimal {
	d := decimal.RequireFromString(s)
	return &d
}

// starter is a plan with a fee, graduated requests and tokens.
func starter() Plan {
	return Plan{
		ID: "starter", Name: "Starter", Currency: "USD",
		Meters: []meter.Meter{{ID: "tokens", Name: "Tokens", Kind: meter.Units, Units: []string{"input_tokens", "output_tokens"}}},
		Charges: []Charge{
			{ID: "base", Name: "Base fee", Price: rating.Price{Mode: rating.ModeFlat, Amount: num("30")}},
			{Meter: "requests", Name: "Requests", Price: rating.Price{Mode: rating.ModeGraduated, Tiers: []rating.Tier{
				{UpTo: num("1000"), Unit: num("0")}, {UpTo: num("5000"), Unit: num("0.0015")}, {Unit: num("0.001")},
			}}},
			{ID: "tokens", Meter: "tokens", Price: rating.Price{Mode: rating.ModeUnit, Amount: num("0.000003")}},
		},
		Quotas: []Quota{{Meter: "requests", Limit: 10_000}, {ID: "daily", Meter: "tokens", Per: "key", Limit: 100, Period: "day", Enforcement: Soft}},
	}
}

// publish drafts and publishes a plan.
func (w *world) publish(t testing.TB, p Plan) Plan {
	t.Helper()
	p, err := w.CreateDraft(w.ctx, p, "user:ada")
	if err != nil {
		t.Fatal(err)
	}
	if p, err = w.PublishPlan(w.ctx, p.ID, p.Version, "user:ada"); err != nil {
		t.Fatal(err)
	}
	return p
}

func (w *world) subscribe(t testing.TB, account, plan, from string) Subscription {
	t.Helper()
	s, err := w.Subscribe(w.ctx, Subscription{AccountID: account, PlanID: plan, StartsAt: when(t, from)}, "user:ada")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// exec changes the database behind the service's back.
func (w *world) exec(query string) error {
	return w.database.WithTx(w.ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(w.ctx, query)
		return err
	})
}
