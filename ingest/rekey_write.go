package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

const (
	produceRecords = 10_000
	produceBytes   = 900_000 // of one request before packing; brokers take 1 MB by default
	produceAtOnce  = 8       // requests of one block, each to another partition
)

// targetTopic stands in for the store: a block's records go into a topic. Dead letters and gaps go to the real store.
type targetTopic struct {
	OriginStore
	topic string
	kafka *kafkaClient
	now   func() time.Time
	hash  kafka.Hash

	mu    sync.Mutex
	hands map[string]*inHand // by source partition
}

// inHand is the block of a source partition that is being written. A try that fails is followed by one that goes on behind
// what was acknowledged.
type inHand struct {
	token   string
	buf     []byte
	targets []targetQueue
}

// targetQueue is what of a block goes into one partition, in the order of the source.
type targetQueue struct {
	partition int
	messages  []message
	acked     int
}

type message struct{ key, value []byte }

// partitions asks how many the target topic has.
func (t *targetTopic) partitions(ctx context.Context) (int, error) {
	res, err := t.kafka.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{t.topic}})
	if err != nil {
		return 0, fmt.Errorf("partitions of topic %s: %w", t.topic, err)
	}
	for _, topic := range res.Topics {
		if topic.Name != t.topic {
			continue
		}
		if topic.Error != nil {
			return 0, fmt.Errorf("partitions of topic %s: %w", t.topic, topic.Error)
		}
		if n := len(topic.Partitions); n > 0 {
			return n, nil
		}
	}
	return 0, fmt.Errorf("topic %s is not there yet", t.topic)
}

// route is the partition of a record: that of its key, as Kafka's own producers by FNV-1a choose it. Calls without a key go
// by their place, so that a second time they go to the same.
func (t *targetTopic) route(keyID []byte, offset int64, targets int) int {
	if len(keyID) == 0 {
		return int(offset % int64(targets))
	}
	return t.hash.Balance(kafka.Message{Key: keyID}, numbers(targets)...)
}

var numbersCache = sync.OnceValue(func() []int {
	all := make([]int, 4096)
	for i := range all {
		all[i] = i
	}
	return all
})

// numbers returns 0 to n-1; the library asks for partitions by name, and uses only their number.
func numbers(n int) []int {
	if all := numbersCache(); n <= len(all) {
		return all[:n]
	}
	return make([]int, n)
}

// InsertEvents writes the block, spread over span.Targets partitions. It returns nil when all of it is acknowledged.
func (t *targetTopic) InsertEvents(ctx context.Context, span usage.Span, b *usage.Batch) error {
	h := t.of(span)
	if token := span.Token("rekeyed"); h.token != token {
		h.fill(t, span, b)
		h.token = token
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, produceAtOnce)
	errs := make([]error, len(h.targets))
	for i := range h.targets {
		q := &h.targets[i]
		if q.acked == len(q.messages) {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = t.write(ctx, q)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	h.token = ""
	return nil
}

// write sends one request after the other, and none behind one that was not acknowledged: marks rest on that order.
func (t *targetTopic) write(ctx context.Context, q *targetQueue) error {
	for q.acked < len(q.messages) {
		n, size := 0, 0
		for rest := q.messages[q.acked:]; n < len(rest) && n < produceRecords && (n == 0 || size+len(rest[n].value) <= produceBytes); n++ {
			size += len(rest[n].value)
		}
		res, err := t.kafka.client.Produce(ctx, &kafka.ProduceRequest{
			Topic: t.topic, Partition: q.partition, RequiredAcks: kafka.RequireAll, Compression: kafka.Lz4,
			Records: &messageReader{at: t.now(), messages: q.messages[q.acked : q.acked+n]},
		})
		if err == nil {
			err = res.Error
		}
		if errors.Is(err, kafka.UnknownTopicOrPartition) {
			return fmt.Errorf("write to topic %s, partition %d: %w; the topic must have as many partitions as it ever had", t.topic, q.partition, err)
		}
		if err != nil {
			return fmt.Errorf("write to topic %s, partition %d: %w", t.topic, q.partition, err)
		}
		q.acked += n
	}
	return nil
}

// messageReader hands messages to the library, one at a time.
type messageReader struct {
	at       time.Time
	messages []message
	record   kafka.Record
}

func (r *messageReader) ReadRecord() (*kafka.Record, error) {
	if len(r.messages) == 0 {
		return nil, io.EOF
	}
	m := r.messages[0]
	r.messages = r.messages[1:]
	r.record = kafka.Record{Time: r.at, Value: kafka.NewBytes(m.value)}
	if len(m.key) > 0 {
		r.record.Key = kafka.NewBytes(m.key)
	}
	return &r.record, nil
}

func (t *targetTopic) of(span usage.Span) *inHand {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := usage.OriginPartition(span.Topic, span.Partition)
	if t.hands[key] == nil {
		t.hands[key] = &inHand{}
	}
	return t.hands[key]
}

// forget gives back what a partition's blocks were encoded in, when another process may write them.
func (t *targetTopic) forget(topic string, partition int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.hands, usage.OriginPartition(topic, partition))
}

// fill makes the messages of a block. Keys and values share one buffer that the next block of the partition reuses.
func (h *inHand) fill(t *targetTopic, span usage.Span, b *usage.Batch) {
	h.buf = h.buf[:0]
	h.targets = slices.Grow(h.targets[:0], span.Targets)[:span.Targets]
	for i := range h.targets {
		h.targets[i] = targetQueue{partition: i, messages: h.targets[i].messages[:0]}
	}
	origin := usage.OriginPartition(span.Topic, span.Partition)
	type ends struct{ value, key, target int }
	rows := make([]ends, 0, b.Len())
	for i := range b.Len() {
		from := len(h.buf)
		h.buf = accesslog.AppendRecord(h.buf, b, i)
		line := accesslog.AppendOrigin(h.buf[from:], origin, b.Offset[i], b.Sub[i])
		h.buf = append(h.buf[:from], line...)
		value := len(h.buf)
		h.buf = append(h.buf, b.KeyID.At(i)...)
		rows = append(rows, ends{value, len(h.buf), t.route(h.buf[value:], b.Offset[i], span.Targets)})
	}
	from := 0
	for _, r := range rows {
		q := &h.targets[r.target]
		q.messages = append(q.messages, message{value: h.buf[from:r.value:r.value], key: h.buf[r.value:r.key:r.key]})
		from = r.key
	}
}

// Landed always says no: a planned block is written again, and its records are known behind by their origin.
func (t *targetTopic) Landed(context.Context, usage.Span) (bool, error) { return false, nil }

// LandedOffsets implements Store: dead letters are replayed into the table, never into a topic.
func (t *targetTopic) LandedOffsets(context.Context, usage.Span, int32, []int64) ([]int64, error) {
	return nil, nil
}

func (t *targetTopic) RecentRequestIDs(context.Context, string, int32, time.Time, func(int64, string, []byte)) error {
	return nil
}
