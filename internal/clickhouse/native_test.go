package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	chproto "github.com/ClickHouse/ch-go/proto"
	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// nativeFront speaks ClickHouse's native protocol, uncompressed, in front of the embedded engine, for the engine itself
// has no such port and no server is to be had. What it cannot show is a real server's own behaviour.
type nativeFront struct {
	t    testing.TB
	back *DB
	conn net.Conn
	r    *chproto.Reader
	buf  chproto.Buffer
}

const nativeRevision = 54460

func startNativeFront(t testing.TB, back *DB) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = conn.Close() }()
				f := &nativeFront{t: t, back: back, conn: conn, r: chproto.NewReader(conn)}
				if err := f.serve(); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
					t.Errorf("native front: %v", err)
				}
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); wg.Wait() })
	return listener.Addr().String()
}

func (f *nativeFront) flush() error {
	_, err := f.conn.Write(f.buf.Buf)
	f.buf.Reset()
	return err
}

func (f *nativeFront) serve() error {
	var hello chproto.ClientHello
	if _, err := f.r.UVarInt(); err != nil {
		return err
	}
	if err := hello.Decode(f.r); err != nil {
		return err
	}
	info := chproto.ServerHello{Name: "front", Major: 26, Minor: 7, Revision: nativeRevision, Timezone: "UTC", DisplayName: "front"}
	info.EncodeAware(&f.buf, nativeRevision)
	if err := f.flush(); err != nil {
		return err
	}
	if _, err := f.r.Str(); err != nil { // the addendum: a quota key
		return err
	}
	for {
		code, err := f.r.UVarInt()
		if err != nil {
			return err
		}
		switch code {
		case proto.ClientPing:
			f.buf.PutByte(proto.ServerPong)
		case proto.ClientQuery:
			var q chproto.Query
			if err := q.DecodeAware(f.r, nativeRevision); err != nil {
				return err
			}
			if _, err := f.readBlock(); err != nil {
				return err
			}
			if err := f.answer(q); err != nil {
				var exception *ch.Exception
				if !errors.As(err, &exception) {
					return err
				}
				f.buf.PutByte(proto.ServerException)
				f.buf.PutInt32(exception.Code)
				for _, s := range []string{"DB::Exception", exception.Message, ""} {
					f.buf.PutString(s)
				}
				f.buf.PutBool(false)
			} else {
				f.buf.PutByte(proto.ServerEndOfStream)
			}
		default:
			return fmt.Errorf("packet %d", code)
		}
		if err := f.flush(); err != nil {
			return err
		}
	}
}

// readBlock reads what follows a data packet's code, which for the first block of a query is yet to come.
func (f *nativeFront) readBlock() (*proto.Block, error) {
	if code, err := f.r.UVarInt(); err != nil || code != proto.ClientData {
		return nil, fmt.Errorf("packet %d instead of data: %w", code, err)
	}
	if _, err := f.r.Str(); err != nil {
		return nil, err
	}
	block := newFrontBlock()
	return block, block.Decode(f.r, nativeRevision)
}

func newFrontBlock() *proto.Block {
	return &proto.Block{ServerContext: &column.ServerContext{Revision: nativeRevision, Timezone: time.UTC}}
}

func (f *nativeFront) sendBlock(b *proto.Block) error {
	f.buf.PutByte(proto.ServerData)
	f.buf.PutString("")
	return b.Encode(&f.buf, nativeRevision)
}

var insertInto = regexp.MustCompile(`(?s)^INSERT INTO (\w+) \(([^)]*)\)(\s+VALUES|\s+FORMAT Native)?\s*$`)

func (f *nativeFront) answer(q chproto.Query) error {
	settings := ch.Settings{}
	for _, s := range q.Settings {
		settings[s.Key] = s.Value
	}
	params := ch.Parameters{}
	for _, p := range q.Parameters { // a quoted literal, of which HTTP takes what is between the quotes
		params[p.Key] = strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(strings.TrimSuffix(strings.TrimPrefix(p.Value, "'"), "'"))
	}
	ctx := ch.Context(context.Background(), ch.WithSettings(settings), ch.WithParameters(params))
	if m := insertInto.FindStringSubmatch(strings.TrimSpace(q.Body)); m != nil {
		return f.insert(ctx, m[1], strings.Split(m[2], ", "))
	}
	if !selects.MatchString(q.Body) {
		return f.back.conn.Exec(ctx, q.Body)
	}
	answer, err := f.back.conn.QueryFormat(ctx, "Native", q.Body)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	r := chproto.NewReader(answer)
	for blocks := 0; ; blocks++ {
		block := newFrontBlock()
		err := block.Decode(r, 0)
		if errors.Is(err, io.EOF) && blocks == 0 {
			return f.emptyAnswer(ctx, q.Body)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f.sendBlock(block); err != nil {
			return err
		}
	}
}

// emptyAnswer sends the names and types of an answer without rows, which the engine leaves out.
func (f *nativeFront) emptyAnswer(ctx context.Context, sql string) error {
	answer, err := f.back.conn.QueryFormat(ctx, "TSVRaw", "DESCRIBE TABLE ("+sql+")")
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	text, err := io.ReadAll(answer)
	if err != nil {
		return err
	}
	block := newFrontBlock()
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(line, "\t")
		if err := block.AddColumn(fields[0], plainType(fields[1])); err != nil {
			return err
		}
	}
	return f.sendBlock(block)
}

// plainType leaves dictionaries out: the client's own columns cannot write one that they have read, nor one without rows.
// The engine takes plain strings as well.
func plainType(kind string) column.Type {
	return column.Type(strings.ReplaceAll(kind, "LowCardinality(String)", "String"))
}

func (f *nativeFront) insert(ctx context.Context, table string, columns []string) error {
	header := newFrontBlock()
	for _, name := range columns {
		var kind string
		if err := f.back.conn.QueryRow(f.t.Context(), "SELECT type FROM system.columns WHERE database = currentDatabase() AND table = {table:String} AND name = {name:String}",
			ch.Named("table", table), ch.Named("name", name)).Scan(&kind); err != nil {
			return err
		}
		if err := header.AddColumn(name, plainType(kind)); err != nil {
			return err
		}
	}
	if err := f.sendBlock(header); err != nil {
		return err
	}
	if err := f.flush(); err != nil {
		return err
	}
	var body chproto.Buffer
	for {
		block, err := f.readBlock()
		if err != nil {
			return err
		}
		if block.Rows() == 0 {
			break
		}
		if err := block.Encode(&body, 0); err != nil {
			return err
		}
	}
	return f.back.conn.InsertFormat(ctx, "Native", insertStatement(table, columns), bytes.NewReader(body.Buf))
}

func TestTheNativeProtocolIsTheSame(t *testing.T) {
	back := openTest(t)
	cfg := Config{DSN: "clickhouse://default@" + startNativeFront(t, back) + "/" + embeddedDatabase + "?compress=none"}
	db, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	span, want := testSpan(0, 500), testBatch(500, 0)
	for range 2 {
		if landed, err := db.Landed(t.Context(), span); err != nil {
			t.Fatal(landed, err)
		}
		if err := db.InsertEvents(t.Context(), span, want); err != nil {
			t.Fatal(err)
		}
		if err := db.InsertDeadLetters(t.Context(), span, []usage.DeadLetter{letter(7, "bad_json"), letter(9, "it's\\")}); err != nil {
			t.Fatal(err)
		}
	}
	for _, reader := range []*DB{db, back} { // over one protocol and the other
		var a, b usage.Record
		i := 0
		if err := reader.ReadSpan(t.Context(), "logs", 3, 0, 500, func(r *usage.Record) error {
			want.At(i, &a)
			b = *r // its units come in the order of a Go map
			slices.SortFunc(b.Units, func(x, y usage.Unit) int { return strings.Compare(x.Name, y.Name) })
			if x, y := fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b); x != y {
				t.Errorf("record %d:\n%s\n%s", i, x, y)
			}
			i++
			return nil
		}); err != nil || i != 500 {
			t.Fatalf("%d records, %v", i, err)
		}
	}
	letters, _, err := db.DeadLetters(t.Context(), DeadLetterFilter{Reason: "it's\\"}, DeadLetterCursor{}, 10)
	if err != nil || len(letters) != 1 || letters[0].Offset != 9 {
		t.Errorf("dead letters %+v, %v", letters, err)
	}
	if letters, _, err := db.DeadLetters(t.Context(), DeadLetterFilter{Reason: "none"}, DeadLetterCursor{}, 10); err != nil || len(letters) != 0 {
		t.Errorf("dead letters of no reason %+v, %v", letters, err)
	}
	ids := 0
	if err := db.RecentRequestIDs(t.Context(), "logs", 3, time.Time{}, func(int64, string, []byte) { ids++ }); err != nil || ids != 500 {
		t.Errorf("%d request ids, %v", ids, err)
	}
	u, err := db.UsageByKey(t.Context(), []string{"key_0", "key_1"}, time.UnixMilli(1795392000000), time.UnixMilli(1795392000000).Add(time.Hour), Total)
	if err != nil || len(u) != 2 || u[0].Requests != 30 || u[0].Units["output_tokens"] != 60 {
		t.Errorf("usage %+v, %v", u, err)
	}
	insertRecords(t, db, usage.Span{Topic: "keyed", To: 2, Day: 20_000, Epoch: "1"}, rekeyed(0, "a", "raw/0", 7, 0), rekeyed(1, "a", "raw/0", 7, 3))
	if got := originsOf(t, db, "keyed", 0); len(got) != 1 || got[0] != (usage.Origin{Partition: "raw/0", Offset: 7, Sub: 3}) {
		t.Errorf("origins %+v", got)
	}
	if err := db.Rekeyed(t.Context(), "raw", 0, 0, func(_ int32, key string, o usage.Origin) { ids += int(o.Offset) }); err != nil || ids != 514 {
		t.Errorf("re-keyed records: %d, %v", ids, err)
	}
	if err := db.InsertPrepared(t.Context(), Prepare(span, want)); !errors.Is(err, ch.ErrFormatNativeUnsupported) {
		t.Errorf("prepared blocks are for HTTP: %v", err)
	}
	var exception *ch.Exception
	if err := db.conn.Exec(t.Context(), "SELEC 1"); !errors.As(err, &exception) || exception.Code != 62 {
		t.Errorf("error %v", err)
	}
}
