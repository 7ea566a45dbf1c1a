package clickhouse

import (
	"bytes"
	"context"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// PreparedBlock is an encoded block of events. Inserting prepared blocks measures what ClickHouse alone can take: the
// ceiling that benchmarks of the whole way are held against.
type PreparedBlock struct {
	span    usage.Span
	columns []string
	rows    int
	block   []byte
}

// Prepare encodes the batch for the span; the batch may be reused afterwards.
func Prepare(span usage.Span, b *usage.Batch) PreparedBlock {
	var e encoder
	return PreparedBlock{span: span, columns: columnsOf(b), rows: b.Len(), block: bytes.Clone(e.events(span, b))}
}

// Rows and Bytes are the block's size; its bytes are those before any compression.
func (p PreparedBlock) Rows() int  { return p.rows }
func (p PreparedBlock) Bytes() int { return len(p.block) }

// InsertPrepared inserts the block as [DB.InsertEvents] would. It needs the embedded engine or an http:// DSN.
func (db *DB) InsertPrepared(ctx context.Context, p PreparedBlock) error {
	if db.options.Protocol == ch.Native {
		return ch.ErrFormatNativeUnsupported
	}
	return db.insertBlock(ctx, insertion{"events", p.columns, p.span, p.span.Token("events"), p.rows}, &encoder{}, p.block)
}
