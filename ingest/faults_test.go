package ingest

import (
	"fmt"
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

// TestEveryRecordCountsOnceWhateverDies runs against three real brokers and the real engine, while records come in. After
// every fault the audit is exact; and whenever production is held up, after most faults, every produced identity is stored
// once, to the byte, and sealed usage is the truth.
func TestEveryRecordCountsOnceWhateverDies(t *testing.T) {
	base := newRig(t, 3)
	for _, tc := range []struct {
		name string
		run  func(r *rig)
	}{
		{"ingest killed", ingestKilled},
		{"engine killed", engineKilled},
		{"brokers killed", brokersKilled},
		{"a zombie wakes", zombie},
		{"members join and leave", joinAndLeave},
		{"the store refuses, loses answers and stalls", storeFaults},
		{"gateways retry and write broken lines", retriesAndPoison},
		{"everything at once", everything},
	} {
		if !t.Run(tc.name, func(t *testing.T) { tc.run(base.of(t)) }) {
			return // the parts may not be whole any more
		}
	}
}

const session = 3 * time.Second

// patience is for everything to be stored once the last fault is over. It bounds nothing that the product promises.
const patience = 5 * time.Minute

// ingestKilled: SIGKILL at every kind of moment of a process's life, often again before the successor has recovered.
func ingestKilled(r *rig) {
	topic := r.topic("killed")
	p := r.produce(topic, traffic{perSecond: 3000})
	reached := reachedMoments{}
	in := r.startIngest(topic, "node-1", session)
	kill := func(m moment) {
		killed := make(chan bool)
		go func() { killed <- r.killAt(in, m) }()
		r.seal()
		r.audit(topic)
		if <-killed {
			reached[m]++
		}
		in = r.startIngest(topic, "node-1", session)
	}
	killAt := func(m moment) {
		if m == inTakeover { // whose predecessor has to have left a block to be asked about
			kill([...]moment{inInsert, afterInsert}[r.rng.IntN(2)])
		}
		kill(m)
	}
	settleIn := 1 + r.rng.IntN(3)
	for _, m := range r.moments(times(50), whileStarting, whenever, inTakeover, beforeInsert, inInsert, afterInsert, inCommit) {
		killAt(m)
		if settleIn--; settleIn == 0 {
			r.verify(p, patience)
			settleIn = 1 + r.rng.IntN(3)
		}
	}
	reached.all(r, killAt, whileStarting, whenever, inTakeover, beforeInsert, inInsert, afterInsert, inCommit)
	p.stop()
	r.verify(p, patience)
	r.t.Logf("%d records, killed%s", p.truth.records, reached)
}

// engineKilled: the store dies at any time, with a block on its way and while it starts.
func engineKilled(r *rig) {
	topic := r.topic("engine")
	p := r.produce(topic, traffic{perSecond: 3000})
	in := r.startIngest(topic, "node-1", session)
	reached := reachedMoments{}
	killAt := func(m moment) {
		switch m {
		case whileStarting:
			r.engine.kill()
			r.engine.start()
			time.Sleep(r.between(0, 150*time.Millisecond))
			r.engine.kill()
		case whenever:
			time.Sleep(r.between(0, time.Second))
			r.engine.kill()
		default:
			a := in.proxy.ambush(m)
			if a.wait(2 * time.Second) {
				reached[m]++
			}
			time.Sleep(r.between(0, 3*time.Millisecond))
			r.engine.kill()
			a.release()
		}
		time.Sleep(r.between(0, 500*time.Millisecond))
		r.engine.start()
		r.verify(p, patience)
	}
	for _, m := range r.moments(times(20), whileStarting, whenever, inInsert, afterInsert) {
		killAt(m)
	}
	reached.all(r, killAt, inInsert, afterInsert)
	p.stop()
	r.verify(p, patience)
	r.t.Logf("%d records, killed%s", p.truth.records, reached)
}

// brokersKilled: one broker at a time, any of three; now and then the ingester dies meanwhile.
func brokersKilled(r *rig) {
	topic := r.topic("brokers")
	p := r.produce(topic, traffic{perSecond: 2000})
	in := r.startIngest(topic, "node-1", session)
	for range times(10) {
		time.Sleep(r.between(0, time.Second))
		node := r.kafka.Nodes[r.rng.IntN(len(r.kafka.Nodes))]
		node.Kill()
		time.Sleep(r.between(0, 1500*time.Millisecond))
		if r.rng.IntN(3) == 0 {
			in.end(syscall.SIGKILL)
			in = r.startIngest(topic, "node-1", session)
		}
		node.Restart()
		node.WaitUp(90 * time.Second)
		r.verify(p, patience)
	}
	p.stop()
	r.verify(p, patience)
	r.t.Logf("%d records", p.truth.records)
}

// zombie: a process is stopped past its session, at every moment of an insert, and another takes its partitions. Then
// what it had sent arrives at last, while the new owner takes over or after it has stored all of it, the zombie wakes, and must do no harm.
func zombie(r *rig) {
	topic := r.topic("zombie")
	p := r.produce(topic, traffic{perSecond: 2000})
	round := 0
	for _, m := range r.moments(times(4), beforeInsert, inInsert, afterInsert, whenever) {
		for _, late := range []bool{false, true} {
			round++
			a := r.startIngest(topic, fmt.Sprint("a", round), session)
			r.verify(p, patience) // it owns the partitions
			held := a.proxy.ambush(m)
			if m == whenever {
				time.Sleep(r.between(0, time.Second))
			} else if !held.wait(5 * time.Second) {
				r.t.Errorf("no insert within 5 s")
			}
			a.signal(syscall.SIGSTOP)
			b := r.startIngest(topic, fmt.Sprint("b", round), session)
			time.Sleep(session + r.between(500*time.Millisecond, 2*time.Second))
			if late {
				r.verify(p, patience) // the new owner has stored what the zombie holds
			}
			held.release()
			time.Sleep(r.between(0, 100*time.Millisecond))
			a.signal(syscall.SIGCONT)
			r.verify(p, patience)
			a.end(syscall.SIGTERM)
			b.end(syscall.SIGTERM)
		}
	}
	p.stop()
	r.startIngest(topic, "last", session)
	r.verify(p, patience)
	r.t.Logf("%d records, %d rounds", p.truth.records, round)
}

// joinAndLeave: up to three members, of which some leave politely and some die.
func joinAndLeave(r *rig) {
	topic := r.topic("members")
	p := r.produce(topic, traffic{perSecond: 3000})
	members := []*process{r.startIngest(topic, "m0", session)}
	for i := range times(12) {
		time.Sleep(r.between(200*time.Millisecond, time.Second))
		if len(members) == 1 || len(members) < 3 && r.rng.IntN(2) == 0 {
			members = append(members, r.startIngest(topic, fmt.Sprint("m", i+1), session))
		} else {
			leaves := r.rng.IntN(len(members))
			how := syscall.SIGTERM
			if r.rng.IntN(3) == 0 {
				how = syscall.SIGKILL
			}
			members[leaves].end(how)
			members = append(members[:leaves], members[leaves+1:]...)
		}
		r.seal()
		r.audit(topic)
	}
	p.stop()
	r.verify(p, patience)
	r.t.Logf("%d records", p.truth.records)
}

func storeFaults(r *rig) {
	topic := r.topic("store")
	p := r.produce(topic, traffic{perSecond: 2000})
	in := r.startIngest(topic, "node-1", 2*time.Second)
	in.proxy.inject.Store(true)
	for range times(4) {
		time.Sleep(4 * time.Second)
		r.seal()
		r.audit(topic)
	}
	p.stop()
	r.verify(p, patience) // with the faults still on
	for kind := faultRefuse; kind <= faultStall; kind++ {
		if in.proxy.counts[kind].Load() == 0 {
			r.t.Errorf("fault %d was never injected", kind)
		}
	}
	r.t.Logf("%d records", p.truth.records)
}

func retriesAndPoison(r *rig) {
	topic := r.topic("retries")
	p := r.produce(topic, traffic{perSecond: 5000, retries: true, poison: true})
	for range times(4) {
		in := r.startIngest(topic, "node-1", session)
		time.Sleep(r.between(300*time.Millisecond, 2*time.Second))
		in.end(syscall.SIGKILL)
		r.audit(topic)
	}
	r.startIngest(topic, "node-1", session)
	p.stop()
	r.verify(p, patience)
	r.t.Logf("%d records, %d broken lines", p.truth.records, p.truth.poison)
}

// everything: two ingesters, and all the faults in any order, one upon the other.
func everything(r *rig) {
	topic := r.topic("everything")
	p := r.produce(topic, traffic{perSecond: 2000, retries: true, poison: true})
	members := []*process{r.startIngest(topic, "x", session), r.startIngest(topic, "y", session)}
	names := []string{"x", "y"}
	stopped := -1
	for range times(15) {
		time.Sleep(r.between(0, time.Second))
		i := r.rng.IntN(2)
		switch r.rng.IntN(6) {
		case 0, 1:
			if i != stopped {
				members[i].end(syscall.SIGKILL)
				members[i] = r.startIngest(topic, names[i], session)
			}
		case 2:
			if stopped < 0 {
				members[i].signal(syscall.SIGSTOP)
				stopped = i
			} else {
				members[stopped].signal(syscall.SIGCONT)
				stopped = -1
			}
		case 3:
			r.engine.kill()
			time.Sleep(r.between(0, 300*time.Millisecond))
			r.engine.start()
		case 4:
			on := &members[i].proxy.inject
			on.Store(!on.Load())
		case 5:
			node := r.kafka.Nodes[r.rng.IntN(len(r.kafka.Nodes))]
			node.Kill()
			time.Sleep(r.between(0, time.Second))
			node.Restart()
			node.WaitUp(90 * time.Second)
		}
		r.audit(topic)
	}
	if stopped >= 0 {
		members[stopped].signal(syscall.SIGCONT)
	}
	p.stop()
	r.verify(p, patience)
	r.t.Logf("%d records, %d broken lines", p.truth.records, p.truth.poison)
}
