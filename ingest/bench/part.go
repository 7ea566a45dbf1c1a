package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tollkeeper/tollkeeper/ingest"
	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/ingest/enrich"
	"github.com/tollkeeper/tollkeeper/internal/broker"
	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// brokerProcess is the embedded broker in a process of its own.
type brokerProcess struct {
	addr  string
	cmd   *exec.Cmd
	stdin io.Closer
}

func startBroker(ctx context.Context, dir string) (*brokerProcess, error) {
	cmd := exec.CommandContext(ctx, os.Args[0], "broker", dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the broker did not start: %w", err)
	}
	return &brokerProcess{addr: strings.TrimSpace(addr), cmd: cmd, stdin: stdin}, nil
}

func (b *brokerProcess) stop() {
	b.stdin.Close()
	b.cmd.Wait()
}

func serveBroker(ctx context.Context, dir string) error {
	b, err := broker.Start(ctx, broker.Config{Dir: dir, Addr: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	fmt.Println(b.Addr())
	io.Copy(io.Discard, os.Stdin)
	return b.Close()
}

// discard counts rows and throws them away.
type discard struct {
	ingest.Store
	rows    atomic.Int64
	want    int64
	all     chan struct{}
	onBlock func(b *usage.Batch)
	insert  func(ctx context.Context, span usage.Span, b *usage.Batch) error
}

func (d *discard) InsertEvents(ctx context.Context, span usage.Span, b *usage.Batch) error {
	if d.insert != nil {
		if err := d.insert(ctx, span, b); err != nil {
			return err
		}
	}
	if d.onBlock != nil {
		d.onBlock(b)
	}
	if n := d.rows.Add(int64(b.Len())); n >= d.want && n-int64(b.Len()) < d.want {
		close(d.all)
	}
	return nil
}

func (d *discard) InsertDeadLetters(_ context.Context, _ usage.Span, letters []usage.DeadLetter) error {
	return fmt.Errorf("a record of the benchmark was refused: %s: %s", letters[0].Reason, letters[0].Detail)
}
func (d *discard) Landed(context.Context, usage.Span) (bool, error) { return false, nil }
func (d *discard) LastOffset(context.Context, string, int32) (int64, bool, error) {
	return 0, false, nil
}

func (d *discard) RecentRequestIDs(context.Context, string, int32, time.Time, func(int64, string, []byte)) error {
	return nil
}

// runPart measures one part and prints its result.
func runPart(ctx context.Context, arg string) error {
	var p part
	if err := json.Unmarshal([]byte(arg), &p); err != nil {
		return err
	}
	d := &discard{want: int64(p.Rows), all: make(chan struct{})}
	var r result
	var err error
	if p.Kind == "ceiling" {
		r, err = measureCeiling(ctx, p, d)
	} else {
		r, err = measureIngest(ctx, p, d)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func measureIngest(ctx context.Context, p part, d *discard) (result, error) {
	var observers []ingest.Observer
	var hist latencies
	if p.Kind != "pipeline" {
		db, err := clickhouse.Open(ctx, clickhouse.Config{DataDir: p.DataDir})
		if err != nil {
			return result{}, err
		}
		defer db.Close()
		d.insert = db.InsertEvents
		observers = newObservers(&hist)
		if p.Kind == "latency" {
			d.onBlock = func(b *usage.Batch) { hist.visible.add(b, 0, b.Len(), hist.from.Load()) }
		}
	}
	in, err := newIngester(p, d, observers)
	if err != nil {
		return result{}, err
	}
	stopProfile, err := startProfile(p.Profile)
	if err != nil {
		return result{}, err
	}
	runCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- in.Run(runCtx) }()
	// The group takes a moment to form; what is measured starts with the partitions.
	for len(in.Health().Partitions) < partitions {
		select {
		case err := <-ended:
			return result{}, errors.Join(err, errors.New("ingest ended early"))
		case <-time.After(time.Millisecond):
		}
	}
	m := startGauge()
	if p.Kind == "latency" {
		hist.from.Store(time.Now().Add(warmUp).UnixMilli())
		fmt.Println(ready)
	}
	select {
	case <-d.all:
	case err := <-ended:
		return result{}, errors.Join(err, errors.New("ingest ended early"))
	case <-time.After(5 * time.Minute):
		return result{}, fmt.Errorf("only %d of %d rows after 5 minutes: %+v", d.rows.Load(), p.Rows, in.Health())
	}
	r := m.stop(d.rows.Load())
	stopProfile()
	cancel()
	<-ended
	r.VisibleP99, r.DecisionP99 = hist.visible.percentile(.99), hist.decided.percentile(.99)
	return r, nil
}

func newIngester(p part, d *discard, observers []ingest.Observer) (*ingest.Ingester, error) {
	enricher, err := enrich.New(enrich.Config{})
	if err != nil {
		return nil, err
	}
	return ingest.New(ingest.Config{
		Brokers: []string{p.Broker}, Topics: []string{p.Topic}, Group: fmt.Sprint("bench-", os.Getpid()), Store: d,
		NewDecoder: func(string) (ingest.Decoder, error) {
			return accesslog.New(p.Format, accesslog.Options{Keys: knownKeys{}})
		},
		Enrich: enricher.Fill, Observers: observers, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
}

// knownKeys is a key store that knows the keys of the records, so that detection and quotas have their full work.
type knownKeys struct{}

func (knownKeys) Resolve(plaintext []byte) (keyID string, known bool) {
	digits := strings.TrimPrefix(string(plaintext), "tk_live_")
	return "key_" + digits[:min(5, len(digits))], true
}

// measureCeiling decodes the topic into batches first and then only inserts them, two at a time.
func measureCeiling(ctx context.Context, p part, d *discard) (result, error) {
	var mu sync.Mutex
	var batches []*usage.Batch
	cur := &usage.Batch{}
	d.onBlock = func(b *usage.Batch) {
		mu.Lock()
		defer mu.Unlock()
		var r usage.Record
		for i := range b.Len() {
			b.At(i, &r)
			cur.Append(&r)
			if cur.Len() == ceilingRows {
				batches = append(batches, cur)
				cur = &usage.Batch{}
			}
		}
	}
	if _, err := measureIngest(ctx, part{Kind: "pipeline", Broker: p.Broker, Topic: p.Topic, Format: p.Format, Rows: p.Rows}, d); err != nil {
		return result{}, err
	}
	if cur.Len() > 0 {
		batches = append(batches, cur)
	}
	db, err := clickhouse.Open(ctx, clickhouse.Config{DataDir: p.DataDir})
	if err != nil {
		return result{}, err
	}
	defer db.Close()
	stopProfile, err := startProfile(p.Profile)
	if err != nil {
		return result{}, err
	}
	m := startGauge()
	work := make(chan int)
	errs := make(chan error, inserters)
	var rows atomic.Int64
	for range inserters {
		go func() {
			var failed error
			for i := range work {
				b := batches[i%len(batches)]
				span := usage.Span{Topic: "ceiling", From: int64(i), To: int64(i) + 1, Day: int32(time.Now().Unix() / 86400), Epoch: "1"}
				if err := db.InsertEvents(ctx, span, b); err != nil {
					failed = err
				}
				rows.Add(int64(b.Len()))
			}
			errs <- failed
		}()
	}
	for i := range passes * len(batches) {
		work <- i
	}
	close(work)
	var failed error
	for range inserters {
		failed = errors.Join(failed, <-errs)
	}
	r := m.stop(rows.Load())
	stopProfile()
	return r, failed
}

// ready is what a measured process prints when records may come; those of the first warmUp are not measured.
const (
	ready  = "ready"
	warmUp = 3 * time.Second
)

const (
	ceilingRows = 100_000
	inserters   = 2
	// passes is how often the records go into the engine: long enough that its merges in the background are part of it.
	passes = 4
)

// gauge reads the process's own cost.
type gauge struct {
	wall   time.Time
	cpu    time.Duration
	allocs uint64
}

func startGauge() gauge {
	runtime.GC()
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	return gauge{wall: time.Now(), cpu: cpuTime(), allocs: ms.Mallocs}
}

func (m gauge) stop(rows int64) result {
	wall, cpu := time.Since(m.wall), cpuTime()-m.cpu
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	return result{Rows: rows, Wall: wall, CPU: cpu, Allocs: float64(ms.Mallocs-m.allocs) / float64(rows), PeakMiB: peakMiB()}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func peakMiB() float64 {
	b, _ := os.ReadFile("/proc/self/status")
	for l := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(l, "VmHWM:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(v)[0], 64)
			return kb / 1024
		}
	}
	return 0
}

func startProfile(file string) (func(), error) {
	if file == "" {
		return func() {}, nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() {
		pprof.StopCPUProfile()
		f.Close()
		if a, err := os.Create(strings.TrimSuffix(file, ".prof") + "-allocs.prof"); err == nil {
			pprof.Lookup("allocs").WriteTo(a, 0)
			a.Close()
		}
	}), nil
}
