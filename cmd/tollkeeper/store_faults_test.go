package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/broker"
)

// storeFront is the way to the real engine as to a server, on which settings of a user can be put in force.
type storeFront struct {
	t        *testing.T
	addr     string
	settings atomic.Pointer[string]
}

func newStoreFront(t *testing.T) *storeFront {
	t.Helper()
	f := &storeFront{t: t, addr: freeAddr(t)}
	behind := freeAddr(t)
	forward(t, behind, startEngine(t))
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: behind})
		if s := f.settings.Load(); s != nil {
			r.Out.URL.RawQuery += "&" + *s
		}
	}}
	l, err := net.Listen("tcp", f.addr)
	require.NoError(t, err)
	server := http.Server{Handler: proxy}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return f
}

func (f *storeFront) dsn() string { return "http://default@" + f.addr + "/tollkeeper?compress=none" }

// do runs a statement as an administrator would.
func (f *storeFront) do(statement string) {
	f.t.Helper()
	res, err := http.Post("http://"+f.addr+"/?query=", "text/plain", strings.NewReader(statement))
	require.NoError(f.t, err)
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	require.Equal(f.t, http.StatusOK, res.StatusCode, "%s: %s", statement, body)
}

// Whatever a server refuses blocks for, the same block is stored once when the server takes it again.
func TestAStoreThatRefusesBlocksLosesAndDoublesNothing(t *testing.T) {
	front, dir := newStoreFront(t), t.TempDir()
	log, err := broker.Start(t.Context(), broker.Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", Topics: map[string]int{"access-log": 2}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = log.Close() })
	args := []string{"--data", dir, "--kafka", log.Addr(), "--clickhouse", front.dsn()}
	s := serve(t, args...)
	s.wantReady(30 * time.Second)
	sent := produce(t, log.Addr(), 0, 1000)
	s.wantTotal(sent)

	alter := func(how string) func() {
		return func() { front.do("ALTER TABLE tollkeeper.events " + how) }
	}
	user := func(settings string) func() {
		return func() { front.settings.Store(&settings) }
	}
	for _, fault := range []struct {
		code           string
		begin, recover func()
	}{
		{"NOT_ENOUGH_SPACE", alter("MODIFY SETTING min_free_disk_bytes_to_perform_insert = 1000000000000000"), alter("RESET SETTING min_free_disk_bytes_to_perform_insert")},
		{"TOO_MANY_PARTS", alter("MODIFY SETTING parts_to_throw_insert = 1, parts_to_delay_insert = 1"), alter("RESET SETTING parts_to_throw_insert, parts_to_delay_insert")},
		{"MEMORY_LIMIT_EXCEEDED", user("max_memory_usage=1000"), func() { front.settings.Store(nil) }},
		{"READONLY", user("readonly=1"), func() { front.settings.Store(nil) }},
		{"UNKNOWN_TABLE", func() { front.do("RENAME TABLE tollkeeper.events TO tollkeeper.away") }, func() { front.do("RENAME TABLE tollkeeper.away TO tollkeeper.events") }},
	} {
		fault.begin()
		sent += produce(t, log.Addr(), int(sent), 1000)
		s.find(30*time.Second, "the store refused a block.*"+fault.code)
		fault.recover()
		s.wantTotal(sent)
	}
	s.wantReady(30 * time.Second)
	s.wantExact(dir)
}

// What was stored is gone with its database; nothing else is, and the audit says so.
func TestADatabaseThatIsDroppedWhileItIsWrittenTo(t *testing.T) {
	front, dir := newStoreFront(t), t.TempDir()
	log, err := broker.Start(t.Context(), broker.Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", Topics: map[string]int{"access-log": 1}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = log.Close() })
	args := []string{"--data", dir, "--kafka", log.Addr(), "--clickhouse", front.dsn()}
	s := serve(t, args...)
	s.wantReady(30 * time.Second)
	s.wantTotal(produce(t, log.Addr(), 0, 1000))

	front.do("DROP DATABASE tollkeeper SYNC")
	produce(t, log.Addr(), 1000, 500)
	eventually(t, 30*time.Second, func() error {
		if code, body := s.ready(); code != http.StatusServiceUnavailable || !strings.Contains(body, "make it on the server with CREATE DATABASE") {
			return fmt.Errorf("/readyz: %d %s", code, body)
		}
		return nil
	})
	s.stop()
	_, errOut, code := tollkeeper(t, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut, "make it on the server with CREATE DATABASE")

	front.do("CREATE DATABASE tollkeeper")
	s = serve(t, args...)
	s.wantTotal(500)
	s.wantReady(60 * time.Second)
	out, _, code := tollkeeper(t, "audit", "--data", dir)
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "differs: access-log/0: offsets 0 to 999 are neither events nor dead letters")
}
