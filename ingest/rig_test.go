package ingest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tollkeeper/tollkeeper/deploy/kafka/kafkatest"
	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
)

// rig is the real thing in parts that can be killed one by one: three Kafka brokers, the ClickHouse engine in a process of
// its own, a proxy in front of it that loses answers on demand, and ingesters in processes of their own.
type rig struct {
	t      *testing.T
	kafka  *kafkatest.Cluster
	engine *engineProcess
	proxy  *faultProxy
	db     *clickhouse.DB // the test's own way to the engine, behind no proxy
	truths *[]*truth      // of all topics

	balancer kafka.Balancer // of what is produced; nil: by key
}

func newRig(t *testing.T, brokers int) *rig {
	t.Helper()
	r := &rig{t: t, engine: startEngine(t), truths: &[]*truth{}}
	r.kafka = kafkatest.Start(t, brokers)
	r.proxy = startProxy(t, r.engine.socket)
	direct := startProxy(t, r.engine.socket)
	db, err := openWhenUp(t.Context(), clickhouse.Config{DSN: direct.dsn(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	r.db = db
	return r
}

// engineProcess is the ClickHouse engine in a process that is not the ingester's child, so that either can die alone.
type engineProcess struct {
	t                    *testing.T
	socket, dir, library string
	cmd                  *exec.Cmd
	stdin                io.Closer
}

func startEngine(t *testing.T) *engineProcess {
	t.Helper()
	library, err := clickhouse.FindLibrary("", "")
	if err != nil {
		t.Fatal(err)
	}
	// The path of a unix socket is short.
	dir, err := os.MkdirTemp("", "tk")
	if err != nil {
		t.Fatal(err)
	}
	e := &engineProcess{t: t, socket: filepath.Join(dir, "s"), dir: filepath.Join(dir, "data"), library: library}
	e.start()
	t.Cleanup(func() {
		e.kill()
		os.RemoveAll(dir)
	})
	return e
}

func (e *engineProcess) start() {
	e.t.Helper()
	e.cmd = exec.Command(os.Args[0], "engine", "--socket", e.socket, "--path", e.dir, "--library", e.library)
	e.cmd.Stderr = os.Stderr
	stdin, err := e.cmd.StdinPipe()
	if err != nil {
		e.t.Fatal(err)
	}
	e.stdin = stdin
	if err := e.cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
}

func (e *engineProcess) kill() {
	e.cmd.Process.Kill()
	e.cmd.Wait()
	e.stdin.Close()
}

// faultProxy stands between an ingester and the engine.
type faultProxy struct {
	addr   string
	inject atomic.Bool
	n      atomic.Int64
	counts [4]atomic.Int64 // by kind of fault
}

// The kinds of faults, in turn for every insert while they are on.
const (
	faultNone       = iota
	faultRefuse     // an error without the engine having seen the insert
	faultLoseAnswer // stored, but the connection breaks before the answer
	faultStall      // stored, but the answer comes after the client has given up
)

func startProxy(t *testing.T, socket string) *faultProxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &faultProxy{addr: ln.Addr().String()}
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}, MaxIdleConnsPerHost: 32}
	target := &url.URL{Scheme: "http", Host: "engine"}
	rp := &httputil.ReverseProxy{
		Transport: tr, FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorLog: nil, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := faultNone
		if p.inject.Load() && strings.Contains(r.URL.Query().Get("query"), "INSERT INTO events") {
			kind = int(p.n.Add(1) % 4)
			p.counts[kind].Add(1)
		}
		switch kind {
		case faultRefuse:
			http.Error(w, "Code: 252. DB::Exception: too many parts (injected)", http.StatusInternalServerError)
		case faultLoseAnswer, faultStall:
			// The client may go away, the insert goes on.
			rec := &discardAnswer{h: http.Header{}}
			rp.ServeHTTP(rec, r.WithContext(context.WithoutCancel(r.Context())))
			if kind == faultStall {
				select {
				case <-r.Context().Done():
				case <-time.After(30 * time.Second):
				}
			}
			panic(http.ErrAbortHandler)
		default:
			rp.ServeHTTP(w, r)
		}
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(ln)
	}()
	t.Cleanup(func() {
		srv.Close()
		tr.CloseIdleConnections()
		<-done
	})
	return p
}

type discardAnswer struct{ h http.Header }

func (d *discardAnswer) Header() http.Header         { return d.h }
func (d *discardAnswer) Write(b []byte) (int, error) { return len(b), nil }
func (d *discardAnswer) WriteHeader(int)             {}

func (p *faultProxy) dsn() string { return "http://" + p.addr + "/tollkeeper?compress=none" }

// process is an ingester that can be killed.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  *bytes.Buffer
	done chan struct{}
}

func (r *rig) startIngest(topic, instance string, session time.Duration) *process {
	r.t.Helper()
	return r.start(ingestProcess{Topic: topic, Instance: instance, Session: session})
}

func (r *rig) start(what ingestProcess) *process {
	r.t.Helper()
	what.Brokers, what.DSN = r.kafka.Brokers(), r.proxy.dsn()
	config, err := json.Marshal(what)
	if err != nil {
		r.t.Fatal(err)
	}
	p := &process{t: r.t, cmd: exec.Command(os.Args[0]), log: &bytes.Buffer{}, done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), ingestEnv+"="+string(config))
	p.cmd.Stderr, p.cmd.Stdout = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	r.t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.done
		if r.t.Failed() {
			b := p.log.Bytes()
			r.t.Logf("log of ingester %s:\n%s", what.Instance, b[max(0, len(b)-6000):])
		}
	})
	return p
}

func (p *process) signal(s syscall.Signal) { p.cmd.Process.Signal(s) }

func (p *process) end(s syscall.Signal) {
	p.signal(s)
	<-p.done
}

// truth is what was produced.
type truth struct {
	records int64
	bytes   int64
	poison  int64
	unsure  bool // a write failed: broken lines of it may be there twice
	perKey  map[string]int64
}

// produce writes records with unique request ids, and says when all are acknowledged. With retries a part is written
// again, as a gateway does that did not see the answer; with poison some lines are broken.
func (r *rig) produce(topic string, n, perSecond int, retries, poison bool) (*truth, <-chan struct{}) {
	tr := &truth{perKey: map[string]int64{}}
	*r.truths = append(*r.truths, tr)
	done := make(chan struct{})
	transport := &kafka.Transport{} // not the shared one, whose connections nobody closes
	w := &kafka.Writer{
		Transport: transport, Addr: kafka.TCP(r.kafka.Brokers()...), Topic: topic, Balancer: cmp.Or[kafka.Balancer](r.balancer, &kafka.Hash{}), RequiredAcks: kafka.RequireAll,
		Compression: kafka.Lz4, BatchSize: 2000, BatchTimeout: 5 * time.Millisecond, WriteTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, MaxAttempts: 1,
	}
	ctx := r.t.Context()
	go func() {
		defer close(done)
		defer transport.CloseIdleConnections()
		defer w.Close()
		rng := rand.New(rand.NewPCG(1, 2))
		started := time.Now()
		const chunk = 500
		for i := 0; i < n; i += chunk {
			var ms []kafka.Message
			for j := i; j < min(i+chunk, n); j++ {
				key, size := fmt.Sprintf("key_%04d", rng.IntN(300)), rng.IntN(50_000)
				line := fmt.Appendf(nil, `{"time":%q,"request_id":"%s-%07d","key_id":%q,"method":"GET","host":"api.example.com","path":"/v1/items/%d","status":200,"latency_ms":12.5,"request_bytes":300,"response_bytes":%d,"client_ip":"192.0.2.%d","user_agent":"curl/8.1"}`,
					time.Now().UTC().Format(time.RFC3339Nano), topic, j, key, j, size, j%250)
				ms = append(ms, kafka.Message{Key: []byte(key), Value: line})
				tr.records++
				tr.bytes += int64(size)
				tr.perKey[key]++
				if poison && j%97 == 0 {
					ms = append(ms, kafka.Message{Key: []byte(key), Value: []byte(`{"time":"yesterday","api_key":"sk_live_canary","status":`)})
					tr.poison++
				}
			}
			for attempt := 0; ; attempt++ {
				err := w.WriteMessages(ctx, ms...)
				if err == nil && (!retries || i%(chunk*3) != 0 || attempt != 0) {
					break
				}
				if ctx.Err() != nil {
					return
				}
				tr.unsure = tr.unsure || err != nil
				// Only a gateway's request id makes writing again safe; broken lines have none.
				if poison && err == nil {
					keep := ms[:0]
					for _, m := range ms {
						if !strings.Contains(string(m.Value), "yesterday") {
							keep = append(keep, m)
						}
					}
					ms = keep
				}
			}
			if perSecond > 0 {
				if d := time.Duration(i+chunk)*time.Second/time.Duration(perSecond) - time.Since(started); d > 0 {
					time.Sleep(d)
				}
			}
		}
	}()
	return tr, done
}

// verify waits until everything produced is stored and then holds every promise against the tables.
func (r *rig) verify(topic string, want *truth, within time.Duration) {
	t := r.t
	t.Helper()
	count := func(sql string) (n, sum uint64, err error) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err = r.db.Conn().QueryRow(ctx, sql, topic).Scan(&n, &sum)
		return n, sum, err
	}
	const counted = "SELECT count(), sum(response_bytes) FROM events WHERE topic = ? AND bitAnd(flags, 2) = 0"
	deadline := time.Now().Add(within)
	var n, sum uint64
	var err error
	for {
		if n, _, err = count(counted); err == nil && n >= uint64(want.records) {
			break
		}
		if time.Now().After(deadline) {
			rows, places, _ := count("SELECT count(), uniqExact(partition, offset) FROM events WHERE topic = ?")
			t.Errorf("%s: %d of %d records are stored after %s, %v; %d rows, %d places", topic, n, want.records, within, err, rows, places)
			r.waitCommitted(topic, 0) // names the partition that stands still
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	r.waitCommitted(topic, time.Until(deadline))
	n, sum, err = count(counted)
	if err != nil || n != uint64(want.records) || sum != uint64(want.bytes) {
		t.Errorf("%s: %d records of %d bytes count, produced were %d of %d; %v", topic, n, sum, want.records, want.bytes, err)
	}
	if rows, places, err := count("SELECT count(), uniqExact(partition, offset, sub) FROM events WHERE topic = ?"); err != nil || rows != places {
		t.Errorf("%s: %d rows for %d places in the log, %v", topic, rows, places, err)
	}
	if ids, _, err := count("SELECT uniqExact(request_id), toUInt64(0) FROM events WHERE topic = ?"); err != nil || ids != uint64(want.records) {
		t.Errorf("%s: %d identities, produced were %d, %v", topic, ids, want.records, err)
	}
	if letters, _, err := count("SELECT uniqExact(partition, offset), toUInt64(0) FROM dead_letters WHERE topic = ?"); err != nil || letters < uint64(want.poison) || (letters > uint64(want.poison) && !want.unsure) {
		t.Errorf("%s: %d dead letters for %d broken lines, %v", topic, letters, want.poison, err)
	}
	if leaks, _, err := count("SELECT count(), toUInt64(0) FROM dead_letters WHERE topic = ? AND line LIKE '%canary%'"); err != nil || leaks != 0 {
		t.Errorf("%s: %d dead letters show a key, %v", topic, leaks, err)
	}
	r.verifyPerKey(topic, want)
	t.Logf("%s: %d records counted once, %d dead letters", topic, n, want.poison)
}

// verifyPerKey holds each key's count against what was produced for it.
func (r *rig) verifyPerKey(topic string, want *truth) {
	t := r.t
	t.Helper()
	rows, err := r.db.Conn().Query(t.Context(), "SELECT key_id, count() FROM events WHERE topic = ? AND bitAnd(flags, 2) = 0 GROUP BY key_id", topic)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	got := map[string]int64{}
	for rows.Next() {
		var key string
		var n uint64
		if err := rows.Scan(&key, &n); err != nil {
			t.Fatal(err)
		}
		got[key] = int64(n)
	}
	if !maps.Equal(got, want.perKey) {
		t.Errorf("%s: the keys' counts are not those produced", topic)
	}
}

// verifySealed seals every hour and holds the sealed usage of each key, over all topics of the rig, against the truth.
func (r *rig) verifySealed(truths []*truth) {
	t := r.t
	t.Helper()
	from, to := time.Now().Add(-3*time.Hour).UTC().Truncate(time.Hour), time.Now().Add(time.Hour).UTC().Truncate(time.Hour)
	for range 2 { // sealing again changes nothing
		if _, err := r.db.SealHours(t.Context(), from, to); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]int64{}
	for _, tr := range truths {
		for k, n := range tr.perKey {
			want[k] += n
		}
	}
	usage, err := r.db.UsageByKey(t.Context(), slices.Collect(maps.Keys(want)), from, to, clickhouse.Total)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, u := range usage {
		got[u.KeyID] += int64(u.Requests)
	}
	if !maps.Equal(got, want) {
		t.Error("sealed usage is not what was produced")
	}
	if diffs, err := r.db.AuditSealed(t.Context(), from, to, 10); err != nil || len(diffs) != 0 {
		t.Errorf("audit of sealed usage: %v, %v", diffs, err)
	}
}

// waitCommitted waits until the group has committed to the end of every partition with nothing pending.
func (r *rig) waitCommitted(topic string, within time.Duration) {
	t := r.t
	t.Helper()
	k := newKafkaClient(&Config{Brokers: r.kafka.Brokers(), Group: topic})
	defer k.close()
	deadline := time.Now().Add(within)
	for p := int32(0); p < testPartitions; {
		off, meta, err := k.committed(t.Context(), topic, p)
		var end int64
		if err == nil {
			_, end, err = k.bounds(t.Context(), topic, p)
		}
		pl, perr := parsePlan(meta, off)
		if err == nil && perr == nil && off == end && len(pl.pending) == 0 {
			p++
			continue
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s/%d: committed %d %q of %d, %v", topic, p, off, meta, end, errors.Join(err, perr))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

const testPartitions = 4

var _ Store = (*clickhouse.DB)(nil)
