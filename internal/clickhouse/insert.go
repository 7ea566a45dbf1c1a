package clickhouse

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// InsertTimeout bounds an insert whose context has no deadline.
const InsertTimeout = 30 * time.Second

// compressFrame is how much of a block goes into one compressed frame on the way to a server.
const compressFrame = 1 << 20

// InsertEvents inserts the batch as one block and one part. Repeating it for the same span changes nothing. An empty
// batch inserts nothing. It returns when ClickHouse has acknowledged; after an error it is not known
// whether the rows are in: repeat it, or ask [DB.Landed].
func (db *DB) InsertEvents(ctx context.Context, span usage.Span, b *usage.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	if b.Len() > MaxBlockRows {
		return fmt.Errorf("a block of %d rows is too large to be one part; the most is %d", b.Len(), MaxBlockRows)
	}
	return db.insertOnce(ctx, "events", span, func(token string) error { return db.insertEvents(ctx, span, token, b) })
}

func (db *DB) insertEvents(ctx context.Context, span usage.Span, token string, b *usage.Batch) error {
	if db.options.Protocol == ch.Native {
		return db.send(ctx, "events", span, b.Len(), 0, func(ctx context.Context) error { return db.sendEventsNative(ctx, span, token, b) })
	}
	e := db.encoder()
	return db.insertBlock(ctx, insertion{"events", columnsOf(b), span, token, b.Len()}, e, e.events(span, b))
}

// insertion is a block to insert.
type insertion struct {
	table   string
	columns []string
	span    usage.Span
	token   string
	rows    int
}

// encoder returns a warm encoder, which goes back into db.encoders.
func (db *DB) encoder() *encoder {
	if e, ok := db.encoders.Get().(*encoder); ok {
		return e
	}
	return &encoder{}
}

// insertBlock sends a block that e encoded over HTTP. The encoder is used again only after a success: after an error
// the transport may still be reading the bytes.
func (db *DB) insertBlock(ctx context.Context, i insertion, e *encoder, block []byte) error {
	err := db.send(ctx, i.table, i.span, i.rows, len(block), func(ctx context.Context) error {
		settings := insertSettings(i.token, db.cfg)
		if !db.local {
			packed, err := e.frames(block)
			if err != nil {
				return err
			}
			block, ctx = packed, framed(ctx)
		}
		ctx = ch.Context(ctx, ch.WithSettings(settings))
		return db.conn.InsertFormat(ctx, "Native", insertStatement(i.table, i.columns), bytes.NewReader(block))
	})
	if err == nil {
		db.encoders.Put(e)
	}
	return err
}

// send runs an insert within its time and counts it.
func (db *DB) send(ctx context.Context, table string, span usage.Span, rows, size int, insert func(context.Context) error) error {
	ctx, cancel := withTimeout(ctx, InsertTimeout)
	defer cancel()
	started := time.Now()
	if err := insert(ctx); err != nil {
		db.metrics.inserts.WithLabelValues(table, "error").Inc()
		return wrap(fmt.Sprintf("insert %d rows of %s/%d [%d,%d) into %s", rows, span.Topic, span.Partition, span.From, span.To, table), err)
	}
	db.metrics.inserts.WithLabelValues(table, "ok").Inc()
	db.metrics.insertRows.WithLabelValues(table).Add(float64(rows))
	db.metrics.insertBytes.WithLabelValues(table).Add(float64(size))
	db.metrics.insertSeconds.WithLabelValues(table).Observe(time.Since(started).Seconds())
	return nil
}

func insertStatement(table string, columns []string) string {
	return "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ")"
}

// insertSettings keep a block whole and make its token count.
func insertSettings(token string, cfg Config) ch.Settings {
	settings := ch.Settings{
		"insert_deduplicate":                                 1,
		"insert_deduplication_token":                         token,
		"async_insert":                                       0,
		"max_insert_block_size":                              2 * MaxBlockRows,
		"min_insert_block_size_rows":                         0,
		"min_insert_block_size_bytes":                        0,
		"max_insert_threads":                                 1,
		"deduplicate_blocks_in_dependent_materialized_views": 1,
		"optimize_on_insert":                                 0,
	}
	if cfg.Cluster != "" {
		settings["distributed_foreground_insert"] = 1
		settings["insert_quorum"] = "auto"
	}
	return settings
}

// frames packs a block as ClickHouse's own compressed frames, LZ4. The result is valid until the next call.
func (e *encoder) frames(block []byte) ([]byte, error) {
	if e.compressor == nil {
		e.compressor = compress.NewWriter(compress.LevelZero, compress.LZ4)
	}
	e.framed = e.framed[:0]
	for len(block) > 0 {
		n := min(len(block), compressFrame)
		if err := e.compressor.Compress(block[:n]); err != nil {
			return nil, fmt.Errorf("compress a block: %w", err)
		}
		e.framed = append(e.framed, e.compressor.Data...)
		block = block[n:]
	}
	return e.framed, nil
}
