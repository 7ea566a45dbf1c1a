package clickhouse

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ClickHouse/ch-go/proto"
	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tollkeeper/tollkeeper/internal/clickhouse/libchdb"
)

// engineHandler answers what clickhouse-go sends over HTTP. Each request is a POST: a statement is the body, or with an
// INSERT the parameter query, and the block the body. All further parameters are settings, or param_NAME values.
type engineHandler struct {
	pool    *enginePool
	buffers sync.Pool // of *[]byte, for the bodies of inserts
	marks   atomic.Uint64
}

// mark is a comment that tells a query from all others while it runs.
func (h *engineHandler) mark() string {
	return fmt.Sprintf("\n/*tollkeeper query %d*/", h.marks.Add(1))
}

const insertBufferBytes = 1 << 20

// Parameters of ClickHouse's HTTP interface that are no settings.
var interfaceParams = []string{
	"query", "database", "default_format", "client_protocol_version", "query_id", "quota_key", "compress", "decompress",
	"network_compression_method", "network_zstd_compression_level", "user", "password", "session_id", "wait_end_of_query",
	"buffer_size", "http_write_exception_in_output_format", "send_progress_in_http_headers",
}

// helloQuery is the first that clickhouse-go asks on every connection.
const helloQuery = "SELECT displayName(), version(), revision(), timezone()"

var insertFormat = regexp.MustCompile(`(?is)^(\s*INSERT\s+INTO\s.+?)\s+FORMAT\s+(\w+)\s*;?\s*$`)

func (h *engineHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ping" {
		if err := h.pool.ping(); err != nil {
			refuse(w, http.StatusServiceUnavailable, err)
			return
		}
		_, _ = io.WriteString(w, "Ok.\n")
		return
	}
	if r.URL.Path != "/" || (r.Method != http.MethodPost && r.Method != http.MethodGet) {
		http.NotFound(w, r)
		return
	}
	values := r.URL.Query()
	body, err := decodeBody(r, values)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	if values.Get("compress") == "1" {
		refuse(w, http.StatusBadRequest, exception(48, "NOT_IMPLEMENTED", "the embedded engine does not compress its answers: it is on the same machine"))
		return
	}
	settings, params := split(values)
	if m := insertFormat.FindStringSubmatch(values.Get("query")); m != nil {
		h.insert(w, r, m[1], m[2], body, values.Get("database"), settings)
		return
	}
	sql, err := readSQL(values.Get("query"), body)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	if string(sql) == helloQuery {
		h.hello(w)
		return
	}
	format := values.Get("default_format")
	if format == "" {
		format = "Native"
	}
	h.statement(w, r.Context(), statement{sql: sql, format: format, params: params}, values.Get("database"), settings)
}

// statement is one to run, with the format of its answer and the values of its placeholders.
type statement struct {
	sql    []byte
	format string
	params []libchdb.Param
}

// hello answers the client's first question. The client decodes that one answer at its own protocol revision and every
// later one at the revision named in it; the engine writes blocks at revision 0.
func (h *engineHandler) hello(w http.ResponseWriter) {
	name, version, zone := new(proto.ColStr), new(proto.ColStr), new(proto.ColStr)
	name.Append("tollkeeper-engine")
	version.Append(h.pool.version)
	zone.Append(h.pool.zone)
	revision := &proto.ColUInt32{0}
	block := proto.Block{Info: proto.BlockInfo{BucketNum: -1}, Columns: 4, Rows: 1}
	var b proto.Buffer
	if err := block.EncodeBlock(&b, ch.ClientTCPProtocolVersion, []proto.InputColumn{
		{Name: "displayName()", Data: name},
		{Name: "version()", Data: version},
		{Name: "revision()", Data: revision},
		{Name: "timezone()", Data: zone},
	}); err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	_, _ = w.Write(b.Buf)
}

func (h *engineHandler) statement(w http.ResponseWriter, ctx context.Context, q statement, database string, settings map[string]string) {
	s, err := h.pool.acquire(ctx, database, settings)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	sound := false
	defer func() { h.pool.release(s, sound) }()
	if streamable(s.conn, q.sql) {
		mark := h.mark()
		q.sql = append(q.sql, mark...)
		defer context.AfterFunc(ctx, func() { h.pool.kill(mark) })()
		sound = stream(w, ctx, s.conn, q)
		return
	}
	answer, err := s.conn.Exec(q.sql, q.format, q.params)
	if err != nil {
		sound = true
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	sound = !changesSession.Match(q.sql)
	_, _ = w.Write(answer)
}

// changesSession finds statements that leave something behind in a session; such a one is not used again.
var changesSession = regexp.MustCompile(`(?is)^\s*(SET|USE|CREATE\s+(OR\s+REPLACE\s+)?TEMPORARY)\b`)

var selects = regexp.MustCompile(`(?is)^[\s(]*(SELECT|WITH)\b`)

// streamable says whether the answer can be fetched block by block: only that of a plain SELECT can.
func streamable(c *libchdb.Conn, sql []byte) bool { return selects.Match(sql) && c.ReadOnly(sql) }

// stream sends a SELECT's answer as it comes. An error before the first block gives status 500, a later one the frame
// that clickhouse-go looks for inside the body. It says whether the session may be used again.
func stream(w http.ResponseWriter, ctx context.Context, c *libchdb.Conn, q statement) bool {
	s, err := c.Query(q.sql, q.format, q.params)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return true
	}
	defer s.Close()
	chunk, err := s.Next()
	if err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return true
	}
	tag := rand.Text()[:16]
	w.Header().Set("X-ClickHouse-Exception-Tag", tag)
	for ; chunk != nil; chunk, err = s.Next() {
		if _, err := w.Write(chunk); err != nil || ctx.Err() != nil {
			return false // the client is gone
		}
	}
	if err != nil {
		text := err.Error()
		_, _ = fmt.Fprintf(w, "\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n", tag, text, len(text)+1, tag)
		return false
	}
	return true
}

func (h *engineHandler) insert(w http.ResponseWriter, r *http.Request, sql, format string, body io.Reader, database string, settings map[string]string) {
	if !strings.EqualFold(format, "Native") {
		refuse(w, http.StatusBadRequest, exception(73, "UNKNOWN_FORMAT", "the embedded engine takes blocks in Native format only, not %s", format))
		return
	}
	s, err := h.pool.acquire(r.Context(), database, settings)
	if err != nil {
		_, _ = io.Copy(io.Discard, body) // else the client sees its write fail before it sees the answer
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	sound := false
	defer func() { h.pool.release(s, sound) }()
	if err := h.pipe(s.conn, sql, body); err != nil {
		_, _ = io.Copy(io.Discard, body)
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	sound = true
	w.WriteHeader(http.StatusOK)
}

// pipe feeds body into an insert and commits it, or none of it.
func (h *engineHandler) pipe(c *libchdb.Conn, sql string, body io.Reader) error {
	insert, err := c.Insert([]byte(sql))
	if err != nil {
		return err
	}
	buffer, ok := h.buffers.Get().(*[]byte)
	if !ok {
		b := make([]byte, insertBufferBytes)
		buffer = &b
	}
	defer h.buffers.Put(buffer)
	for ended := false; !ended; {
		n, err := fill(body, *buffer)
		if err != nil && !errors.Is(err, io.EOF) {
			insert.Cancel()
			return exception(33, "CANNOT_READ_ALL_DATA", "the block ended early: %v", err)
		}
		ended = err != nil
		if err := insert.Append((*buffer)[:n]); err != nil {
			insert.Cancel()
			return err
		}
	}
	return insert.Done()
}

// fill reads until the buffer is full. Unlike io.ReadFull it tells a body that was cut, io.ErrUnexpectedEOF, from one
// that ended where it should, io.EOF.
func fill(r io.Reader, buffer []byte) (n int, err error) {
	for n < len(buffer) && err == nil {
		var read int
		read, err = r.Read(buffer[n:])
		n += read
	}
	return n, err
}

func decodeBody(r *http.Request, values url.Values) (io.Reader, error) {
	var body io.Reader = http.MaxBytesReader(nil, r.Body, maxInsertBytes)
	switch e := r.Header.Get("Content-Encoding"); e {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, exception(354, "ZLIB_INFLATE_FAILED", "the body is not gzip: %v", err)
		}
		body = z
	default:
		return nil, exception(48, "NOT_IMPLEMENTED", "the embedded engine does not know Content-Encoding %q", e)
	}
	if values.Get("decompress") == "1" {
		reader := proto.NewReader(bufio.NewReaderSize(body, 1<<16))
		reader.EnableCompression()
		body = reader
	}
	return body, nil
}

func readSQL(query string, body io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(body, maxSQLBytes+1))
	if err != nil {
		return nil, exception(33, "CANNOT_READ_ALL_DATA", "the statement ended early: %v", err)
	}
	if len(text) > maxSQLBytes {
		return nil, exception(62, "SYNTAX_ERROR", "the statement is longer than %d bytes", maxSQLBytes)
	}
	switch {
	case query == "":
		return text, nil
	case len(text) == 0:
		return []byte(query), nil
	}
	return append([]byte(query+"\n"), text...), nil
}

// split divides a request's parameters into settings and values for placeholders.
func split(values url.Values) (settings map[string]string, params []libchdb.Param) {
	settings = make(map[string]string, len(values))
	for name := range values {
		switch value := values.Get(name); {
		case strings.HasPrefix(name, "param_"):
			params = append(params, libchdb.Param{Name: strings.TrimPrefix(name, "param_"), Value: value})
		case !slices.Contains(interfaceParams, name):
			settings[name] = value
		}
	}
	return settings, params
}

// exception is an error of ours in the form of the engine's own, which clients take apart.
func exception(code int, name, format string, args ...any) error {
	return &libchdb.Error{Message: fmt.Sprintf("Code: %d. DB::Exception: %s. (%s)", code, fmt.Sprintf(format, args...), name)}
}

var exceptionCode = regexp.MustCompile(`^Code: (\d+)\.`)

func refuse(w http.ResponseWriter, status int, err error) {
	text := err.Error()
	m := exceptionCode.FindStringSubmatch(text)
	if m == nil {
		text = exception(1002, "UNKNOWN_EXCEPTION", "%s", text).Error()
		m = exceptionCode.FindStringSubmatch(text)
	}
	w.Header().Set("X-ClickHouse-Exception-Code", m[1])
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
