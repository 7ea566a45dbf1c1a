package ship

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/zeebo/xxh3"
)

// sending is noted before lines are written and is gone when the position behind them is noted. Whoever finds it was preceded
// by one that died in between: how many of the lines Kafka has, it does not know.
type sending struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"` // the last try began then
	Lines int       `json:"lines"`
}

const (
	// recallSlack is by how much clocks may differ, and how long a request may be under way.
	recallSlack     = time.Minute
	recallBytes     = 4 << 20 // of an answer
	recallWait      = 200 * time.Millisecond
	recallEmptyMost = 3 // answers without a record: the rest are transaction markers
)

// unwritten keeps those of the messages that Kafka does not have yet, looking at what was written while they were being
// sent. It waits for Kafka; false when ctx ended before, or with an error when Kafka has been away for too long.
//
// The window of request ids would know the others again, but only for as long as it is wide: this one may have been away
// for a day.
func (s *Shipper) unwritten(ctx context.Context, u sending) (bool, error) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		wanted := make(map[xxh3.Uint128]int, len(s.msgs))
		for i := range s.msgs {
			wanted[xxh3.Hash128(s.msgs[i].Value)] = 0
		}
		err := s.count(ctx, wanted, u)
		if err == nil {
			had, left := len(s.msgs), s.msgs[:0]
			for _, m := range s.msgs {
				h := xxh3.Hash128(m.Value)
				if wanted[h] > 0 {
					wanted[h]--
					continue
				}
				left = append(left, m)
			}
			s.log.Info("an earlier run ended while it was sending", "lines", had, "in_kafka", had-len(left))
			s.msgs = left
			return true, nil
		}
		if ctx.Err() != nil {
			return false, nil
		}
		if err := s.fails(fmt.Errorf("look for the lines of an earlier run: %w", err)); err != nil {
			return false, err
		}
		sleep(ctx, wait)
	}
}

// count counts the wanted values that were written in that time.
func (s *Shipper) count(ctx context.Context, wanted map[xxh3.Uint128]int, u sending) error {
	d := &kafka.Dialer{ClientID: s.tr.ClientID, TLS: s.cfg.TLS, SASLMechanism: s.cfg.SASL, Timeout: s.tr.DialTimeout}
	var errs error
	for _, broker := range s.cfg.Brokers {
		partitions, err := d.LookupPartitions(ctx, "tcp", broker, s.cfg.Topic)
		if err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		for _, p := range partitions {
			if err := s.countIn(ctx, d, p, wanted, u); err != nil {
				return fmt.Errorf("read topic %s, partition %d: %w", s.cfg.Topic, p.ID, err)
			}
		}
		return nil
	}
	return errs
}

func (s *Shipper) countIn(ctx context.Context, d *kafka.Dialer, p kafka.Partition, wanted map[xxh3.Uint128]int, u sending) error {
	conn, err := d.DialPartition(ctx, "tcp", "", p)
	if err != nil {
		return err
	}
	hangUp := func() { _ = conn.Close() }
	defer hangUp()
	defer context.AfterFunc(ctx, hangUp)()
	patience := func() { _ = conn.SetDeadline(time.Now().Add(s.writer.ReadTimeout)) }
	patience()
	from, err := conn.ReadOffset(u.Since.Add(-recallSlack))
	if err != nil || from < 0 { // nothing was written since
		return err
	}
	end, err := conn.ReadOffset(u.Until.Add(recallSlack))
	if err == nil && end < 0 {
		end, err = conn.ReadLastOffset()
	}
	if err != nil {
		return err
	}
	for empty := 0; from < end && empty < recallEmptyMost; {
		patience()
		if _, err := conn.Seek(from, kafka.SeekAbsolute); err != nil {
			return err
		}
		batch := conn.ReadBatchWith(kafka.ReadBatchConfig{MinBytes: 1, MaxBytes: recallBytes, MaxWait: recallWait})
		empty++
		for {
			m, err := batch.ReadMessage()
			if err != nil {
				break // the answer's end; an error shows when it is closed
			}
			empty = 0
			from = m.Offset + 1
			h := xxh3.Hash128(m.Value)
			if n, ok := wanted[h]; ok && m.Offset < end {
				wanted[h] = n + 1
			}
		}
		if err := batch.Close(); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, kafka.RequestTimedOut) {
			return err
		}
	}
	return nil
}
