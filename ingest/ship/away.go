package ship

import (
	"fmt"
	"strings"
	"time"
)

// remindEvery is how often the log says that Kafka is still away.
const remindEvery = time.Minute

// absence is how long Kafka has taken no lines.
type absence struct {
	since, told time.Time // zero while it takes them
}

// fails counts a try that Kafka did not take, and says so now and then until it takes lines again. The error ends shipping: there is
// nobody to wait for so long.
func (s *Shipper) fails(err error) error {
	why := err.Error()
	s.failing.Store(&why)
	s.metrics.retries.Inc()
	now := s.cfg.Now()
	if s.away.since.IsZero() {
		s.away.since = now
	}
	lasted := now.Sub(s.away.since)
	if s.cfg.Once && s.cfg.GiveUp > 0 && lasted >= s.cfg.GiveUp {
		return fmt.Errorf("ship: Kafka at %s has taken no lines for %s: %w; %d lines were shipped, the other %d bytes follow with the next start",
			strings.Join(s.cfg.Brokers, ","), lasted.Round(time.Second), err, s.shipped.Load(), s.waiting())
	}
	if s.away.told.IsZero() || now.Sub(s.away.told) >= s.cfg.remind {
		s.away.told = now
		s.log.Warn("Kafka does not take the log's lines; they wait in the file", "for", lasted.Round(time.Second), "waiting_bytes", s.waiting(), "error", err)
	}
	return nil
}

// takes notes that Kafka took lines.
func (s *Shipper) takes() {
	s.away = absence{}
	if s.failing.Swap(nil) != nil {
		s.log.Info("Kafka takes lines again")
	}
}

// waiting returns how many bytes of the open files were not taken yet. What the log is rotated to meanwhile is looked for later.
func (s *Shipper) waiting() int64 {
	n := s.reading
	for _, f := range s.tail.files {
		if info, err := f.f.Stat(); err == nil {
			n += max(0, info.Size()-f.Offset)
		}
	}
	return n
}
