// Package libchdb calls the C library of the embedded ClickHouse engine, without cgo.
//
// The functions mirror the library's C interface; nothing here knows about HTTP or about tables. A process may hold one
// data folder; connections to it run in parallel, each connection runs one statement at a time. Calls block the calling
// thread until the engine answers. The library never takes the process's signals.
package libchdb

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Library is the loaded engine. It is never unloaded: the engine's threads outlive any attempt.
type Library struct {
	connect           func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	closeConn         func(conn unsafe.Pointer)
	query             func(conn unsafe.Pointer, sql unsafe.Pointer, n uintptr, format unsafe.Pointer, fn uintptr) unsafe.Pointer
	queryParams       func(conn unsafe.Pointer, sql unsafe.Pointer, n uintptr, format unsafe.Pointer, fn uintptr, names, nameLens, values, valueLens unsafe.Pointer, count uintptr) unsafe.Pointer
	streamQuery       func(conn unsafe.Pointer, sql unsafe.Pointer, n uintptr, format unsafe.Pointer, fn uintptr) unsafe.Pointer
	streamQueryParams func(conn unsafe.Pointer, sql unsafe.Pointer, n uintptr, format unsafe.Pointer, fn uintptr, names, nameLens, values, valueLens unsafe.Pointer, count uintptr) unsafe.Pointer
	streamFetch       func(conn, result unsafe.Pointer) unsafe.Pointer
	streamCancel      func(conn, result unsafe.Pointer)
	destroyResult     func(result unsafe.Pointer)
	streamInsert      func(conn unsafe.Pointer, sql unsafe.Pointer, n uintptr, format unsafe.Pointer, fn uintptr) unsafe.Pointer
	streamAppend      func(stream unsafe.Pointer, data unsafe.Pointer, n uintptr) int32
	streamDone        func(stream unsafe.Pointer) unsafe.Pointer
	streamCancelIns   func(stream unsafe.Pointer)
	streamInsertError func(stream unsafe.Pointer) unsafe.Pointer
	destroyInsert     func(stream unsafe.Pointer)
	resultBuffer      func(result unsafe.Pointer) unsafe.Pointer
	resultLength      func(result unsafe.Pointer) uintptr
	resultError       func(result unsafe.Pointer) unsafe.Pointer
	classify          func(conn, sql unsafe.Pointer, n uintptr, db unsafe.Pointer, dn uintptr, out unsafe.Pointer) int32
	signals           func(enabled int32)
	shutdown          func() int32
}

// Load opens the library at path. The error names the file.
func Load(path string) (lib *Library, err error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load the engine's library %s: %w", path, err)
	}
	l := &Library{}
	for _, f := range []struct {
		target any
		name   string
	}{
		{&l.connect, "chdb_connect"},
		{&l.closeConn, "chdb_close_conn"},
		{&l.query, "chdb_query_n"},
		{&l.queryParams, "chdb_query_with_params_n"},
		{&l.streamQuery, "chdb_stream_query_n"},
		{&l.streamQueryParams, "chdb_stream_query_with_params_n"},
		{&l.streamFetch, "chdb_stream_fetch_result"},
		{&l.streamCancel, "chdb_stream_cancel_query"},
		{&l.destroyResult, "chdb_destroy_query_result"},
		{&l.streamInsert, "chdb_stream_insert_n"},
		{&l.streamAppend, "chdb_stream_append"},
		{&l.streamDone, "chdb_stream_done"},
		{&l.streamCancelIns, "chdb_stream_cancel_insert"},
		{&l.streamInsertError, "chdb_stream_insert_error"},
		{&l.destroyInsert, "chdb_destroy_insert_stream"},
		{&l.resultBuffer, "chdb_result_buffer"},
		{&l.resultLength, "chdb_result_length"},
		{&l.resultError, "chdb_result_error"},
		{&l.classify, "chdb_classify_query_n"},
		{&l.signals, "chdb_set_signal_handlers_enabled"},
		{&l.shutdown, "chdb_shutdown"},
	} {
		symbol, err := purego.Dlsym(handle, f.name)
		if err != nil {
			return nil, fmt.Errorf("the library %s is not the engine that this program needs: %w", path, err)
		}
		purego.RegisterFunc(f.target, symbol)
	}
	l.signals(0) // before the first connection, else the engine takes SIGSEGV and SIGTERM away from Go
	return l, nil
}

// Shutdown stops the engine's threads once every connection is closed. Nothing can be opened after it.
func (l *Library) Shutdown() error {
	if l.shutdown() != 0 {
		return errors.New("the engine did not stop: a connection is still open")
	}
	return nil
}

// Param is one value for a {name:Type} placeholder, as text.
type Param struct{ Name, Value string }

// Conn is one session of the engine. It is not safe for concurrent use.
type Conn struct {
	lib    *Library
	handle unsafe.Pointer // chdb_connection *
}

// Open opens a session on the data folder given by the argument --path=DIR; further arguments are settings, --name=value.
func (l *Library) Open(args ...string) (*Conn, error) {
	argv := make([]unsafe.Pointer, 0, len(args)+2)
	var pin runtime.Pinner
	defer pin.Unpin()
	for _, a := range append([]string{"clickhouse"}, args...) {
		b := append([]byte(a), 0)
		pin.Pin(&b[0])
		argv = append(argv, unsafe.Pointer(&b[0]))
	}
	argv = append(argv, nil)
	pin.Pin(&argv[0])
	handle := l.connect(int32(len(argv)-1), unsafe.Pointer(&argv[0]))
	if handle == nil {
		return nil, errors.New("the engine refused to open its data folder")
	}
	return &Conn{lib: l, handle: handle}, nil
}

// Close ends the session.
func (c *Conn) Close() {
	if c.handle != nil {
		c.lib.closeConn(c.handle)
		c.handle = nil
	}
}

func (c *Conn) conn() unsafe.Pointer { return *(*unsafe.Pointer)(c.handle) }

// Error is what the engine said; Message is its text, beginning with "Code: N.".
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }
