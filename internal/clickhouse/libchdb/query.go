package libchdb

import (
	"runtime"
	"unsafe"
)

// native is the format of every insert.
var native = []byte("Native")

// ReadOnly says whether the statement, by the engine's own parser, leaves no trace: only such a one can be streamed.
func (c *Conn) ReadOnly(sql []byte) bool {
	analysis := struct{ size, statements, flags, class uint32 }{size: 16}
	if len(sql) == 0 || c.lib.classify(c.conn(), unsafe.Pointer(&sql[0]), uintptr(len(sql)), nil, 0, unsafe.Pointer(&analysis)) != 0 {
		return false
	}
	return analysis.class == 0 && analysis.statements == 1
}

// Exec runs a statement and returns its whole answer in the given format; it may be empty.
func (c *Conn) Exec(sql []byte, format string, params []Param) ([]byte, error) {
	r := c.start(sql, format, params, c.lib.query, c.lib.queryParams)
	defer r.destroy()
	if err := r.err(); err != nil {
		return nil, err
	}
	return append([]byte(nil), r.bytes()...), nil
}

// Stream is a statement whose answer is fetched piece by piece. It must be closed.
type Stream struct {
	conn  *Conn
	query result
	chunk result
}

// Query starts a SELECT whose answer comes in the given format.
func (c *Conn) Query(sql []byte, format string, params []Param) (*Stream, error) {
	r := c.start(sql, format, params, c.lib.streamQuery, c.lib.streamQueryParams)
	if err := r.err(); err != nil {
		r.destroy()
		return nil, err
	}
	return &Stream{conn: c, query: r}, nil
}

// Next returns the next piece of the answer, whole blocks, valid until the next call; nil at the end.
func (s *Stream) Next() ([]byte, error) {
	s.chunk.destroy()
	s.chunk = result{s.conn.lib, s.conn.lib.streamFetch(s.conn.conn(), s.query.ptr)}
	if err := s.chunk.err(); err != nil {
		return nil, err
	}
	return s.chunk.bytes(), nil
}

// Close ends the statement, wherever it is.
func (s *Stream) Close() {
	s.chunk.destroy()
	s.conn.lib.streamCancel(s.conn.conn(), s.query.ptr)
	s.query.destroy()
}

// Insert is a running insert. It ends with either Done or Cancel, never both.
type Insert struct {
	lib *Library
	ptr unsafe.Pointer
}

// Insert starts an INSERT without FORMAT clause whose data, in Native format, is to be appended.
func (c *Conn) Insert(sql []byte) (*Insert, error) {
	i := &Insert{c.lib, c.lib.streamInsert(c.conn(), data(sql), uintptr(len(sql)), data(native), uintptr(len(native)))}
	runtime.KeepAlive(sql)
	if err := i.err(); err != nil {
		c.lib.destroyInsert(i.ptr)
		return nil, err
	}
	return i, nil
}

// Append hands over bytes, which are copied; it blocks while the engine is behind.
func (i *Insert) Append(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	state := i.lib.streamAppend(i.ptr, data(b), uintptr(len(b)))
	runtime.KeepAlive(b)
	if state == 0 {
		return nil
	}
	if err := i.err(); err != nil {
		return err
	}
	return &Error{Message: "Code: 210. DB::Exception: the insert was refused without a reason. (NETWORK_ERROR)"}
}

// Done commits. When it returns nil, the rows are in the table.
func (i *Insert) Done() error {
	r := result{i.lib, i.lib.streamDone(i.ptr)}
	err := r.err()
	r.destroy()
	i.lib.destroyInsert(i.ptr)
	return err
}

// Cancel ends the insert without its rows.
func (i *Insert) Cancel() {
	i.lib.streamCancelIns(i.ptr)
	i.lib.destroyInsert(i.ptr)
}

func (i *Insert) err() error { return message(i.lib.streamInsertError(i.ptr)) }

type (
	plainCall  = func(conn, sql unsafe.Pointer, n uintptr, format unsafe.Pointer, fn uintptr) unsafe.Pointer
	paramsCall = func(conn, sql unsafe.Pointer, n uintptr, format unsafe.Pointer, fn uintptr, names, nameLens, values, valueLens unsafe.Pointer, count uintptr) unsafe.Pointer
)

func (c *Conn) start(sql []byte, format string, params []Param, plain plainCall, withParams paramsCall) result {
	defer runtime.KeepAlive(sql)
	answer := []byte(format)
	defer runtime.KeepAlive(answer)
	if len(params) == 0 {
		return result{c.lib, plain(c.conn(), data(sql), uintptr(len(sql)), data(answer), uintptr(len(answer)))}
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	names, values := make([]unsafe.Pointer, len(params)), make([]unsafe.Pointer, len(params))
	nameLens, valueLens := make([]uintptr, len(params)), make([]uintptr, len(params))
	for i, p := range params {
		names[i], nameLens[i] = pinned(&pin, p.Name), uintptr(len(p.Name))
		values[i], valueLens[i] = pinned(&pin, p.Value), uintptr(len(p.Value))
	}
	pin.Pin(&names[0])
	pin.Pin(&values[0])
	return result{c.lib, withParams(c.conn(), data(sql), uintptr(len(sql)), data(answer), uintptr(len(answer)),
		unsafe.Pointer(&names[0]), unsafe.Pointer(&nameLens[0]), unsafe.Pointer(&values[0]), unsafe.Pointer(&valueLens[0]), uintptr(len(params)))}
}

// pinned copies s, with a zero byte behind it, where C may read it until the pinner lets go.
func pinned(pin *runtime.Pinner, s string) unsafe.Pointer {
	b := append([]byte(s), 0)
	pin.Pin(&b[0])
	return unsafe.Pointer(&b[0])
}

func data(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

type result struct {
	lib *Library
	ptr unsafe.Pointer
}

func (r result) bytes() []byte {
	n := r.lib.resultLength(r.ptr)
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(r.lib.resultBuffer(r.ptr)), n)
}

func (r result) err() error {
	if r.ptr == nil {
		return &Error{Message: "Code: 210. DB::Exception: the engine gave no answer. (NETWORK_ERROR)"}
	}
	return message(r.lib.resultError(r.ptr))
}

func (r *result) destroy() {
	if r.ptr != nil {
		r.lib.destroyResult(r.ptr)
		r.ptr = nil
	}
}

// message copies a C string; nil and "" mean that all went well.
func message(p unsafe.Pointer) error {
	if p == nil || *(*byte)(p) == 0 {
		return nil
	}
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return &Error{Message: string(unsafe.Slice((*byte)(p), n))}
}
