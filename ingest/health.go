package ingest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Health is a snapshot for readiness checks and people.
type Health struct {
	Ready      bool
	Reason     string // one line: what is waited for, and where; empty when ready
	Joined     bool   // this process is a member of the consumer group
	Partitions []PartitionHealth
}

// PartitionHealth describes one owned partition.
type PartitionHealth struct {
	Topic     string
	Partition int32
	Stored    int64         // everything below this offset is stored
	End       int64         // next offset to be written to the log, as last seen
	Lag       int64         // End - Stored
	LagAge    time.Duration // how long the oldest waiting offset has been known
	Held      int64         // of Lag, what lies behind the first record of an open transaction, which nobody may read yet
	HeldFor   time.Duration // how long the same transaction has been known to be open
	Idle      time.Duration // since Stored last moved
	Waiting   string        // what the partition waits for: "", or the last error in words
	Stopped   bool          // it stands still until an operator decides; Waiting says why
}

type healthBoard struct {
	cfg        *Config
	mu         sync.Mutex
	member     bool
	everJoined bool
	away       string
	awaySince  time.Time
	topics     string // which of them cannot be read, and why
	parts      map[string]*partitionStatus
}

func newHealthBoard(cfg *Config) *healthBoard {
	return &healthBoard{cfg: cfg, parts: map[string]*partitionStatus{}, away: "the consumer group has not been joined yet"}
}

func (h *healthBoard) kafkaAway(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.member || h.awaySince.IsZero() {
		h.awaySince = h.cfg.Now()
	}
	h.member, h.away = false, "Kafka: "+err.Error()
}

func (h *healthBoard) joined() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.member, h.away, h.everJoined, h.awaySince = true, "", true, time.Time{}
}

func (h *healthBoard) left() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.member, h.away = false, "ingest has ended"
}

func (h *healthBoard) topicsRefused(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.topics = why
}

// partitionStatus is written by a worker and read by Health.
type partitionStatus struct {
	mu       sync.Mutex
	topic    string
	part     int32
	stored   int64
	end      int64
	stable   int64     // behind it lies an open transaction, or nothing
	heldFrom time.Time // when that was first seen, zero when there is none
	asked    time.Time // when end was last seen
	progress time.Time
	fetching string // what fetching waits for
	storing  string // what storing waits for
	stopped  bool
	seen     []endSeen // when which end of the log was first seen, oldest first
}

type endSeen struct {
	end int64
	at  time.Time
}

func (h *healthBoard) add(topic string, part int32) *partitionStatus {
	s := &partitionStatus{topic: topic, part: part, progress: h.cfg.Now(), storing: "asking what earlier owners left"}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parts[topic+"/"+strconv.Itoa(int(part))] = s
	return s
}

func (h *healthBoard) remove(s *partitionStatus) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if key := s.topic + "/" + strconv.Itoa(int(s.part)); h.parts[key] == s {
		delete(h.parts, key)
	}
}

// unseenSince are the partitions whose log's end was not looked at since then.
func (h *healthBoard) unseenSince(t time.Time) []*partitionStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []*partitionStatus
	for _, s := range h.parts {
		s.mu.Lock()
		if s.asked.Before(t) {
			out = append(out, s)
		}
		s.mu.Unlock()
	}
	return out
}

func (s *partitionStatus) waitFetch(what string) {
	s.mu.Lock()
	s.fetching = what
	s.mu.Unlock()
}

func (s *partitionStatus) waitStore(what string) {
	s.mu.Lock()
	s.storing = what
	s.mu.Unlock()
}

func (s *partitionStatus) stop(why string) {
	s.mu.Lock()
	s.storing, s.stopped = why, true
	s.mu.Unlock()
}

func (s *partitionStatus) advance(stored int64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stored != s.stored {
		s.progress = now
	}
	s.stored = stored
	s.end = max(s.end, stored)
	i := 0
	for i < len(s.seen) && s.seen[i].end <= stored {
		i++
	}
	s.seen = slices.Delete(s.seen, 0, i)
}

// sawEnd notes the end of the log, and up to where it can be read, which ends at the first record of an open transaction; -1
// where that was not asked for. Lag's age is read off these notes. When there are too many the newest is stretched, so that the
// age of the oldest lag stays right.
func (s *partitionStatus) sawEnd(end, stable int64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end, s.asked = max(end, s.stored), now
	if stable >= 0 {
		switch {
		case stable >= end:
			s.heldFrom = time.Time{}
		case stable != s.stable || s.heldFrom.IsZero():
			s.heldFrom = now
		}
		s.stable = stable
	}
	if end <= s.stored || stable >= 0 && stable <= s.stored {
		s.progress = now // there is nothing that may be read
	}
	if end <= s.stored {
		return
	}
	if n := len(s.seen); n > 0 && (end <= s.seen[n-1].end || now.Sub(s.seen[n-1].at) < 100*time.Millisecond || n >= 256) {
		s.seen[n-1].end = max(end, s.seen[n-1].end)
		return
	}
	s.seen = append(s.seen, endSeen{end: end, at: now})
}

func (s *partitionStatus) snapshot(now time.Time) PartitionHealth {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := PartitionHealth{
		Topic: s.topic, Partition: s.part, Stored: s.stored, End: s.end, Lag: s.end - s.stored,
		Idle: now.Sub(s.progress), Waiting: cmp.Or(s.storing, s.fetching), Stopped: s.stopped,
	}
	if len(s.seen) > 0 {
		p.LagAge = now.Sub(s.seen[0].at)
	}
	if !s.heldFrom.IsZero() {
		p.Held, p.HeldFor = max(s.end-max(s.stable, s.stored), 0), now.Sub(s.heldFrom)
	}
	return p
}

// Health says how the process is doing. It is red when the group could not be joined, when a topic cannot be read, when a
// partition is stopped or held back by a transaction that was never ended, and when one has made no progress for Config.StallAfter although it has lag.
func (in *Ingester) Health() Health {
	h := in.health
	h.mu.Lock()
	defer h.mu.Unlock()
	now := in.cfg.Now()
	out := Health{Joined: h.member, Ready: true}
	for _, s := range h.parts {
		out.Partitions = append(out.Partitions, s.snapshot(now))
	}
	slices.SortFunc(out.Partitions, func(a, b PartitionHealth) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	switch {
	case !h.member && !h.everJoined:
		out.Ready, out.Reason = false, h.away
	case !h.member && now.Sub(h.awaySince) > in.cfg.StallAfter:
		out.Ready, out.Reason = false, h.away
	case h.topics != "":
		out.Ready, out.Reason = false, h.topics
	}
	for _, p := range out.Partitions {
		switch {
		case !out.Ready:
		case p.Stopped || in.cfg.stalled(p):
			out.Ready, out.Reason = false, p.reason()
		case p.HeldFor > transactionPatience:
			out.Ready, out.Reason = false, p.held()
		}
	}
	return out
}

// stalled says whether a partition has made no progress for too long although there is something to do.
func (c *Config) stalled(p PartitionHealth) bool {
	return p.Idle > c.StallAfter && (p.Lag > 0 || p.Waiting != "")
}

// transactionPatience is how long a transaction may be open before health is red: brokers end one after their
// transaction.max.timeout.ms, 15 minutes by default. What is open for longer will not end by itself.
const transactionPatience = 16 * time.Minute

// held says what an open transaction does, and what ends it.
func (p PartitionHealth) held() string {
	return fmt.Sprintf("%s/%d: a producer's transaction that was never ended holds back %d offsets for %s now; find it with kafka-transactions.sh find-hanging, and abort it",
		p.Topic, p.Partition, p.Held, p.HeldFor.Round(time.Second))
}

func (p PartitionHealth) reason() string {
	reason := fmt.Sprintf("%s/%d: no progress for %s with %d records waiting", p.Topic, p.Partition, p.Idle.Round(time.Second), p.Lag)
	if p.Waiting != "" {
		reason += ": " + p.Waiting
	}
	return reason
}
