package quotas

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/tollkeeper/tollkeeper/quotas/counter"
	"github.com/tollkeeper/tollkeeper/quotas/meter"
	"github.com/tollkeeper/tollkeeper/quotas/period"
)

// QuotaState says how near a quota is to its end.
type QuotaState string

const (
	QuotaOK       QuotaState = "ok"
	QuotaWarning  QuotaState = "warning" // from 80 %
	QuotaExceeded QuotaState = "exceeded"
)

const warningPercent = 80

// QuotaStatus is what is used and left of a quota in the running period.
type QuotaStatus struct {
	QuotaID     string        `json:"quota_id"`
	Meter       string        `json:"meter"`
	Per         counter.Scope `json:"per"`
	Enforcement Enforcement   `json:"enforcement"`
	Unit        period.Unit   `json:"unit"`
	Period      period.Period `json:"period"` // To is when it starts anew
	Used        int64         `json:"used"`
	Limit       int64         `json:"limit"`
	Remaining   int64         `json:"remaining"` // never negative
	State       QuotaState    `json:"state"`
	// Projected is what will have been used at the end of the period if use goes on like since its start; nil in its first
	// hour. ExhaustedAt is when, by that, nothing will be left; zero when that is not within the period or has happened.
	Projected   *int64    `json:"projected,omitempty"`
	ExhaustedAt time.Time `json:"exhausted_at,omitzero"`
}

// QuotaReport is the state of all quotas of a key or an account.
type QuotaReport struct {
	KeyID       string        `json:"key_id,omitempty"`
	AccountID   string        `json:"account_id,omitempty"`
	PlanID      string        `json:"plan_id,omitempty"`
	PlanVersion int           `json:"plan_version,omitempty"`
	Items       []QuotaStatus `json:"items"`
}

// AccountQuotas reports the quotas of an account as a whole.
func (s *Service) AccountQuotas(ctx context.Context, account string) (QuotaReport, error) {
	return s.quotaReport(ctx, account, "")
}

// KeyQuotas reports the quotas that a key is under: its own and those of its account. A key of no account has none.
func (s *Service) KeyQuotas(ctx context.Context, keyID string) (QuotaReport, error) {
	account := s.cfg.Accounts.AccountOfKey(keyID)
	if account == "" {
		return QuotaReport{KeyID: keyID, Items: []QuotaStatus{}}, nil
	}
	return s.quotaReport(ctx, account, keyID)
}

func (s *Service) quotaReport(ctx context.Context, account, keyID string) (QuotaReport, error) {
	now := s.cfg.Now()
	p, err := s.PlanOf(ctx, account, now)
	if err != nil {
		return QuotaReport{}, err
	}
	report := QuotaReport{KeyID: keyID, AccountID: account, PlanID: p.ID, PlanVersion: p.Version, Items: []QuotaStatus{}}
	if len(p.Quotas) == 0 {
		return report, nil
	}
	keys, err := s.cfg.Accounts.KeysOfAccount(ctx, account)
	if err != nil {
		return QuotaReport{}, fmt.Errorf("read the keys of %s: %w", clip(account), err)
	}
	month, day := period.MonthAt(now), period.DayAt(now)
	spans := map[period.Unit]period.Period{period.Month: month, period.Day: day}
	rows := make(map[period.Unit][]meter.KeyUsage)
	used := func(l counter.Limit, id string) (int64, error) {
		list, ok := rows[l.Period]
		if !ok {
			var err error
			// By key and not by day: an account may have very many keys.
			if list, err = s.usageByKey(ctx, keys, spans[l.Period].From, now.UTC().Truncate(time.Hour).Add(time.Hour), meter.Total); err != nil {
				return 0, err
			}
			rows[l.Period] = list
		}
		var sum meter.Amounts
		for i := range list {
			if l.Scope == counter.ScopeAccount || list[i].KeyID == id {
				sum.Add(list[i].Amounts)
			}
		}
		// The counters may know of calls that have not landed yet; a verdict rests on those too.
		live, _ := s.counter.Used(l.Scope, id, l.ID)
		return max(l.Meter.Of(sum), live), nil
	}
	for i, l := range p.Limits() {
		id := account
		if l.Scope == counter.ScopeKey {
			if id = keyID; id == "" {
				continue
			}
		}
		q := QuotaStatus{
			QuotaID: l.ID, Meter: p.Quotas[i].Meter, Per: l.Scope, Enforcement: p.Quotas[i].Enforcement, Unit: l.Period, Period: spans[l.Period], Limit: l.Max,
		}
		if q.Used, err = used(l, id); err != nil {
			return QuotaReport{}, err
		}
		q.judge(now)
		report.Items = append(report.Items, q)
	}
	return report, nil
}

// judge fills in what follows from use, limit and time.
func (q *QuotaStatus) judge(now time.Time) {
	q.Remaining = max(q.Limit-q.Used, 0)
	switch {
	case q.Used >= q.Limit:
		q.State = QuotaExceeded
	case meter.Reached(q.Used, q.Limit, warningPercent):
		q.State = QuotaWarning
	default:
		q.State = QuotaOK
	}
	elapsed, whole := int64(now.Sub(q.Period.From)/time.Second), int64(q.Period.To.Sub(q.Period.From)/time.Second)
	if elapsed < 3600 {
		return
	}
	projected := max(scale(q.Used, whole, elapsed), q.Used)
	q.Projected = &projected
	if q.Used > 0 && q.Used < q.Limit {
		if at := scale(elapsed, q.Limit, q.Used); at < whole {
			q.ExhaustedAt = q.Period.From.Add(time.Duration(at) * time.Second)
		}
	}
}

// scale returns a x by / over, rounded down, none of them negative, and at most the greatest int64.
func scale(a, by, over int64) int64 {
	n := new(big.Int).Mul(big.NewInt(a), big.NewInt(by))
	if n.Quo(n, big.NewInt(over)); !n.IsInt64() {
		return math.MaxInt64
	}
	return n.Int64()
}

// UsageBucket is what was used in a step of time.
type UsageBucket struct {
	Start   time.Time     `json:"start"`
	End     time.Time     `json:"end"`
	Sealed  bool          `json:"sealed"` // all hours of it are closed
	Amounts meter.Amounts `json:"amounts"`
}

// UsageReport is what a key or account used.
type UsageReport struct {
	From          time.Time         `json:"from"`
	To            time.Time         `json:"to"`
	By            meter.Granularity `json:"by"`
	SealedThrough time.Time         `json:"sealed_through"`
	Buckets       []UsageBucket     `json:"buckets"` // those with use, in order of time
	Total         meter.Amounts     `json:"total"`
}

// maxBuckets bounds a report.
const maxBuckets = 10_000

// KeyUsage reports what one key used in [from, to), widened to whole buckets.
func (s *Service) KeyUsage(ctx context.Context, keyID string, from, to time.Time, by meter.Granularity) (UsageReport, error) {
	return s.usage(ctx, []string{keyID}, from, to, by)
}

// AccountUsage reports what all keys of an account used in [from, to), widened to whole buckets.
func (s *Service) AccountUsage(ctx context.Context, account string, from, to time.Time, by meter.Granularity) (UsageReport, error) {
	keys, err := s.cfg.Accounts.KeysOfAccount(ctx, account)
	if err != nil {
		return UsageReport{}, fmt.Errorf("read the keys of %s: %w", clip(account), err)
	}
	return s.usage(ctx, keys, from, to, by)
}

func (s *Service) usage(ctx context.Context, keys []string, from, to time.Time, by meter.Granularity) (UsageReport, error) {
	bucket, err := bucketOf(by)
	if err != nil {
		return UsageReport{}, err
	}
	r := UsageReport{From: bucket(from).From, To: to.UTC(), By: by, Buckets: []UsageBucket{}}
	if last := bucket(to); last.From.Before(r.To) {
		r.To = last.To
	}
	switch {
	case !r.From.Before(r.To):
		return UsageReport{}, bad("to", "is not after from")
	case r.To.Sub(r.From)/bucket(r.From).To.Sub(r.From) > maxBuckets:
		return UsageReport{}, bad("to", "is more than %d buckets after from; ask for less or for wider buckets", maxBuckets)
	}
	if r.SealedThrough, err = s.cfg.Source.SealedThrough(ctx); err != nil {
		return UsageReport{}, fmt.Errorf("read how far use is sealed: %w", err)
	}
	rows, err := s.usageByKey(ctx, keys, r.From, r.To, by)
	if err != nil {
		return UsageReport{}, err
	}
	at := make(map[int64]int) // start -> index
	for i := range rows {
		p := bucket(rows[i].Bucket)
		n, ok := at[p.From.Unix()]
		if !ok {
			n = len(r.Buckets)
			at[p.From.Unix()] = n
			r.Buckets = append(r.Buckets, UsageBucket{Start: p.From, End: p.To, Sealed: !r.SealedThrough.Before(p.To)})
		}
		r.Buckets[n].Amounts.Add(rows[i].Amounts)
		r.Total.Add(rows[i].Amounts)
	}
	sortBuckets(r.Buckets)
	return r, nil
}

// keysPerQuery keeps the text of a question to the ledger small, however many keys an account has.
const keysPerQuery = 5000

func (s *Service) usageByKey(ctx context.Context, keys []string, from, to time.Time, by meter.Granularity) ([]meter.KeyUsage, error) {
	var all []meter.KeyUsage
	for some := range slices.Chunk(keys, keysPerQuery) {
		rows, err := s.cfg.Source.UsageByKey(ctx, some, from, to, by)
		if err != nil {
			return nil, fmt.Errorf("read use: %w", err)
		}
		all = append(all, rows...)
	}
	return all, nil
}

func bucketOf(by meter.Granularity) (func(time.Time) period.Period, error) {
	switch by {
	case meter.Hour:
		return func(t time.Time) period.Period {
			t = t.UTC().Truncate(time.Hour)
			return period.Period{From: t, To: t.Add(time.Hour)}
		}, nil
	case meter.Day:
		return period.DayAt, nil
	case meter.Month:
		return period.MonthAt, nil
	default:
		return nil, bad("granularity", "%.16q is not known; give hour, day or month", string(by))
	}
}
