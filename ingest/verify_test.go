package ingest

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/tollkeeper/tollkeeper/ingest/audit"
)

// verify holds production up until all of it is stored and then holds every promise against the tables: each identity
// once, to the byte; each broken line a dead letter; sealed usage of each key and hour as produced; the audit exact.
func (r *rig) verify(p *producer, within time.Duration) {
	r.t.Helper()
	p.settled(func(want *truth) {
		r.verifyStored(p.topic, want, within)
		r.verifySealed()
		r.audit(p.topic)
	})
	if r.t.Failed() {
		r.t.FailNow() // what comes next would only repeat it
	}
}

func (r *rig) count(sql, topic string) (n, sum uint64, err error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	err = r.db.Conn().QueryRow(ctx, sql, topic).Scan(&n, &sum)
	return n, sum, err
}

// verifyStored holds what is stored of a topic against what was produced.
func (r *rig) verifyStored(topic string, want *truth, within time.Duration) {
	t := r.t
	t.Helper()
	const counted = "SELECT count(), sum(response_bytes) FROM events WHERE topic = ? AND bitAnd(flags, 2) = 0"
	deadline := time.Now().Add(within)
	for {
		n, _, err := r.count(counted, topic)
		if err == nil && n >= uint64(want.records) {
			break
		}
		if time.Now().After(deadline) {
			rows, places, _ := r.count("SELECT count(), uniqExact(partition, offset) FROM events WHERE topic = ?", topic)
			t.Errorf("%s: %d of %d records are stored after %s, %v; %d rows, %d places", topic, n, want.records, within, err, rows, places)
			r.waitCommitted(topic, 0) // names the partition that stands still
			t.FailNow()
		}
		time.Sleep(50 * time.Millisecond)
	}
	r.waitCommitted(topic, time.Until(deadline))
	n, sum, err := r.count(counted, topic)
	if err != nil || n != uint64(want.records) || sum != uint64(want.bytes) {
		t.Errorf("%s: %d records of %d bytes count, produced were %d of %d; %v", topic, n, sum, want.records, want.bytes, err)
	}
	if rows, places, err := r.count("SELECT count(), uniqExact(partition, offset, sub) FROM events WHERE topic = ?", topic); err != nil || rows != places {
		t.Errorf("%s: %d rows for %d places in the log, %v", topic, rows, places, err)
	}
	if ids, _, err := r.count("SELECT uniqExact(request_id), toUInt64(0) FROM events WHERE topic = ?", topic); err != nil || ids != uint64(want.records) {
		t.Errorf("%s: %d identities, produced were %d, %v", topic, ids, want.records, err)
	}
	if letters, _, err := r.count("SELECT uniqExact(partition, offset), toUInt64(0) FROM dead_letters WHERE topic = ?", topic); err != nil || letters < uint64(want.poison) || (letters > uint64(want.poison) && !want.unsure) {
		t.Errorf("%s: %d dead letters for %d broken lines, %v", topic, letters, want.poison, err)
	}
	if leaks, _, err := r.count("SELECT count(), toUInt64(0) FROM dead_letters WHERE topic = ? AND line LIKE '%canary%'", topic); err != nil || leaks != 0 {
		t.Errorf("%s: %d dead letters show a key, %v", topic, leaks, err)
	}
}

// seal does what the program does every half minute, the open hour included, so that every call reopens hours.
func (r *rig) seal() {
	r.t.Helper()
	r.eventually("seal", func(ctx context.Context) error {
		return r.db.SealDue(ctx, time.Now().Add(time.Hour).Truncate(time.Hour), time.Now().Add(-24*time.Hour))
	})
}

// verifySealed holds sealed usage against what was produced for all topics. Production must be held up.
func (r *rig) verifySealed() {
	t := r.t
	t.Helper()
	r.seal()
	rows, err := r.db.Conn().Query(t.Context(), "SELECT key_id, toInt64(toUnixTimestamp(hour)), requests, response_bytes FROM usage_hourly FINAL")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	got := map[keyHour]tally{}
	for rows.Next() {
		var k keyHour
		var n tally
		if err := rows.Scan(&k.key, &k.hour, &n.requests, &n.bytes); err != nil {
			t.Fatal(err)
		}
		got[k] = n
	}
	if want := r.produced(); !maps.Equal(got, want) {
		t.Errorf("sealed usage is not what was produced: %d hours of keys, want %d", len(got), len(want))
		for k, n := range want {
			if got[k] != n {
				t.Errorf("%s in %s: sealed %+v, produced %+v", k.key, time.Unix(k.hour, 0).UTC(), got[k], n)
				break
			}
		}
	}
}

// audit asks what `tollkeeper audit` asks. It must be exact at any time, also while parts are down and records come in.
func (r *rig) audit(topic string) {
	r.t.Helper()
	var report audit.Report
	r.eventually("audit", func(ctx context.Context) error {
		in, err := New(Config{Brokers: r.kafka.Brokers(), Topics: []string{topic}, Group: topic, Store: r.db, NewDecoder: newTestDecoder})
		if err != nil {
			return err
		}
		defer in.kafka.close()
		report, err = audit.Run(ctx, audit.Config{Store: r.db, Positions: in.Positions, Now: time.Now}, time.Time{}, time.Time{})
		return err
	})
	if !report.Exact {
		r.t.Errorf("the audit finds %q", report.Differences)
	}
}

// eventually repeats what may meet a dead engine or broker. After hours of faults an audit has millions of records to look at, on a machine
// that others use as well.
func (r *rig) eventually(what string, f func(ctx context.Context) error) {
	r.t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for {
		ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
		err := f(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// waitCommitted waits until the group has committed to the end of every partition with nothing pending.
func (r *rig) waitCommitted(topic string, within time.Duration) {
	t := r.t
	t.Helper()
	k := newKafkaClient(&Config{Brokers: r.kafka.Brokers(), Group: topic})
	defer k.close()
	deadline := time.Now().Add(within)
	for p := int32(0); p < testPartitions; {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		off, meta, err := k.committed(ctx, topic, p)
		var end int64
		if err == nil {
			_, end, err = k.bounds(ctx, topic, p)
		}
		cancel()
		pl, perr := parsePlan(meta, off)
		if err == nil && perr == nil && off == end && len(pl.pending) == 0 {
			p++
			continue
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s/%d: committed %d %q of %d, %v", topic, p, off, meta, end, errors.Join(err, perr))
		}
		time.Sleep(50 * time.Millisecond)
	}
}
