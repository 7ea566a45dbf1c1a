package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// ImportConfig is what Import needs.
type ImportConfig struct {
	Store      Store
	NewDecoder func() (Decoder, error) // one per file
	Source     string                  // of records whose line names none; the file's base name when empty
	Enrich     func(b *usage.Batch, from int)
	ShortenIPs bool // as in Config
	Observers  []Observer

	DedupWindow time.Duration // as in Config
	BlockLines  int           // of a block, 50,000
	BlockBytes  int           // of a block's lines, 32 MiB: a few times that in memory
	Registerer  prometheus.Registerer
	Now         func() time.Time

	// Dry decodes the files and counts; nothing is stored, and the Store is not asked, so what is known already counts too.
	Dry bool
	// Progress is called now and then with the bytes read of the files' total, as they are on disk.
	Progress func(done, total int64)
}

// ImportSummary counts what a call of Import found in its files.
type ImportSummary struct {
	Lines       int64            `json:"lines"`
	Events      int64            `json:"events"`
	DeadLetters int64            `json:"dead_letters"`
	ByStatus    map[string]int64 `json:"by_status"` // events by HTTP status
	ByReason    map[string]int64 `json:"by_reason"` // dead letters by the reason of their refusal
	Duplicates  int64            `json:"duplicates"`
	Unprotected int64            `json:"unprotected"` // events without a request id: a gateway's own retry of one would count
	// Known counts lines that an earlier import of the same file had stored already; they are in the figures above too.
	Known int64 `json:"known_lines"`
}

// importTopic starts the topic under which a file's records are stored; the rest is the hash of its content.
const importTopic = "import:"

// In the store, a file's events are partition 0 of its topic and its dead letters partition 1, both with the line's number
// from 0 as offset.
const (
	importEvents = iota
	importLetters
)

// Import pushes whole log files straight through decoding, enrichment, deduplication, observers and the store, without
// Kafka. A file's identity is the hash of its content, packed with gzip or zstd or not, wherever it lies: importing it again,
// also after an import that was broken off, adds only what is missing. A file that has grown is another file.
//
// Blocks are cut by lines and their bytes alone, so that the same file always gives the same blocks, and where what is stored
// ends, should it have been cut otherwise. An error of the store ends the import.
func Import(ctx context.Context, cfg ImportConfig, files ...string) (ImportSummary, error) {
	sum := ImportSummary{ByStatus: map[string]int64{}, ByReason: map[string]int64{}}
	def(&cfg.DedupWindow, 15*time.Minute)
	def(&cfg.BlockLines, 50_000)
	def(&cfg.BlockBytes, 32<<20)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Progress == nil {
		cfg.Progress = func(int64, int64) {}
	}
	im := &importer{cfg: cfg, sum: &sum, metrics: newMetrics(cfg.Registerer)}
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			return sum, fmt.Errorf("import: %w", err)
		}
		if !info.Mode().IsRegular() {
			return sum, fmt.Errorf("import: %s is not a file; name log files, plain or packed with gzip or zstd", name)
		}
		im.total += 2 * info.Size() // each is read twice: for its identity, and for its lines
	}
	for _, name := range files {
		if err := im.file(ctx, name); err != nil {
			return sum, fmt.Errorf("import %s: %w", name, err)
		}
	}
	cfg.Progress(im.total, im.total)
	return sum, nil
}

type importer struct {
	cfg     ImportConfig
	sum     *ImportSummary
	metrics *metrics
	done    atomic.Int64
	total   int64
}

func (im *importer) file(ctx context.Context, name string) error {
	id, err := im.identity(ctx, name)
	if err != nil {
		return err
	}
	topic := importTopic + id
	events, err := im.lastStored(ctx, topic, importEvents)
	if err != nil {
		return err
	}
	letters, err := im.lastStored(ctx, topic, importLetters)
	if err != nil {
		return err
	}
	dec, err := im.cfg.NewDecoder()
	if err != nil {
		return err
	}
	source := im.cfg.Source
	if source == "" {
		source = filepath.Base(name)
	}
	for i, o := range im.cfg.Observers {
		if err := o.Assigned(ctx, topic, 0); err != nil {
			for _, o := range im.cfg.Observers[:i] {
				o.Revoked(topic, 0)
			}
			return err
		}
		defer o.Revoked(topic, 0)
	}
	pipe := pipeline{dec: dec, source: source, enrich: im.cfg.Enrich, shorten: im.cfg.ShortenIPs, metrics: im.metrics, window: newWindow(im.cfg.DedupWindow, importDedupBytes), now: im.cfg.Now}
	r, err := OpenLog(name, &im.done)
	if err != nil {
		return err
	}
	defer r.Close()
	lines := newLineReader(r)
	b := new(block)
	b.reset(0)
	count, bytes := 0, 0 // since the last cut that the file alone gives
	for n := int64(0); ; n++ {
		line, err := lines.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
		last := err != nil
		full := count >= im.cfg.BlockLines || bytes >= im.cfg.BlockBytes
		if full {
			count, bytes = 0, 0
		}
		if last || full || n == events+1 || n == letters+1 {
			b.to = n
			if err := im.store(ctx, topic, &pipe, b, events, letters); err != nil {
				return err
			}
			b.recycle(n, importKeptBytes)
			if last {
				return nil
			}
		}
		count, bytes = count+1, bytes+len(line)
		pipe.add(b, line, n, im.cfg.Now().UnixMilli())
		im.sum.Lines++
		if b.lines%4096 == 0 {
			im.cfg.Progress(im.done.Load(), im.total)
		}
	}
}

// ErrOtherFormat is a file whose lines are not of the format that was said.
var ErrOtherFormat = errors.New("another format")

// foreignLines refused ones at a file's start, and no other, are another format, not broken lines.
const foreignLines = 100

const (
	importDedupBytes = 128 << 20
	importKeptBytes  = 64 << 20 // of a block's memory, for the next
)

func (im *importer) lastStored(ctx context.Context, topic string, partition int32) (int64, error) {
	if im.cfg.Dry {
		return -1, nil
	}
	last, found, err := im.cfg.Store.LastOffset(ctx, topic, partition)
	if err != nil {
		return 0, fmt.Errorf("ask what is stored of it: %w", err)
	}
	if !found {
		return -1, nil
	}
	return last, nil
}

// store inserts what of a block is not stored yet. Blocks are stored in order and whole, so the last stored offset tells.
func (im *importer) store(ctx context.Context, topic string, pipe *pipeline, b *block, events, letters int64) error {
	from := pipe.finish(b, im.cfg.Now().UnixMilli())
	im.count(b)
	if b.from == 0 && b.batch.Len() == 0 && len(b.letters) >= foreignLines {
		l := b.letters[0]
		return fmt.Errorf("%w: not one of its first %d lines is of the format %s (line %d: %s, %s); nothing of it was stored; is --format right? 'tollkeeper formats' lists them",
			ErrOtherFormat, len(b.letters), l.Format, l.Offset+1, l.Reason, l.Detail)
	}
	if im.cfg.Dry {
		return ctx.Err()
	}
	newEvents := b.batch.Len() > 0 && b.batch.Offset[0] > events
	newLetters := len(b.letters) > 0 && b.letters[0].Offset > letters
	if !newEvents && !newLetters {
		im.sum.Known += int64(b.lines)
		return nil
	}
	span := usage.Span{Topic: topic, From: b.from, To: b.to, Day: dayOf(im.cfg.Now()), Epoch: "1"}
	if newEvents {
		for _, o := range im.cfg.Observers {
			if e, ok := o.(RangeObserver); ok {
				e.ObserveRange(topic, 0, &b.batch, from, b.batch.Len())
			} else {
				o.Observe(topic, 0, &b.batch)
			}
		}
		span.Partition = importEvents
		if err := im.cfg.Store.InsertEvents(ctx, span, &b.batch); err != nil {
			return err
		}
	}
	if newLetters {
		span.Partition = importLetters
		if err := im.cfg.Store.InsertDeadLetters(ctx, span, b.letters); err != nil {
			return err
		}
	}
	im.metrics.blocks.Inc()
	return ctx.Err()
}

func (im *importer) count(b *block) {
	im.sum.Events += int64(b.batch.Len())
	im.sum.DeadLetters += int64(len(b.letters))
	for i := range b.letters {
		im.sum.ByReason[b.letters[i].Reason]++
	}
	var byStatus [1000]int64
	for i, s := range b.batch.Status {
		byStatus[min(int(s), 999)]++
		switch {
		case b.batch.Flags[i]&usage.FlagDuplicate != 0:
			im.sum.Duplicates++
		case b.batch.Flags[i]&usage.FlagNoRequestID != 0:
			im.sum.Unprotected++
		}
	}
	for s, n := range byStatus {
		if n > 0 {
			im.sum.ByStatus[strconv.Itoa(s)] += n
		}
	}
}

// identity hashes the unpacked content.
func (im *importer) identity(ctx context.Context, name string) (string, error) {
	r, err := OpenLog(name, &im.done)
	if err != nil {
		return "", err
	}
	defer r.Close()
	h := sha256.New()
	buf := make([]byte, 256<<10)
	for {
		n, err := r.Read(buf)
		h.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(h.Sum(nil)[:16]), nil
		}
		if err != nil {
			return "", err
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		im.cfg.Progress(im.done.Load(), im.total)
	}
}
