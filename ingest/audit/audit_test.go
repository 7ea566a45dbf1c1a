package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
	"github.com/tollkeeper/tollkeeper/internal/clickhouse/clickhousetest"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func TestMain(m *testing.M) {
	clickhousetest.ServeIfEngine()
	goleak.VerifyTestMain(m)
}

// books is a real store with what one partition left: events at offsets 10 to 29 in two blocks, of which 12 and 25 are
// dead letters instead, all committed, in a sealed hour.
type books struct {
	t    *testing.T
	db   *clickhouse.DB
	cfg  Config
	at   Position
	hour time.Time
}

func newBooks(t *testing.T) *books {
	t.Helper()
	b := &books{t: t, db: clickhousetest.Open(t), hour: time.Now().UTC().Truncate(time.Hour).Add(-3 * time.Hour)}
	b.at = Position{Topic: "logs", Partition: 1, First: 10, End: 30, Committed: 30, LastRow: 29, StreamMillis: b.hour.UnixMilli()}
	b.cfg = Config{Store: b.db, Positions: func(context.Context) ([]Position, error) { return []Position{b.at}, nil }, Now: time.Now}
	b.store(10, 20, 12)
	b.store(20, 30, 25)
	if _, err := b.db.SealHours(t.Context(), b.hour, b.hour.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *books) span(from, to int64) usage.Span {
	return usage.Span{Topic: "logs", Partition: 1, From: from, To: to, Day: int32(time.Now().Unix() / 86400), Epoch: "1"}
}

func (b *books) store(from, to int64, letters ...int64) {
	b.t.Helper()
	var batch usage.Batch
	for o := from; o < to; o++ {
		if slices.Contains(letters, o) {
			if err := b.db.InsertDeadLetters(b.t.Context(), b.span(from, to), []usage.DeadLetter{{Offset: o, TimeMillis: b.hour.UnixMilli(), Reason: "bad_json"}}); err != nil {
				b.t.Fatal(err)
			}
			continue
		}
		batch.Append(&usage.Record{Offset: o, TimeMillis: b.hour.UnixMilli() + o, KeyID: fmt.Sprint("key_", o%3), RequestID: fmt.Append(nil, o), Status: 200, ResponseBytes: 100})
	}
	if err := b.db.InsertEvents(b.t.Context(), b.span(from, to), &batch); err != nil {
		b.t.Fatal(err)
	}
}

func (b *books) holes(from, to int64, holes ...usage.Hole) {
	b.t.Helper()
	if err := b.db.InsertHoles(b.t.Context(), b.span(from, to), holes); err != nil {
		b.t.Fatal(err)
	}
}

func (b *books) exec(sql string) {
	b.t.Helper()
	if err := b.db.Conn().Exec(b.t.Context(), sql); err != nil {
		b.t.Fatal(err)
	}
}

func (b *books) audit() Report {
	b.t.Helper()
	r, err := Run(b.t.Context(), b.cfg, time.Time{}, time.Time{})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

const deletion = "ALTER TABLE %s DELETE WHERE %s SETTINGS mutations_sync = 1"

func TestTheAuditSaysWhatDiffers(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(b *books)
		want   []string // a part of each difference, in order
	}{
		"nothing was changed": {func(*books) {}, nil},
		"a row was deleted beside offsets without a record": {
			func(b *books) {
				b.holes(30, 34, usage.Hole{From: 30, To: 31}, usage.Hole{From: 32, To: 34})
				b.exec("INSERT INTO events (plan_day, time, topic, partition, offset, epoch) SELECT today(), now() - 90000, 'logs', 1, 34, '1'")
				b.at.Committed, b.at.LastRow, b.at.End = 35, 34, 35
			},
			[]string{"logs/1: offsets 31 to 31 are neither events nor dead letters"},
		},
		"the first rows were deleted, and before them there were none": {
			func(b *books) {
				b.at.First = 2
				b.holes(2, 10, usage.Hole{From: 2, To: 10})
				b.exec(fmt.Sprintf(deletion, "events", "offset < 11"))
			},
			[]string{"logs/1: offsets 10 to 10 are neither", "key_1: sealed"},
		},
		"a dead letter was deleted that is known to have been refused": {
			func(b *books) {
				b.holes(10, 20, usage.Hole{From: 12, To: 13, Refused: true})
				b.exec(fmt.Sprintf(deletion, "dead_letters", "offset = 12"))
			},
			[]string{"logs/1: offsets 12 to 12 are neither"},
		},
		"a row was deleted": {
			func(b *books) { b.exec(fmt.Sprintf(deletion, "events", "offset = 17")) },
			[]string{"logs/1: offsets 17 to 17 are neither events nor dead letters", "key_2: sealed 7 calls, the events say 6"},
		},
		"the last rows were deleted": {
			func(b *books) { b.exec(fmt.Sprintf(deletion, "events", "offset >= 28")) },
			[]string{"logs/1: offset 29 was stored and committed, but only up to 27 is stored now", "key_1: sealed", "key_2: sealed"},
		},
		"the first rows were deleted": {
			func(b *books) { b.exec(fmt.Sprintf(deletion, "events", "offset < 12")) },
			[]string{"logs/1: offsets 10 to 11 are neither", "key_1: sealed", "key_2: sealed"},
		},
		"a whole partition was deleted": {
			func(b *books) {
				b.exec("TRUNCATE TABLE events")
				b.exec("TRUNCATE TABLE dead_letters")
			},
			[]string{"logs/1: offset 29 was stored and committed, but nothing is stored now", "key_0: sealed", "key_1: sealed", "key_2: sealed"},
		},
		"a dead letter was deleted": {
			func(b *books) { b.exec(fmt.Sprintf(deletion, "dead_letters", "offset = 25")) },
			[]string{"logs/1: offsets 25 to 25 are neither"},
		},
		"one of a line's records was deleted before its hour was sealed": {
			func(b *books) {
				b.exec("INSERT INTO events (plan_day, time, topic, partition, offset, sub, epoch) SELECT today(), now(), 'logs', 1, 29, number, '1' FROM numbers(1, 5)")
				b.exec(fmt.Sprintf(deletion, "events", "offset = 29 AND sub = 3"))
			},
			[]string{"logs/1: offsets 29 to 29 have records in them of which at least 1 are not stored"},
		},
		"the last of a line's records was deleted before its hour was sealed": {
			func(b *books) {
				b.exec("INSERT INTO events (plan_day, time, topic, partition, offset, sub, epoch, flags) SELECT today(), now(), 'logs', 1, 29, number, '1', if(number < 5, 16, 0) FROM numbers(1, 5)")
				b.exec(fmt.Sprintf(deletion, "events", "offset = 29 AND sub = 5"))
			},
			[]string{"logs/1: offsets 29 to 29 have records in them of which at least 1 are not stored"},
		},
		"all of a line's records but the first were deleted": {
			func(b *books) {
				b.exec("ALTER TABLE events UPDATE flags = 16 WHERE offset = 29 SETTINGS mutations_sync = 1")
			},
			[]string{"logs/1: offsets 29 to 29 have records in them of which at least 1 are not stored"},
		},
		"a line's records are all there": {
			func(b *books) {
				b.exec("ALTER TABLE events UPDATE flags = 16 WHERE offset = 29 SETTINGS mutations_sync = 1")
				b.exec("INSERT INTO events (plan_day, time, topic, partition, offset, sub, epoch, flags) SELECT today(), now(), 'logs', 1, 29, number, '1', if(number < 5, 16, 0) FROM numbers(1, 5)")
			},
			nil,
		},
		"a row was doubled": {
			func(b *books) {
				b.exec("INSERT INTO events SELECT * FROM events WHERE offset = 21")
			},
			[]string{"logs/1: 19 events, but only 18 different places in the log", "key_0: sealed 5 calls, the events say 6"},
		},
		"a re-keyed record counts in two places": {
			func(b *books) {
				b.exec("INSERT INTO events (plan_day, time, topic, partition, offset, epoch, origin, origin_offset, flags) SELECT today(), now(), 'keyed', number, 5, '1', 'raw/0', 9, if(number = 2, 2, 0) FROM numbers(3)")
			},
			[]string{"raw/0: 1 records that were re-keyed from it count twice"},
		},
		"a row was changed": {
			func(b *books) {
				b.exec("ALTER TABLE events UPDATE response_bytes = 99 WHERE offset = 18 SETTINGS mutations_sync = 1")
			},
			[]string{"key_0: the sealed bytes, errors or units are not those of its 5 events"},
		},
		"a sealed hour was tampered with": {
			func(b *books) {
				b.exec("INSERT INTO usage_hourly SELECT hour, key_id, requests - 1, errors, request_bytes, response_bytes, units, version + 1 FROM usage_hourly FINAL WHERE key_id = 'key_0'")
			},
			[]string{"key_0: sealed 4 calls, the events say 5"},
		},
		"a partition stands still": {
			func(b *books) { b.at.Stopped = "its offsets were moved back" },
			[]string{"logs/1 stands still: its offsets were moved back"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBooks(t)
			b.cover()
			tc.change(b)
			r := b.audit()
			if r.Exact != (len(tc.want) == 0) || len(r.Differences) != len(tc.want) {
				t.Fatalf("exact %v, differences %q, want %q", r.Exact, r.Differences, tc.want)
			}
			for i, want := range tc.want {
				if !strings.Contains(r.Differences[i], want) {
					t.Errorf("difference %q, want %q in it", r.Differences[i], want)
				}
			}
		})
	}
}

// cover lets the time pass in which an insert may still become visible: the seals then cover all events of now.
func (b *books) cover() {
	b.exec("INSERT INTO usage_seals SELECT hour, covers_until + INTERVAL 1 HOUR, version + 1 FROM usage_seals FINAL")
}

func TestWhatIsUnderWayIsNoDifference(t *testing.T) {
	for name, change := range map[string]func(b *books){
		"records behind the committed offset": func(b *books) {
			b.store(30, 40)
			b.at.End = 60
		},
		"a block whose dead letters came before its events": func(b *books) {
			b.store(30, 36, 30, 31, 32, 33, 34, 35)
			b.exec(fmt.Sprintf(deletion, "dead_letters", "offset IN (30, 31, 33, 34)"))
		},
		"late records of an hour that is sealed": func(b *books) {
			b.store(30, 33)
			b.at.Committed, b.at.LastRow, b.at.End = 33, 32, 33
		},
		"offsets without rows at the end of what was committed": func(b *books) { b.at.Committed, b.at.End = 32, 32 },
		"a producer's transactions, aborted and committed": func(b *books) {
			b.holes(30, 40, usage.Hole{From: 30, To: 33}, usage.Hole{From: 31, To: 32}, usage.Hole{From: 39, To: 40})
			b.store(33, 39)
			b.at.Committed, b.at.LastRow, b.at.End = 40, 38, 40
		},
		"compacted records before the first": func(b *books) {
			b.at.First = 0
			b.holes(0, 10, usage.Hole{From: 0, To: 10})
		},
		"a dead letter that is past its time to live": func(b *books) {
			b.exec("INSERT INTO holes (plan_day, topic, epoch, partition, from_offset, to_offset, refused) SELECT today() - 13, 'logs', '1', 1, 12, 13, 1")
			b.exec(fmt.Sprintf(deletion, "dead_letters", "offset = 12"))
		},
		"the log's oldest records were dropped": func(b *books) { b.at.First = 22 },
		"a file that was imported": func(b *books) {
			b.exec("INSERT INTO events (plan_day, time, topic, partition, offset, epoch) SELECT today(), now() - 90000, 'import:x', 0, 2 * number, '1' FROM numbers(5)")
		},
		"dead letters of a topic that is re-keyed": func(b *books) {
			b.exec("INSERT INTO dead_letters (plan_day, time, topic, partition, offset, epoch) SELECT today(), now(), 'raw', 0, 7 * number, '1' FROM numbers(5)")
			b.cfg.Rekeyed = []string{"raw"}
		},
		"dead letters of a topic that is re-keyed and was made anew": func(b *books) {
			b.exec("INSERT INTO dead_letters (plan_day, time, topic, partition, offset, epoch) SELECT today(), now(), 'raw~2', 0, 7 * number, '2' FROM numbers(5)")
			b.cfg.Rekeyed = []string{"raw"}
			b.at = Position{Topic: "raw~2", First: 0, End: 99, Committed: 99, LastRow: 98, StreamMillis: b.hour.UnixMilli()}
		},
		"rows past their time to live": func(b *books) {
			b.exec(fmt.Sprintf(deletion, "events", "offset < 12"))
			b.exec("TRUNCATE TABLE usage_hourly")
			b.exec("TRUNCATE TABLE usage_seals")
			b.exec("ALTER TABLE events DELETE WHERE offset < 12 SETTINGS mutations_sync = 1")
			later := time.Now().AddDate(0, 0, 89)
			b.cfg.KeepDays, b.cfg.Now = 90, func() time.Time { return later }
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBooks(t)
			change(b)
			if r := b.audit(); !r.Exact {
				t.Errorf("differences %q", r.Differences)
			}
		})
	}
}

func TestOffsetsThatWereNotedAsLostAreANote(t *testing.T) {
	b := newBooks(t)
	b.store(35, 40)
	b.at.Committed, b.at.LastRow, b.at.End = 40, 39, 40
	if r := b.audit(); len(r.Differences) != 1 || !strings.Contains(r.Differences[0], "offsets 30 to 34") {
		t.Errorf("differences %q, want the five offsets", r.Differences)
	}
	if err := b.db.RecordGap(t.Context(), usage.Gap{Topic: "logs", Partition: 1, From: 30, To: 35, Reason: "retention", TimeMillis: time.Now().UnixMilli()}); err != nil {
		t.Fatal(err)
	}
	if r := b.audit(); !r.Exact || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "offsets 30 to 34") {
		t.Errorf("differences %q, notes %q", r.Differences, r.Notes)
	}
}

func TestOffsetsWithoutARecordAreCountedInANote(t *testing.T) {
	b := newBooks(t)
	b.holes(30, 40, usage.Hole{From: 30, To: 34}, usage.Hole{From: 32, To: 36})
	b.at.Committed, b.at.LastRow, b.at.End = 36, 29, 36
	if r := b.audit(); !r.Exact || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "logs/1: at 6 offsets the log had no record that counts") {
		t.Errorf("differences %q, notes %q", r.Differences, r.Notes)
	}
}

func TestAnAuditWithoutKafkaSaysNothing(t *testing.T) {
	b := newBooks(t)
	away := errors.New("Kafka is away")
	b.cfg.Positions = func(context.Context) ([]Position, error) { return nil, away }
	if r, err := Run(t.Context(), b.cfg, time.Time{}, time.Time{}); !errors.Is(err, away) || r.Exact {
		t.Errorf("exact %v, %v", r.Exact, err)
	}
}
