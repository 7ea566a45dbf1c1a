package clickhouse

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// tcpFront makes the engine reachable over TCP, as a server is, and counts the bytes that go to it.
func tcpFront(t testing.TB, db *DB) (addr string, sent func() int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var n int64
	var copies sync.WaitGroup
	var open []net.Conn
	copies.Go(func() {
		for {
			front, err := listener.Accept()
			if err != nil {
				return
			}
			back, err := db.supervisor.dial(context.Background(), "")
			if err != nil {
				_ = front.Close()
				continue
			}
			mu.Lock()
			open = append(open, front, back)
			mu.Unlock()
			copies.Go(func() {
				_, _ = io.Copy(back, countingReader{front, func(k int) { mu.Lock(); n += int64(k); mu.Unlock() }})
				_ = back.Close()
			})
			copies.Go(func() { _, _ = io.Copy(front, back); _ = front.Close() })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		copies.Wait()
	})
	return listener.Addr().String(), func() int64 { mu.Lock(); defer mu.Unlock(); return n }
}

type countingReader struct {
	io.Reader
	count func(int)
}

func (r countingReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.count(n)
	return n, err
}

func TestAServerByDSNIsTheSameAndGetsCompressedBlocks(t *testing.T) {
	engine := openTest(t)
	addr, sent := tcpFront(t, engine)
	db, err := Open(t.Context(), Config{DSN: "http://default@" + addr + "/" + embeddedDatabase + "?compress=none", DeadLettersTTLDays: 14})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	before := sent()
	block := Prepare(testSpan(0, 20_000), realisticBatch(20_000, 0))
	for range 2 {
		if err := db.InsertPrepared(t.Context(), block); err != nil {
			t.Fatal(err)
		}
	}
	if got, plain := sent()-before, int64(2*block.Bytes()); got > plain*3/4 {
		t.Errorf("%d bytes were sent for blocks of %d: not compressed", got, plain)
	}
	rows := 0
	if err := db.ReadSpan(t.Context(), "logs", 3, 0, 20_000, func(*usage.Record) error { rows++; return nil }); err != nil || rows != 20_000 {
		t.Errorf("%d rows, %v", rows, err)
	}
	if err := db.InsertDeadLetters(t.Context(), testSpan(0, 20_000), []usage.DeadLetter{letter(1, "bad_json")}); err != nil {
		t.Error(err)
	}
	if db.EnginePID() != 0 {
		t.Error("a server has no engine process of ours")
	}
}

func TestDSNs(t *testing.T) {
	for dsn, want := range map[string]string{ // protocol, addresses, database, TLS
		"clickhouse://u:p@h/db":                  "native h:9000 db",
		"clickhouse://h1:1,h2/db":                "native h1:1 h2:9000 db",
		"clickhouse://h/db?secure=true":          "native h:9440 db tls",
		"clickhouses://h/db":                     "native h:9440 db tls",
		"native://[::1]:9/db":                    "native [::1]:9 db",
		"http://h/db":                            "http h:8123 db",
		"https://u:p@h/db":                       "http h:8443 db tls",
		"https://h:443/db?max_execution_time=60": "http h:443 db tls",
	} {
		o, err := ParseDSN(dsn)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		got := o.Protocol.String() + " " + strings.Join(o.Addr, " ") + " " + o.Auth.Database
		if o.TLS != nil {
			got += " tls"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", dsn, got, want)
		}
	}
	for _, dsn := range []string{"", "h:9000", "postgres://u:hunter2@h/db", "clickhouse://", "clickhouse:///db", "http://u:hunter2@h:port/db", "clickhouse://u:hunter2@h/db?dial_timeout=soon", "clickhouse://u:hunter2@h/%zz"} {
		_, err := ParseDSN(dsn)
		if err == nil {
			t.Errorf("%q: no error", dsn)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error holds the password: %v", dsn, err)
		} else {
			t.Log(err)
		}
	}
}

func TestWhatBreaksOnTheWayIsToldFromWhatTheServerRefuses(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{wrap("x", nil), false},
		{wrap("x", io.ErrUnexpectedEOF), true},
		{wrap("x", errTest), false},
		{wrap("x", &net.OpError{Err: errTest}), true},
		{wrap("x", &ch.Exception{Code: 60}), false},
		{wrap("x", context.Canceled), false},
		{wrap("x", wrap("y", io.EOF)), true},
	} {
		if got := errors.Is(c.err, ErrUnavailable); got != c.want {
			t.Errorf("%v: not available is %v", c.err, got)
		}
	}
}

func TestABlockIsStoredAfterTheServersRestartWithoutAnyOtherCall(t *testing.T) {
	engine := openTest(t)
	addr, _ := tcpFront(t, engine)
	db, err := Open(t.Context(), Config{DSN: "http://default@" + addr + "/" + embeddedDatabase + "?compress=none", DeadLettersTTLDays: 14})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for round := range int64(2) {
		first := engine.EnginePID()
		if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		// Every connection is gone, so the block is what opens the next.
		eventually(t, func(ctx context.Context) error {
			return db.InsertEvents(ctx, testSpan(round*100, round*100+100), testBatch(100, round*100))
		})
	}
	eventually(t, func(ctx context.Context) error {
		rows, err := db.Audit(ctx, time.Time{}, time.Time{})
		if err == nil && (len(rows) != 1 || rows[0].Rows != 200 || rows[0].Places != 200) {
			t.Errorf("stored: %+v", rows)
		}
		return err
	})
}
