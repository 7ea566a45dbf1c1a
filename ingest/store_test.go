package ingest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// memStore is a Store in memory that keeps the promises of the interface, and can be told to break down. The tests
// against the real engine are in faults_test.go.
type memStore struct {
	mu      sync.Mutex
	tokens  map[string]bool
	rows    []storedRow
	letters []usage.DeadLetter
	where   []usage.Span // of each letter
	gaps    []usage.Gap
	holes   []usage.Hole
	ids     map[string]string // of topics, by place
	blocks  []usage.Span
	// before is called ahead of each insert and may refuse it; after is called when it was stored and may hide that.
	before, after func(op string, span usage.Span) error
	delay         time.Duration
}

type storedRow struct {
	topic     string
	partition int32
	usage.Record
}

func newMemStore() *memStore { return &memStore{tokens: map[string]bool{}, ids: map[string]string{}} }

func (s *memStore) insert(ctx context.Context, op string, span usage.Span, store func()) error {
	if s.before != nil {
		if err := s.before(op, span); err != nil {
			return err
		}
	}
	if s.delay > 0 {
		select {
		case <-time.After(s.delay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	if token := span.Token(op); !s.tokens[token] {
		s.tokens[token] = true
		store()
	}
	s.mu.Unlock()
	if s.after != nil {
		return s.after(op, span)
	}
	return nil
}

func (s *memStore) InsertEvents(ctx context.Context, span usage.Span, b *usage.Batch) error {
	return s.insert(ctx, "events", span, func() {
		s.blocks = append(s.blocks, span)
		for i := range b.Len() {
			var r usage.Record
			b.At(i, &r)
			r.RequestID, r.Path = slices.Clone(r.RequestID), slices.Clone(r.Path)
			s.rows = append(s.rows, storedRow{span.Topic, span.Partition, r})
		}
	})
}

func (s *memStore) InsertDeadLetters(ctx context.Context, span usage.Span, letters []usage.DeadLetter) error {
	return s.insert(ctx, "dead_letters", span, func() {
		for _, l := range letters {
			s.letters, s.where = append(s.letters, l), append(s.where, span)
		}
	})
}

func (s *memStore) InsertHoles(ctx context.Context, span usage.Span, holes []usage.Hole) error {
	return s.insert(ctx, "holes", span, func() { s.holes = append(s.holes, holes...) })
}

func (s *memStore) in(r storedRow, span usage.Span) bool {
	return r.topic == span.Topic && r.partition == span.Partition && r.Offset >= span.From && r.Offset < span.To
}

func (s *memStore) Landed(_ context.Context, span usage.Span) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.rows, func(r storedRow) bool { return s.in(r, span) }), nil
}

func (s *memStore) LandedOffsets(_ context.Context, span usage.Span, _ int32, offsets []int64) ([]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(offsets), func(o int64) bool {
		return !slices.ContainsFunc(s.rows, func(r storedRow) bool {
			return r.topic == span.Topic && r.partition == span.Partition && r.Offset == o
		})
	}), nil
}

func (s *memStore) LastOffset(_ context.Context, topic string, partition int32) (int64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, found := int64(0), false
	for _, r := range s.rows {
		if r.topic == topic && r.partition == partition {
			last, found = max(last, r.Offset), true
		}
	}
	for i, l := range s.letters {
		if s.where[i].Topic == topic && s.where[i].Partition == partition {
			last, found = max(last, l.Offset), true
		}
	}
	for _, r := range s.rows {
		if r.Origin.Partition == usage.OriginPartition(topic, partition) {
			last, found = max(last, r.Origin.Offset), true
		}
	}
	return last, found, nil
}

func (s *memStore) RecentRequestIDs(_ context.Context, topic string, partition int32, since time.Time, each func(int64, string, []byte)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := int64(math.MaxInt64)
	for _, r := range s.rows {
		if r.topic == topic && r.partition == partition && r.TimeMillis >= since.UnixMilli() {
			first = min(first, r.Offset)
		}
	}
	for _, r := range s.rows {
		if r.topic == topic && r.partition == partition && r.Offset >= first && len(r.RequestID) > 0 {
			each(r.TimeMillis, r.Source, r.RequestID)
		}
	}
	return nil
}

func (s *memStore) Origins(_ context.Context, topic string, partition int32, each func(usage.Origin)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		if r.topic == topic && r.partition == partition && r.Origin.Partition != "" {
			each(r.Origin)
		}
	}
	return nil
}

func (s *memStore) LastPlaces(_ context.Context, topic string, partition int32) (direct, rekeyed int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	direct, rekeyed = -1, -1
	for _, r := range s.rows {
		if r.topic == topic && r.partition == partition {
			direct = max(direct, r.Offset)
		}
		if r.Origin.Partition == usage.OriginPartition(topic, partition) {
			rekeyed = max(rekeyed, r.Origin.Offset)
		}
	}
	return direct, rekeyed, nil
}

func (s *memStore) Rekeyed(_ context.Context, topic string, partition int32, from int64, each func(int32, string, usage.Origin)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		if r.Origin.Partition == usage.OriginPartition(topic, partition) && r.Origin.Offset >= from && r.Flags&usage.FlagDuplicate == 0 {
			each(r.partition, r.KeyID, r.Origin)
		}
	}
	return nil
}

func (s *memStore) RecordGap(_ context.Context, g usage.Gap) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, have := range s.gaps { // as the table has it
		if have.TimeMillis = g.TimeMillis; have == g {
			s.gaps[i] = g
			return nil
		}
	}
	s.gaps = append(s.gaps, g)
	return nil
}

func (s *memStore) Gaps(context.Context) ([]usage.Gap, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.gaps), nil
}

func (s *memStore) TopicID(_ context.Context, topic string, partition int32) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[usage.OriginPartition(topic, partition)], nil
}

func (s *memStore) NoteTopicID(_ context.Context, topic string, partition int32, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids[usage.OriginPartition(topic, partition)] = id
	return nil
}

// refused counts the dead letters.
func (s *memStore) refused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.letters)
}

func (s *memStore) counted() (rows, counted int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		if r.Flags&usage.FlagDuplicate == 0 {
			counted++
		}
	}
	return len(s.rows), counted
}

// lineDecoder reads "REQUESTID MILLIS KEY", refuses lines that start with "bad" and panics at "panic".
type lineDecoder struct{}

func (lineDecoder) Name() string { return "test" }

func (lineDecoder) Decode(line []byte, at Origin, b *usage.Batch) error {
	var id, key string
	var ms int64
	if string(line) == "panic" {
		panic("as asked")
	}
	if _, err := fmt.Sscan(string(line), &id, &ms, &key); err != nil || strings.HasPrefix(id, "bad") {
		return &Reject{Reason: "bad_line", Detail: "not ID MILLIS KEY"}
	}
	r := usage.Record{Offset: at.Offset, TimeMillis: ms, KeyID: key, Source: at.Source, Status: 200}
	if id != "-" {
		r.RequestID = []byte(id)
	}
	b.Append(&r)
	return nil
}

var errInjected = errors.New("injected")

// waitFor waits with more patience than anything takes on a busy machine.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain until %s", patience, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
