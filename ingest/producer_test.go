package ingest

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// truth is what was produced.
type truth struct {
	records int64
	bytes   int64
	poison  int64
	unsure  bool // a write failed: broken lines of it may be there twice
	usage   map[keyHour]tally
}

type keyHour struct {
	key  string
	hour int64 // seconds
}

type tally struct{ requests, bytes uint64 }

// traffic says what a producer writes.
type traffic struct {
	perSecond int
	retries   bool // a part is written again, as a gateway does that did not see the answer
	poison    bool // some lines are broken
}

// producer writes records with unique request ids to a topic until it is stopped. One in ten is hours late.
type producer struct {
	r     *rig
	topic string
	traffic
	rng *rand.Rand

	mu    sync.Mutex // held while a chunk is under way: whoever holds it sees only what is acknowledged
	truth *truth
	next  int
	stop  func()
}

// chunkLines is how many lines are written at a time, some thirty times a second.
func (t traffic) chunkLines() int { return max(100, t.perSecond/30) }

func (r *rig) produce(topic string, tr traffic) *producer {
	p := &producer{r: r, topic: topic, traffic: tr, rng: rand.New(rand.NewPCG(r.seed, 2)), truth: &truth{usage: map[keyHour]tally{}}}
	*r.truths = append(*r.truths, p.truth)
	transport := &kafka.Transport{MetadataTTL: time.Second} // not the shared one, whose connections nobody closes
	w := &kafka.Writer{
		Transport: transport, Addr: kafka.TCP(r.kafka.Brokers()...), Topic: topic, Balancer: cmp.Or[kafka.Balancer](r.balancer, &kafka.Hash{}), RequiredAcks: kafka.RequireAll,
		Compression: kafka.Lz4, BatchSize: 2000, BatchTimeout: 2 * time.Millisecond, WriteTimeout: 3 * time.Second, ReadTimeout: 3 * time.Second, MaxAttempts: 1,
	}
	end, done := make(chan struct{}), make(chan struct{})
	p.stop = sync.OnceFunc(func() {
		close(end)
		<-done
	})
	go func() {
		defer close(done)
		defer transport.CloseIdleConnections()
		defer w.Close()
		due := time.Now()
		for {
			// What a pause has held up is not caught up with.
			if due = due.Add(time.Duration(p.chunkLines()) * time.Second / time.Duration(p.perSecond)); time.Since(due) > time.Second {
				due = time.Now()
			}
			select {
			case <-end:
				return
			case <-time.After(time.Until(due)):
			}
			if !p.chunk(w, end) {
				return
			}
		}
	}()
	r.t.Cleanup(p.stop)
	return p
}

// chunk writes some records until they are acknowledged; false when it had to give up.
func (p *producer) chunk(w *kafka.Writer, end <-chan struct{}) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ms []kafka.Message
	for range p.chunkLines() {
		ms = append(ms, p.line()...)
	}
	again := p.retries && p.rng.IntN(3) == 0
	for {
		err := w.WriteMessages(p.r.t.Context(), ms...)
		if err == nil && !again {
			return true
		}
		if p.r.t.Context().Err() != nil {
			return false
		}
		if err != nil {
			p.truth.unsure = true
			continue
		}
		again = false
		// Only a gateway's request id makes writing again safe; broken lines have none.
		keep := ms[:0]
		for _, m := range ms {
			if !strings.Contains(string(m.Value), "yesterday") {
				keep = append(keep, m)
			}
		}
		ms = keep
	}
}

func (p *producer) line() []kafka.Message {
	n := p.next
	p.next++
	key, size := fmt.Sprintf("key_%04d", p.rng.IntN(300)), p.rng.IntN(50_000)
	at := time.Now().UTC()
	if p.rng.IntN(10) == 0 {
		at = at.Add(-time.Duration(p.rng.IntN(180)) * time.Minute)
	}
	line := fmt.Appendf(nil, `{"time":%q,"request_id":"%s-%07d","key_id":%q,"method":"GET","host":"api.example.com","path":"/v1/items/%d","status":200,"latency_ms":12.5,"request_bytes":300,"response_bytes":%d,"client_ip":"192.0.2.%d","user_agent":"curl/8.1"}`,
		at.Format(time.RFC3339Nano), p.topic, n, key, n, size, n%250)
	p.truth.records++
	p.truth.bytes += int64(size)
	place := keyHour{key, at.Truncate(time.Hour).Unix()}
	sum := p.truth.usage[place]
	p.truth.usage[place] = tally{sum.requests + 1, sum.bytes + uint64(size)}
	ms := []kafka.Message{{Key: []byte(key), Value: line}}
	if p.poison && n%97 == 0 {
		ms = append(ms, kafka.Message{Key: []byte(key), Value: []byte(`{"time":"yesterday","api_key":"sk_live_canary","status":`)})
		p.truth.poison++
	}
	return ms
}

// settled holds production up while f looks at the tables, and gives it what was produced.
func (p *producer) settled(f func(want *truth)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p.truth)
}

// produced adds up the usage of all topics.
func (r *rig) produced() map[keyHour]tally {
	all := map[keyHour]tally{}
	for _, tr := range *r.truths {
		for k, n := range maps.All(tr.usage) {
			sum := all[k]
			all[k] = tally{sum.requests + n.requests, sum.bytes + n.bytes}
		}
	}
	return all
}
