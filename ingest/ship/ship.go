// Package ship tails an access-log file into Kafka, for gateways that can only write files.
//
// Each line is decoded here, where it was written, and goes into Kafka as a record of format tollkeeper under its key's
// id: no key in clear ever leaves the machine. A line that cannot be decoded is shipped redacted and marked, so that it
// becomes a dead letter where all others are.
//
// A line counts once: the position is noted after every broker in the replica set has acknowledged, and before lines are
// sent that they will be. Whoever finds that note knows that an earlier run died between the two, and looks in Kafka, at what
// was written in that time, which of the lines are there. A request that was under way meanwhile, and arrives only then, is
// known again by its source and request id within the window of those. A log without request ids gets them from the file's
// first line and the line's place in it.
//
// The file may be rotated by renaming it (what is still written to the old name's file is shipped for another while) or
// by copying and truncating it (what was not read before is looked for in the copy beside it). When Kafka or this program
// was away for several rotations, the rotated files beside it that are newer than the last look are shipped, too, as long
// as they are not compressed yet. The log may be missing when shipping starts. Blocking: [Shipper.Run] until its context ends. Bounds: one batch of lines in memory. Dropped:
// nothing, but what is truncated away without a copy; tollkeeper_ship_truncated_bytes_total counts that.
package ship

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// Config is what New needs.
type Config struct {
	File       string
	StateFile  string // where the position is kept; File + ".tollkeeper" when empty
	Brokers    []string
	Topic      string
	NewDecoder func() (accesslog.Decoder, error)
	Source     string        // of records whose line names none; the host's name when empty
	ShortenIPs bool          // write /24 or /48 in the place of clients' addresses
	FromEnd    bool          // without a noted position, start behind what is in the file already
	Once       bool          // end when the file's complete lines are shipped, instead of waiting for more
	GiveUp     time.Duration // with Once, end with an error when Kafka took no lines for so long; 0: wait on
	TLS        *tls.Config
	SASL       sasl.Mechanism
	Progress   func(done, total int64) // optional: bytes of the file, now and then

	Poll       time.Duration // how often the file is looked at, 50 ms
	Drain      time.Duration // how long a renamed file is still read after it stopped growing, 10 s
	BatchLines int           // 2,000
	remind     time.Duration // how often it is said that Kafka is away, a minute

	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
}

// requestBytes bounds a request before packing, for not all lines can be packed; brokers take 1 MB by default, and refuse what is more
// however often it is sent.
const requestBytes = 900_000

// Shipper ships one file.
type Shipper struct {
	cfg      Config
	log      *slog.Logger
	dec      accesslog.Decoder
	writer   *kafka.Writer
	tr       *kafka.Transport
	in, out  usage.Batch
	msgs     []kafka.Message
	buf      []byte
	shipped  atomic.Int64
	rejected atomic.Int64
	failing  atomic.Pointer[string]
	doubted  bool // whether the format was looked at
	tail     *tail
	reading  int64 // bytes of the lines that are being sent
	away     absence
	metrics  shipMetrics
}

type shipMetrics struct{ lines, rejected, truncated, retries prometheus.Counter }

// New checks the settings; it opens nothing.
func New(cfg Config) (*Shipper, error) {
	var problems []error
	if cfg.File == "" {
		problems = append(problems, errors.New("ship needs the name of a log file"))
	}
	if len(cfg.Brokers) == 0 {
		problems = append(problems, errors.New("no broker is named; set kafka to at least one host:port"))
	}
	if cfg.Topic == "" {
		problems = append(problems, errors.New("ship needs a topic; set --topic"))
	}
	if cfg.NewDecoder == nil {
		problems = append(problems, errors.New("ship needs a format"))
	}
	if cfg.GiveUp < 0 {
		problems = append(problems, fmt.Errorf("give-up: %s is negative; use 0 to wait for as long as Kafka is away", cfg.GiveUp))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if cfg.StateFile == "" {
		cfg.StateFile = cfg.File + ".tollkeeper"
	}
	if cfg.Source == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("the host has no name; set --source: %w", err)
		}
		cfg.Source = host
	}
	if cfg.Poll == 0 {
		cfg.Poll = 50 * time.Millisecond
	}
	if cfg.Drain == 0 {
		cfg.Drain = 10 * time.Second
	}
	if cfg.BatchLines == 0 {
		cfg.BatchLines = 2000
	}
	if cfg.remind == 0 {
		cfg.remind = remindEvery
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if abs, err := filepath.Abs(cfg.File); err == nil {
		cfg.File = abs
	}
	dec, err := cfg.NewDecoder()
	if err != nil {
		return nil, err
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "tollkeeper", Subsystem: "ship", Name: name, Help: help})
	}
	s := &Shipper{cfg: cfg, log: cfg.Logger.With("file", cfg.File), dec: dec, metrics: shipMetrics{
		lines:     counter("lines_total", "Lines shipped."),
		rejected:  counter("rejected_lines_total", "Lines shipped redacted, because they could not be decoded."),
		truncated: counter("truncated_bytes_total", "Bytes that were truncated away before they were read."),
		retries:   counter("retries_total", "Writes to Kafka that failed and were repeated."),
	}}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(s.metrics.lines, s.metrics.rejected, s.metrics.truncated, s.metrics.retries)
	}
	s.tr = &kafka.Transport{ClientID: "tollkeeper-ship", TLS: cfg.TLS, SASL: cfg.SASL, DialTimeout: 5 * time.Second, IdleTimeout: 30 * time.Second, MetadataTTL: 5 * time.Second}
	s.writer = &kafka.Writer{
		Addr: kafka.TCP(cfg.Brokers...), Topic: cfg.Topic, Balancer: &kafka.Hash{}, RequiredAcks: kafka.RequireAll, Compression: kafka.Lz4,
		BatchSize: cfg.BatchLines, BatchBytes: requestBytes, BatchTimeout: time.Millisecond, MaxAttempts: 1, WriteTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, Transport: s.tr,
	}
	return s, nil
}

// Status is a snapshot.
type Status struct {
	Shipped  int64  `json:"shipped"`           // lines acknowledged
	Rejected int64  `json:"rejected"`          // of them, those that were redacted
	Failing  string `json:"failing,omitempty"` // the last error while Kafka does not take lines; empty when it does
}

// Status may be called at any time.
func (s *Shipper) Status() Status {
	st := Status{Shipped: s.shipped.Load(), Rejected: s.rejected.Load()}
	if f := s.failing.Load(); f != nil {
		st.Failing = *f
	}
	return st
}

// Run ships until ctx ends, or with Once to the file's end, and returns nil then. Kafka being away or the file missing is no
// error: Run waits. An error is a file that is no log, or a state file that cannot be read or written, and with Once a file that is not there
// and never was, or a Kafka that takes nothing for longer than GiveUp.
func (s *Shipper) Run(ctx context.Context) error {
	defer s.tr.CloseIdleConnections()
	defer func() { _ = s.writer.Close() }()
	if err := check(s.cfg.File); err != nil {
		return err
	}
	t, err := openTail(&s.cfg, s.log, s.metrics.truncated)
	if err != nil {
		return err
	}
	defer t.close()
	s.tail = t
	if _, err := os.Stat(s.cfg.File); errors.Is(err, fs.ErrNotExist) && len(t.files) == 0 {
		if s.cfg.Once {
			return fmt.Errorf("ship: there is no file %s; name the log file", s.cfg.File)
		}
		s.log.Warn("there is no such file yet; waiting for it", "file", s.cfg.File)
	}
	unsure := t.noted.Sending // an earlier run's
	for ctx.Err() == nil {
		s.reading = 0
		n, err := t.read(s.cfg.BatchLines, s.add)
		if err != nil {
			s.log.Warn("cannot read the log; trying again", "error", err)
		}
		if n == 0 {
			s.msgs = s.msgs[:0]
			if err == nil && s.finished(t) {
				return nil
			}
			sleep(ctx, s.cfg.Poll)
			continue
		}
		if unsure != nil {
			if ok, err := s.unwritten(ctx, *unsure); !ok {
				return err
			}
			rest := *unsure
			if rest.Lines -= n; rest.Lines > 0 {
				unsure = &rest
			} else {
				unsure = nil
			}
		}
		sending := func() error { return t.noteSending(n) }
		if err := sending(); err != nil {
			return s.cannotNote(err)
		}
		if ok, err := s.flush(ctx, sending); !ok {
			return err // what was read is not noted, so it is looked for and shipped again
		}
		s.shipped.Add(int64(n))
		s.metrics.lines.Add(float64(n))
		s.doubtFormat()
		t.noted.Sending = unsure
		if err := t.note(); err != nil {
			return s.cannotNote(err)
		}
		s.tell(t)
	}
	return nil
}

func (s *Shipper) cannotNote(err error) error {
	return fmt.Errorf("note the position in %s: %w; set --state-file to a file that can be written", s.cfg.StateFile, err)
}

// add turns a line into messages. Values share one buffer, which is kept until they are written.
func (s *Shipper) add(line []byte, fileID string, offset int64) {
	if len(s.msgs) == 0 {
		s.buf = s.buf[:0]
	}
	s.reading += int64(len(line)) + 1
	s.in.Reset()
	s.out.Reset()
	err := s.dec.Decode(line, accesslog.Origin{Offset: offset, ReceivedMillis: s.cfg.Now().UnixMilli(), Source: s.cfg.Source}, &s.in)
	if err != nil {
		s.reject(line, fileID, offset, err)
		return
	}
	if s.cfg.ShortenIPs {
		s.in.ShortenIPs(0)
	}
	var r usage.Record
	for i := range s.in.Len() {
		s.in.At(i, &r)
		if len(r.RequestID) == 0 {
			r.RequestID = derivedID(fileID, offset, i)
		}
		s.out.Append(&r)
		value := accesslog.AppendRecord(nil, &s.out, i)
		var key []byte
		if r.KeyID != "" {
			key = []byte(r.KeyID)
		}
		s.msgs = append(s.msgs, kafka.Message{Key: key, Value: value})
	}
}

// maxRejectedBytes bounds what is shipped of a line that could not be decoded.
const maxRejectedBytes = 4096

// reject ships a line so that it is refused at the other end too, whatever is in it. Its place makes it another than one like it.
func (s *Shipper) reject(line []byte, fileID string, offset int64, err error) {
	s.rejected.Add(1)
	s.metrics.rejected.Inc()
	reason := "decoder_error"
	var r *accesslog.Reject
	if errors.As(err, &r) {
		reason = r.Reason + ", " + r.Detail
	}
	shown := accesslog.Redact(line, maxRejectedBytes)
	if s.cfg.ShortenIPs {
		shown = accesslog.ShortenAddresses(shown)
	}
	value := fmt.Appendf(nil, "not decoded by ship (%s; byte %d of file %s): %s", reason, offset, fileID, shown)
	s.msgs = append(s.msgs, kafka.Message{Value: value})
}

// derivedID stands in for a request id. It is the same whenever this line of this file is shipped.
func derivedID(fileID string, offset int64, sub int) []byte {
	b := append([]byte(usage.DerivedRequestID), fileID...)
	b = append(b, '/')
	b = strconv.AppendInt(b, offset, 10)
	if sub > 0 {
		b = append(b, '/')
		b = strconv.AppendInt(b, int64(sub), 10)
	}
	return b
}

// flush writes until everything is acknowledged by all replicas in sync; false when ctx ended before, or with an error when Kafka
// has been away for too long. Only what was refused is written again, after retrying was called.
func (s *Shipper) flush(ctx context.Context, retrying func() error) (bool, error) {
	wait := 100 * time.Millisecond
	pending := s.msgs
	for len(pending) > 0 {
		err := s.writer.WriteMessages(ctx, pending...)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return false, nil
		}
		var each kafka.WriteErrors
		if errors.As(err, &each) && len(each) == len(pending) {
			failed := make([]kafka.Message, 0, each.Count())
			for i, e := range each {
				if e != nil {
					failed = append(failed, kafka.Message{Key: pending[i].Key, Value: pending[i].Value})
				}
			}
			if len(failed) < len(pending) {
				s.away = absence{}
			}
			pending = failed
		}
		if err := s.fails(err); err != nil {
			return false, err
		}
		sleep(ctx, wait/2+rand.N(wait/2))
		wait = min(2*wait, 5*time.Second)
		if err := retrying(); err != nil {
			s.log.Warn("cannot note that lines are being sent still", "error", err)
		}
	}
	s.takes()
	s.msgs = s.msgs[:0]
	return true, nil
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
