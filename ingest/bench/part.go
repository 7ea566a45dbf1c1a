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
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
	// In the program the broker shares its heap with all the rest. Alone it has a few MiB, of which every second answer would
	// start a collection: more than half of its cost, and nothing that a Kafka has.
	debug.SetGCPercent(800)
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
	blocks  atomic.Int64
	want    int64
	all     chan struct{}
	warm    int64 // when so many rows are in, what is measured begins
	onWarm  func(rows int64)
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
	d.blocks.Add(1)
	after := d.rows.Add(int64(b.Len()))
	before := after - int64(b.Len())
	if d.onWarm != nil && before < d.warm && after >= d.warm {
		d.onWarm(after)
	}
	if before < d.want && after >= d.want {
		close(d.all)
	}
	return nil
}

func (d *discard) InsertDeadLetters(_ context.Context, _ usage.Span, letters []usage.DeadLetter) error {
	return fmt.Errorf("a record of the benchmark was refused: %s: %s", letters[0].Reason, letters[0].Detail)
}
func (d *discard) Landed(context.Context, usage.Span) (bool, error) { return false, nil }
func (d *discard) LandedOffsets(context.Context, usage.Span, int32, []int64) ([]int64, error) {
	return nil, nil
}
func (d *discard) TopicID(context.Context, string, int32) (string, error) { return "", nil }

func (d *discard) NoteTopicID(context.Context, string, int32, string) error { return nil }

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
	d := &discard{want: int64(p.Rows), warm: int64(p.Warm), all: make(chan struct{})}
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
	r.BlockRows = int(d.rows.Load() / max(d.blocks.Load(), 1))
	return json.NewEncoder(os.Stdout).Encode(r)
}

func measureIngest(ctx context.Context, p part, d *discard) (result, error) {
	var observers []ingest.Observer
	var hist latencies
	engine := 0
	if p.Kind == "end-to-end" || p.Kind == "latency" {
		db, err := clickhouse.Open(ctx, clickhouse.Config{DataDir: p.DataDir})
		if err != nil {
			return result{}, err
		}
		defer db.Close()
		d.insert, engine = db.InsertEvents, db.EnginePID()
		observers = newObservers(ctx, &hist)
		if p.Kind == "latency" {
			d.onBlock = func(b *usage.Batch) { hist.visible.add(b.TimeMillis, hist.from.Load()) }
		}
	}
	reg := prometheus.NewRegistry()
	in, err := newIngester(p, d, observers, reg)
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
	for len(in.Health().Partitions) < p.Partitions {
		select {
		case err := <-ended:
			return result{}, errors.Join(err, errors.New("ingest ended early"))
		case <-time.After(time.Millisecond):
		}
	}
	m := startGauge(engine, p.BrokerPID)
	// Decoding is ahead of inserting: counted is what was decoded, so that what was done before the start does not count.
	d.onWarm = func(int64) { m.restart(decoded(reg)) }
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
	r := m.stop(decoded(reg))
	stopProfile()
	cancel()
	<-ended
	r.VisibleP99, r.DecisionP99 = hist.visible.percentile(.99), hist.decided.percentile(.99)
	return r, nil
}

// decoded reads how many records ingest has decoded so far.
func decoded(reg *prometheus.Registry) int64 {
	families, _ := reg.Gather()
	for _, f := range families {
		if f.GetName() == "tollkeeper_ingest_records_total" {
			return int64(f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	return 0
}

func newIngester(p part, d *discard, observers []ingest.Observer, reg *prometheus.Registry) (*ingest.Ingester, error) {
	enricher, err := enrich.New(enrich.Config{})
	if err != nil {
		return nil, err
	}
	return ingest.New(ingest.Config{
		Brokers: []string{p.Broker}, Topics: []string{p.Topic}, Group: fmt.Sprint("bench-", os.Getpid()), Store: d,
		NewDecoder: func(string) (ingest.Decoder, error) {
			return accesslog.New(p.Format, accesslog.Options{Keys: knownKeys{}})
		},
		Enrich: enricher.Fill, Observers: observers, Registerer: reg, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
}

// knownKeys is a key store that knows the keys of the records, so that detection and quotas have their full work.
type knownKeys struct{}

func (knownKeys) Resolve(plaintext []byte) (keyID string, known bool) {
	digits := strings.TrimPrefix(string(plaintext), "tk_live_")
	return "key_" + digits[:min(5, len(digits))], true
}

// ready is what a measured process prints when records may come; those of the first warmUp are not measured.
const (
	ready  = "ready"
	warmUp = 3 * time.Second
)
