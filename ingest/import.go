package ingest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
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
	BlockLines  int           // 50,000; changing it between two imports of one file is not noticed and doubles records
	Registerer  prometheus.Registerer
	Now         func() time.Time

	// Progress is called now and then with the bytes read of the files' total, as they are on disk.
	Progress func(done, total int64)
}

// ImportSummary counts what a call of Import found in its files.
type ImportSummary struct {
	Lines       int64            `json:"lines"`
	Events      int64            `json:"events"`
	DeadLetters int64            `json:"dead_letters"`
	ByStatus    map[string]int64 `json:"by_status"` // events by HTTP status
	Duplicates  int64            `json:"duplicates"`
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
// Kafka. A file's identity is the hash of its content, packed with gzip or not, wherever it lies: importing it again,
// also after an import that was broken off, adds only what is missing. A file that has grown is another file.
//
// Blocks are cut by lines alone, so that the same file always gives the same blocks. An error of the store ends the import.
func Import(ctx context.Context, cfg ImportConfig, files ...string) (ImportSummary, error) {
	sum := ImportSummary{ByStatus: map[string]int64{}}
	def(&cfg.DedupWindow, 15*time.Minute)
	def(&cfg.BlockLines, 50_000)
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
			return sum, fmt.Errorf("import: %s is not a file; name log files, plain or .gz", name)
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
	cfg         ImportConfig
	sum         *ImportSummary
	metrics     *metrics
	done, total int64
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
	f, r, err := im.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := newLineReader(r)
	b := new(block)
	b.reset(0)
	for n := int64(0); ; n++ {
		line, err := lines.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
		if last := err != nil; last || b.lines >= im.cfg.BlockLines {
			b.to = n
			if err := im.store(ctx, topic, &pipe, b, events, letters); err != nil {
				return err
			}
			b.reset(n)
			if last {
				return nil
			}
		}
		pipe.add(b, line, n, im.cfg.Now().UnixMilli())
		im.sum.Lines++
		if b.lines%4096 == 0 {
			im.cfg.Progress(im.done, im.total)
		}
	}
}

const importDedupBytes = 128 << 20

func (im *importer) lastStored(ctx context.Context, topic string, partition int32) (int64, error) {
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
	var byStatus [1000]int64
	for i, s := range b.batch.Status {
		byStatus[min(int(s), 999)]++
		if b.batch.Flags[i]&usage.FlagDuplicate != 0 {
			im.sum.Duplicates++
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
	f, r, err := im.open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
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
		im.cfg.Progress(im.done, im.total)
	}
}

// open unpacks gzip by its content, not by the file's name.
func (im *importer) open(name string) (io.Closer, io.Reader, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	br := bufio.NewReaderSize(&countingReader{f, &im.done}, 256<<10)
	if magic, err := br.Peek(2); err != nil || magic[0] != 0x1f || magic[1] != 0x8b {
		return f, br, nil
	}
	z, err := gzip.NewReader(br)
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("unpack: %w", err)
	}
	return f, z, nil
}

type countingReader struct {
	r io.Reader
	n *int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	*c.n += int64(n)
	return n, err
}

// lineReader splits at newlines. A line that is longer than is decoded comes back cut one byte beyond the bound, so that
// it is refused for its length without being held.
type lineReader struct {
	r    *bufio.Reader
	long []byte
}

func newLineReader(r io.Reader) *lineReader { return &lineReader{r: bufio.NewReaderSize(r, 256<<10)} }

func (l *lineReader) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		l.long = l.long[:0]
		for errors.Is(err, bufio.ErrBufferFull) {
			l.long = append(l.long, line[:min(len(line), usage.MaxLineBytes+1-len(l.long))]...)
			line, err = l.r.ReadSlice('\n')
		}
		line = append(l.long, bytes.TrimRight(line, "\r\n")[:]...)
		line = line[:min(len(line), usage.MaxLineBytes+1)]
	}
	if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0) {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}
