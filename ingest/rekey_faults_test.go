package ingest

import (
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// TestRekeyedRecordsCountOnceWhateverDies runs the re-keying against real brokers and the real engine. Behind it every
// request id counts each time that it comes, so what is counted once is known by its origin alone, as if the window were
// long over.
func TestRekeyedRecordsCountOnceWhateverDies(t *testing.T) {
	base := newRig(t, 3)
	base.balancer = &kafka.RoundRobin{} // a key's records are everywhere
	for _, tc := range []struct {
		name string
		run  func(r *rig)
	}{
		{"rekeyer killed", rekeyerKilled},
		{"rekeyer and ingester killed", rekeyedKilled},
		{"a zombie writes on", rekeyZombie},
		{"brokers killed", rekeyBrokersKilled},
	} {
		if !t.Run(tc.name, func(t *testing.T) { tc.run(base.of(t)) }) {
			return // the parts may not be whole any more
		}
	}
}

// rekey starts a rekeyer of the topic.
func (r *rig) rekey(topic, instance string) *process {
	return r.start(ingestProcess{Topic: topic, Target: topic + "-keyed", Instance: instance, Session: session})
}

// ingestRekeyed starts an ingester of what is re-keyed from the topic.
func (r *rig) ingestRekeyed(topic string, window bool) *process {
	return r.start(ingestProcess{Topic: topic + "-keyed", Rekeyed: true, NoWindow: !window, Instance: "behind", Session: session})
}

func (r *rig) rekeyTopics(name string) string {
	r.topic(name + "-keyed")
	return r.topic(name)
}

// verifyRekeyed holds what is counted against the source topic's own log: as many records as it has offsets, each once. The
// test's producer may have written a request twice, when brokers are slow; that is for the window, where there is one.
func (r *rig) verifyRekeyed(topic string, want *truth, window bool, within time.Duration) {
	t := r.t
	t.Helper()
	keyed := topic + "-keyed"
	if window {
		r.verifyStored(keyed, want, within)
	}
	k := newKafkaClient(&Config{Brokers: r.kafka.Brokers(), Group: topic})
	defer k.close()
	var produced uint64
	for p := range int32(testPartitions) {
		var end int64
		waitFor(t, "the partition has a leader", func() (ok bool) { // brokers on a busy machine lose one for a moment
			_, last, err := k.bounds(t.Context(), topic, p)
			end = last
			return err == nil
		})
		produced += uint64(end)
	}
	number := func(sql string) (n uint64) {
		if err := r.db.Conn().QueryRow(t.Context(), sql, keyed).Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	const first = " AND bitAnd(flags, 2) = 0"
	const places = "SELECT uniqExact(origin, origin_offset) FROM events WHERE topic = ?"
	for deadline := time.Now().Add(within); number(places) < produced && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
	}
	r.waitCommitted(keyed, within)
	if n := number(places); n != produced {
		t.Errorf("%s: %d places are stored of %d in the log", topic, n, produced)
	}
	if n := number("SELECT count() FROM events WHERE topic = ?" + first); !window && n != produced {
		t.Errorf("%s: %d records count, the log has %d", topic, n, produced)
	}
	if n := number("SELECT toUInt64(count() - uniqExact(origin, origin_offset)) FROM events WHERE topic = ?" + first); n != 0 {
		t.Errorf("%s: %d records count twice", topic, n)
	}
	if n := number("SELECT uniqExact(request_id) FROM events WHERE topic = ?" + first); n != uint64(want.records) {
		t.Errorf("%s: %d requests count, produced were %d", topic, n, want.records)
	}
	if n := number("SELECT count() FROM (SELECT key_id FROM events WHERE topic = ? GROUP BY key_id HAVING uniqExact(partition) > 1)"); n != 0 {
		t.Errorf("%s: %d keys are in more than one partition", topic, n)
	}
	t.Logf("%s: %d records count once, %d times one was written again", topic, produced, number("SELECT toUInt64(count() - uniqExact(origin, origin_offset)) FROM events WHERE topic = ?"))
}

func rekeyerKilled(r *rig) {
	topic := r.rekeyTopics("rekey")
	p := r.produce(topic, traffic{perSecond: 10_000})
	r.ingestRekeyed(topic, false)
	for range times(8) {
		a := r.rekey(topic, "node-1")
		time.Sleep(r.between(200*time.Millisecond, 1800*time.Millisecond))
		a.end(syscall.SIGKILL)
	}
	r.rekey(topic, "node-1")
	p.stop()
	r.verifyRekeyed(topic, p.truth, false, 60*time.Second)
}

// rekeyedKilled: marks are rebuilt from what is stored while records are being written again.
func rekeyedKilled(r *rig) {
	topic := r.rekeyTopics("rekeyed")
	p := r.produce(topic, traffic{perSecond: 10_000})
	for range times(5) {
		a, b := r.rekey(topic, "node-1"), r.ingestRekeyed(topic, false)
		time.Sleep(r.between(300*time.Millisecond, 2100*time.Millisecond))
		for _, dies := range []*process{a, b} {
			dies.end(syscall.SIGKILL)
		}
	}
	r.rekey(topic, "node-1")
	r.ingestRekeyed(topic, false)
	p.stop()
	r.verifyRekeyed(topic, p.truth, false, 60*time.Second)
}

// rekeyZombie: a rekeyer is stopped in the midst of its blocks, another takes over, then it wakes.
func rekeyZombie(r *rig) {
	topic := r.rekeyTopics("rekey-zombie")
	a := r.rekey(topic, "a")
	r.ingestRekeyed(topic, false)
	p := r.produce(topic, traffic{perSecond: 10_000})
	time.Sleep(3 * time.Second)
	a.signal(syscall.SIGSTOP)
	r.rekey(topic, "b")
	time.Sleep(session + 2*time.Second)
	a.signal(syscall.SIGCONT)
	p.stop()
	r.verifyRekeyed(topic, p.truth, false, 60*time.Second)
}

// rekeyBrokersKilled: requests fail, lose their answers and are refused half way. What the test's own producer writes twice
// then, the window must find.
func rekeyBrokersKilled(r *rig) {
	topic := r.rekeyTopics("rekey-brokers")
	r.rekey(topic, "node-1")
	r.ingestRekeyed(topic, true)
	p := r.produce(topic, traffic{perSecond: 5_000})
	for i := range times(3) {
		time.Sleep(r.between(500*time.Millisecond, 1500*time.Millisecond))
		node := r.kafka.Nodes[i%len(r.kafka.Nodes)]
		node.Kill()
		time.Sleep(r.between(500*time.Millisecond, 2500*time.Millisecond))
		node.Restart()
		node.WaitUp(90 * time.Second)
	}
	p.stop()
	r.verifyRekeyed(topic, p.truth, true, 120*time.Second)
}
