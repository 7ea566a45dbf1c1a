package clickhouse

import (
	"slices"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// A gateway's clock that is wrong by months, or a log that is brought in late, must not keep all other hours open.
func TestARecordThatIsTooOldToSealHoldsUpNoOtherAndIsTold(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.EventsTTLDays = 30
	db, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	now := time.Now().UTC().Truncate(time.Hour)
	never, once, fresh := now.AddDate(0, 0, -40), now.AddDate(0, 0, -35), now.Add(-2*time.Hour)
	// The hour was sealed when its events were there; of those some may be gone by now, so the seal stays as it is.
	if err := db.conn.Exec(t.Context(), "INSERT INTO usage_seals (hour, covers_until, version) VALUES (toDateTime(?), toDateTime(?), 1)", once.Unix(), once.Unix()); err != nil {
		t.Fatal(err)
	}
	var b usage.Batch
	for i, at := range []time.Time{never, once, fresh} {
		r := call("a", at, 200, 1)
		r.Offset = int64(i)
		b.Append(&r)
	}
	span := testSpan(0, 3)
	span.Day = int32(now.Unix() / 86400)
	if err := db.InsertEvents(t.Context(), span, &b); err != nil {
		t.Fatal(err)
	}
	yesterday := now.AddDate(0, 0, -1)
	if hours, err := db.UnsealedHours(t.Context(), now, 10); err != nil || !slices.Equal(hours, []time.Time{fresh}) {
		t.Errorf("unsealed: %v, %v", hours, err)
	}
	if hours, err := db.LateHours(t.Context(), yesterday); err != nil || len(hours) != 0 {
		t.Errorf("late: %v, %v", hours, err)
	}
	if err := db.SealDue(t.Context(), now, yesterday); err != nil {
		t.Error(err)
	}
	if hours, err := db.SealedHours(t.Context(), never, now); err != nil || !slices.Equal(hours, []time.Time{once, fresh}) {
		t.Errorf("sealed: %v, %v", hours, err)
	}
	if all, err := db.UsageByKey(t.Context(), []string{"a"}, never, now, Total); err != nil || len(all) != 1 || all[0].Requests != 2 {
		t.Errorf("what was never sealed counts while its events are there: %+v, %v", all, err)
	}
	if old, err := db.TooOld(t.Context(), time.Time{}, time.Time{}, 10); err != nil || old.Records != 2 || old.Hours != 2 ||
		!slices.Equal(old.First, []OldHour{{Hour: never, Records: 1}, {Hour: once, Records: 1, Sealed: true}}) {
		t.Errorf("too old to be sealed: %+v, %v", old, err)
	}
	if old, err := db.TooOld(t.Context(), time.Time{}, time.Time{}, 1); err != nil || old.Records != 2 || old.Hours != 2 || len(old.First) != 1 {
		t.Errorf("too old to be sealed, the first of them: %+v, %v", old, err)
	}
	if old, err := db.TooOld(t.Context(), now.AddDate(0, 0, 1).Truncate(24*time.Hour), time.Time{}, 10); err != nil || old.Records != 0 {
		t.Errorf("too old to be sealed and taken in later: %+v, %v", old, err)
	}
}
