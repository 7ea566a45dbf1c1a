package api

import (
	"bytes"
	"context"
	"time"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// maxBuckets bounds the rows of one answer about usage.
const maxBuckets = 10_000

// owner finds out whose usage is asked for. Exactly one of key and account must be given, by a customer at most one.
func (h *handlers) owner(ctx context.Context, r *request, keyID, accountID string) (key, account string, err error) {
	switch {
	case keyID != "" && accountID != "":
		return "", "", InvalidParameter("account_id", "is given together with key_id: give one of them")
	case keyID != "":
		if r.who.Role == gen.RoleCustomer {
			if _, err := h.readableKey(ctx, r, keyID); err != nil {
				return "", "", err
			}
		}
		return keyID, "", nil
	case accountID == "" && r.who.Role != gen.RoleCustomer:
		return "", "", InvalidParameter("key_id", "is missing: give key_id or account_id")
	}
	account, ok := r.confine(accountID)
	if !ok {
		return "", "", ErrNotFound
	}
	return "", account, nil
}

// usageQuery fills in what was left out, and refuses what is too much.
func (h *handlers) usageQuery(ctx context.Context, p gen.GetUsageParams) (query UsageQuery, err error) {
	r, std := of(ctx)
	key, account, err := h.owner(std, r, p.KeyId, p.AccountId)
	if err != nil {
		return query, err
	}
	query = UsageQuery{KeyID: key, AccountID: account, From: p.From.UTC(), To: p.To.UTC(), Granularity: p.Granularity}
	if query.Granularity == "" {
		query.Granularity = gen.GranularityDay
	}
	now := h.cfg.Now().UTC()
	if p.From.IsZero() {
		query.From = time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	}
	if p.To.IsZero() {
		query.To = now
	}
	query.From = bucketStart(query.From, query.Granularity)
	if end := bucketStart(query.To, query.Granularity); !end.Equal(query.To) {
		query.To = bucketEnd(end, query.Granularity)
	}
	switch {
	case query.From.Year() < 1970 || query.To.Year() > 2262:
		return query, InvalidParameter("from", "must be between 1970 and 2262")
	case !query.From.Before(query.To):
		return query, InvalidParameter("to", "must be after from")
	case buckets(query.From, query.To, query.Granularity) > maxBuckets:
		return query, InvalidParameter("to", "is more than 10,000 buckets after from: ask for less, or for a coarser granularity")
	}
	return query, nil
}

// ExportUsage writes the table first: an error on the way must not look like a short table.
func (h *handlers) ExportUsage(ctx context.Context, q gen.ExportUsageRequestObject) (gen.ExportUsageResponseObject, error) {
	query, err := h.usageQuery(ctx, gen.GetUsageParams(q.Params))
	if err != nil {
		return nil, err
	}
	_, std := of(ctx)
	var table bytes.Buffer
	if err := h.cfg.Usage.UsageCSV(std, query, &table); err != nil {
		return nil, err
	}
	return gen.ExportUsage200TextcsvResponse{Body: &table, ContentLength: int64(table.Len())}, nil
}

func (h *handlers) GetUsage(ctx context.Context, q gen.GetUsageRequestObject) (gen.GetUsageResponseObject, error) {
	query, err := h.usageQuery(ctx, q.Params)
	if err != nil {
		return nil, err
	}
	_, std := of(ctx)
	u, err := h.cfg.Usage.Usage(std, query)
	if err != nil {
		return nil, err
	}
	u.Items = append([]gen.UsageRow{}, u.Items...)
	for i := range u.Items {
		u.Items[i].Figures.Units = notNil(u.Items[i].Figures.Units)
	}
	u.Total.Units = notNil(u.Total.Units)
	return gen.GetUsage200JSONResponse(u), nil
}

func notNil(m map[string]int64) map[string]int64 {
	if m == nil {
		return map[string]int64{}
	}
	return m
}

func bucketStart(t time.Time, g gen.Granularity) time.Time {
	switch g {
	case gen.GranularityHour:
		return t.Truncate(time.Hour)
	case gen.GranularityMonth:
		return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	case gen.GranularityDay:
	}
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

func bucketEnd(start time.Time, g gen.Granularity) time.Time {
	switch g {
	case gen.GranularityHour:
		return start.Add(time.Hour)
	case gen.GranularityMonth:
		return start.AddDate(0, 1, 0)
	case gen.GranularityDay:
	}
	return start.AddDate(0, 0, 1)
}

// buckets counts at least as many buckets as there are; months count 28 days.
func buckets(from, to time.Time, g gen.Granularity) int64 {
	hours := int64(to.Sub(from) / time.Hour)
	switch g {
	case gen.GranularityHour:
		return hours
	case gen.GranularityMonth:
		return hours / (28 * 24)
	case gen.GranularityDay:
	}
	return hours / 24
}

func (h *handlers) GetQuotas(ctx context.Context, q gen.GetQuotasRequestObject) (gen.GetQuotasResponseObject, error) {
	r, std := of(ctx)
	key, account, err := h.owner(std, r, q.Params.KeyId, q.Params.AccountId)
	if err != nil {
		return nil, err
	}
	list, err := h.cfg.Usage.Quotas(std, key, account)
	if err != nil {
		return nil, err
	}
	list.Items = append([]gen.QuotaState{}, list.Items...)
	return gen.GetQuotas200JSONResponse(list), nil
}
