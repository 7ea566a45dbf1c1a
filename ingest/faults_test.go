package ingest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// times is how often a fault is repeated: a base number, multiplied by TOLLKEEPER_CHAOS for `make chaos`.
func times(n int) int {
	if f, err := strconv.Atoi(os.Getenv("TOLLKEEPER_CHAOS")); err == nil && f > 0 {
		return n * f
	}
	return n
}

// TestEveryRecordCountsOnceWhateverDies runs against three real brokers and the real engine. After each fault every
// produced identity is stored once, to the byte.
func TestEveryRecordCountsOnceWhateverDies(t *testing.T) {
	base := newRig(t, 3)
	for _, tc := range []struct {
		name string
		run  func(t *testing.T, r *rig)
	}{
		{"ingest killed", ingestKilled},
		{"engine killed", engineKilled},
		{"brokers killed", brokersKilled},
		{"a zombie wakes", zombie},
		{"members join and leave", joinAndLeave},
		{"the store refuses, loses answers and stalls", storeFaults},
		{"gateways retry and write broken lines", retriesAndPoison},
	} {
		if !t.Run(tc.name, func(t *testing.T) {
			r := *base
			r.t = t
			tc.run(t, &r)
		}) {
			return // the parts may not be whole any more
		}
	}
	base.verifySealed(*base.truths)
}

const session = 6 * time.Second

func (r *rig) topic(name string) string {
	r.t.Helper()
	r.kafka.CreateTopic(r.t, name, testPartitions)
	return name
}

// ingestKilled: SIGKILL at random moments while 200,000 records are produced.
func ingestKilled(t *testing.T, r *rig) {
	topic := r.topic("killed")
	kills := times(12)
	want, done := r.produce(topic, max(200_000, 20_000*kills), 12_000, false, false)
	for range kills {
		p := r.startIngest(topic, "node-1", session)
		time.Sleep(time.Duration(1000+rand.IntN(1500)) * time.Millisecond)
		p.end(syscall.SIGKILL)
	}
	r.startIngest(topic, "node-1", session)
	<-done
	r.verify(topic, want, 60*time.Second)
}

func engineKilled(t *testing.T, r *rig) {
	topic := r.topic("engine")
	kills := times(5)
	r.startIngest(topic, "node-1", session)
	want, done := r.produce(topic, 20_000*kills, 8_000, false, false)
	for range kills {
		time.Sleep(time.Duration(500+rand.IntN(1500)) * time.Millisecond)
		r.engine.kill()
		r.engine.start()
	}
	<-done
	r.verify(topic, want, 90*time.Second)
}

func brokersKilled(t *testing.T, r *rig) {
	topic := r.topic("brokers")
	r.startIngest(topic, "node-1", session)
	kills := times(3)
	want, done := r.produce(topic, 20_000*kills, 5_000, false, false)
	for i := range kills {
		time.Sleep(time.Duration(500+rand.IntN(1000)) * time.Millisecond)
		node := r.kafka.Nodes[i%len(r.kafka.Nodes)]
		node.Kill()
		time.Sleep(time.Duration(500+rand.IntN(2000)) * time.Millisecond)
		node.Restart()
		node.WaitUp(90 * time.Second)
	}
	<-done
	r.verify(topic, want, 120*time.Second)
}

// zombie: a process is stopped past its session, another takes its partitions, then it wakes and must do no harm.
func zombie(t *testing.T, r *rig) {
	topic := r.topic("zombie")
	for round := range times(1) {
		if round > 0 {
			topic = r.topic(fmt.Sprint("zombie", round))
		}
		a := r.startIngest(topic, fmt.Sprint("a", round), session)
		want, done := r.produce(topic, 60_000, 6_000, false, false)
		time.Sleep(2 * time.Second)
		a.signal(syscall.SIGSTOP)
		r.startIngest(topic, fmt.Sprint("b", round), session)
		time.Sleep(session + 2*time.Second)
		a.signal(syscall.SIGCONT)
		<-done
		r.verify(topic, want, 60*time.Second)
	}
}

func joinAndLeave(t *testing.T, r *rig) {
	topic := r.topic("members")
	want, done := r.produce(topic, 60_000*times(1), 8_000, false, false)
	a := r.startIngest(topic, "a", session)
	time.Sleep(2 * time.Second)
	for range times(2) {
		b := r.startIngest(topic, "b", session)
		time.Sleep(time.Duration(1000+rand.IntN(1000)) * time.Millisecond)
		a.end(syscall.SIGTERM) // leaves
		a = r.startIngest(topic, "a", session)
		time.Sleep(time.Duration(500+rand.IntN(1000)) * time.Millisecond)
		b.end(syscall.SIGTERM)
	}
	<-done
	r.verify(topic, want, 60*time.Second)
}

func storeFaults(t *testing.T, r *rig) {
	topic := r.topic("store")
	r.proxy.inject.Store(true)
	r.startIngest(topic, "node-1", 4*time.Second)
	want, done := r.produce(topic, 30_000*times(1), 5_000, false, false)
	<-done
	r.verify(topic, want, 180*time.Second)
	r.proxy.inject.Store(false)
	for kind := faultRefuse; kind <= faultStall; kind++ {
		if r.proxy.counts[kind].Load() == 0 {
			t.Errorf("fault %d was never injected", kind)
		}
	}
}

func retriesAndPoison(t *testing.T, r *rig) {
	topic := r.topic("retries")
	want, done := r.produce(topic, 40_000*times(1), 10_000, true, true)
	p := r.startIngest(topic, "node-1", session)
	time.Sleep(3 * time.Second)
	p.end(syscall.SIGKILL)
	r.startIngest(topic, "node-1", session)
	<-done
	r.verify(topic, want, 60*time.Second)
}
