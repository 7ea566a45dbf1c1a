package app

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
)

// deadLetters lists and replays them for the API; the cursor is the store's, in a form that fits into an address.
type deadLetters struct {
	db *clickhouse.DB
	a  *App
}

func readLetterCursor(text string) (c clickhouse.DeadLetterCursor, err error) {
	if text == "" {
		return c, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(raw, &c) != nil {
		return c, api.InvalidParameter("cursor", "is not one that this list returned: ask for the first page again")
	}
	return c, nil
}

func letterCursor(c clickhouse.DeadLetterCursor) (string, error) {
	if c == (clickhouse.DeadLetterCursor{}) {
		return "", nil
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("cursor of dead letters: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}

// ListDeadLetters implements api.DeadLetters.
func (d deadLetters) ListDeadLetters(ctx context.Context, reason string, p api.Page) ([]gen.DeadLetter, string, error) {
	after, err := readLetterCursor(p.Cursor)
	if err != nil {
		return nil, "", err
	}
	list, next, err := d.db.DeadLetters(ctx, clickhouse.DeadLetterFilter{Reason: reason}, after, p.Limit)
	if err != nil {
		return nil, "", errors.Join(api.ErrUnavailable, err)
	}
	out := make([]gen.DeadLetter, len(list))
	for i, l := range list {
		out[i] = gen.DeadLetter{
			At: time.UnixMilli(l.TimeMillis).UTC(), Topic: l.Topic, Partition: l.Partition, Offset: l.Offset, Source: l.Source,
			Format: l.Format, Reason: l.Reason, Detail: l.Detail, Line: string(l.Line), Bytes: int64(l.Bytes),
		}
	}
	cursor, err := letterCursor(next)
	return out, cursor, err
}

// replayPage is how many dead letters one call tries unless it says.
const replayPage = 500

// ReplayDeadLetters implements api.DeadLetters.
func (d deadLetters) ReplayDeadLetters(ctx context.Context, q gen.ReplayRequest) (out gen.ReplayResult, err error) {
	after, err := readLetterCursor(q.Cursor)
	if err != nil {
		return out, err
	}
	filter := clickhouse.DeadLetterFilter{Topic: q.Topic, Reason: q.Reason}
	if q.Cursor == "" {
		counts, err := d.db.CountDeadLetters(ctx, filter)
		if err != nil {
			return out, errors.Join(api.ErrUnavailable, err)
		}
		for _, n := range counts {
			out.Selected += n
		}
	}
	limit := int(q.Limit)
	if limit == 0 {
		limit = replayPage
	}
	r, err := d.a.ReplayDeadLetters(ctx, filter, after, limit, q.DryRun)
	if err != nil {
		return out, errors.Join(api.ErrUnavailable, err)
	}
	out.Reasons = []gen.ReplayedReason{}
	var all ReplayCounts
	for _, reason := range slices.Sorted(maps.Keys(r.ByReason)) {
		c := r.ByReason[reason]
		all.add(c)
		out.Reasons = append(out.Reasons, gen.ReplayedReason{
			Reason: reason, Tried: c.Tried, Replayed: c.Replayed, Repeats: c.Repeats, Refused: c.Refused, Gone: c.Gone, Waiting: c.Waiting,
		})
	}
	out.Tried, out.Replayed, out.Repeats, out.Refused, out.Gone, out.Waiting = all.Tried, all.Replayed, all.Repeats, all.Refused, all.Gone, all.Waiting
	out.NextCursor, err = letterCursor(r.Next)
	return out, err
}
