// Command bench measures ingest: the way of a record from Kafka into ClickHouse, on one machine, in one run.
//
//	go run ./ingest/bench            the whole table; `make bench-ingest`
//	go run ./ingest/bench -spine     end to end beside the insert ceiling only; `make bench-spine`
//	go run ./ingest/bench -in-order  the same for one partition
//	go run ./ingest/bench -latency   (d) only
//	go run ./ingest/bench -pgo FILE  the profile that the compiler optimises for; `make profile`
//
// Records are those of shared/scenarios (seed 1, two days: real cardinalities of keys, routes, addresses and agents), written
// as nginx JSON and tollkeeper JSON of about 600 bytes, into topics of four partitions with lz4 and zstd. What is measured runs
// in a process of its own, so that its CPU time (getrusage) and peak memory (VmHWM) are ingest's alone: the broker is another
// process, the ClickHouse engine a third. Both share the machine's cores with it, so wall-clock rates are those of all three
// together, and (b) and (c) are comparable.
//
//	(a) pipeline   fetch, decode, enrich, deduplicate; the store throws blocks away. Rows per CPU-second.
//	(b) ceiling    decoded blocks of the same records into the engine as fast as it takes them. Rows per second.
//	(c) end to end Kafka to ClickHouse with detection and quota counting on. Rows per second, allocations, peak memory.
//	(d) latency    50,000 records/s for 20 s: from the record's time to the acknowledged insert, and until detection has judged it,
//	               which it does when the record's second is over, and with what there is of it five times a second.
//
// (b) and (c) are measured twice, for there are two questions:
//
//   - In order: a topic of one partition, against the same blocks inserted one after the other. Exactly once means that a
//     partition's blocks go in one by one, so this is the unit that scales: partitions, cores and engines are added to it.
//     `end_to_end_over_ceiling` says how much of an engine's time is left unused because ingest, detection and quotas did
//     not have the next block ready.
//   - All cores: a topic of four partitions, against as many inserters side by side as there are cores, nothing else
//     running. `end_to_end_over_parallel_ceiling` can not come near 1 where broker, ingest and engine share the cores: the
//     ceiling's engine has all of them, and end to end it has its part. It is bounded by CPU time: what a row costs the
//     engine, over what it costs all three together; the table shows the engine's and ingest's part per row.
//
// The ceiling's blocks are those of end to end: the same rows in the same order, all columns filled, as many rows per block as
// end to end came to have; they are encoded beforehand. End to end and ceiling take turns, three times; medians count. Both
// are measured from an empty engine and cold caches to the last row; of (a) the first quarter warms it up.
//
// The last line is one JSON object.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := dispatch(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// dispatch runs a part that was started as a process of its own, or the benchmark.
func dispatch(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "engine":
			var cfg clickhouse.EngineConfig
			f := flag.NewFlagSet("engine", flag.ContinueOnError)
			f.StringVar(&cfg.Socket, "socket", "", "")
			f.StringVar(&cfg.DataDir, "path", "", "")
			f.StringVar(&cfg.Library, "library", "", "")
			if err := f.Parse(args[1:]); err != nil {
				return err
			}
			return clickhouse.ServeEngine(ctx, cfg)
		case "broker":
			return serveBroker(ctx, args[1])
		case "part":
			return runPart(ctx, args[1])
		}
	}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	spine := f.Bool("spine", false, "only end to end and the insert ceiling")
	inOrder := f.Bool("in-order", false, "only end to end and the insert ceiling, of a topic of one partition")
	latency := f.Bool("latency", false, "only the latencies at 50,000 records/s")
	rows := f.Int("rows", 800_000, "records of the scenario; each topic has them twice, on different days and with other request ids")
	formats := f.String("formats", "nginx,tollkeeper", "")
	profile := f.String("profile", "", "write CPU profiles of the measured parts into this folder")
	pgo := f.String("pgo", "", "only write the profile that the compiler optimises for into this file")
	if err := f.Parse(args); err != nil {
		return err
	}
	what := benchAll
	switch {
	case *spine:
		what = benchSpine
	case *inOrder:
		what = benchInOrder
	case *latency:
		what = benchLatency
	case *pgo != "":
		what = benchProfile(*pgo)
	}
	return bench(ctx, what, *rows, strings.Split(*formats, ","), *profile)
}

// part says what a measured process does; result is what it found.
type part struct {
	Kind       string // pipeline, ceiling, decode, end-to-end, latency
	Broker     string
	Topic      string
	Partitions int
	Format     string
	Rows, Warm int // the first Warm of the rows are not measured
	BlockRows  int // of the ceiling
	Inserters  int // of the ceiling
	DataDir    string
	Profile    string
	BrokerPID  int
}

type result struct {
	Rows           int64
	Wall           time.Duration
	CPU, EngineCPU time.Duration
	BrokerCPU      time.Duration
	BlockRows      int     // the mean
	Allocs         float64 // per record
	PeakMiB        float64
	VisibleP99     float64 // ms
	DecisionP99    float64
}

func (r result) perCPUSecond() float64 { return float64(r.Rows) / r.CPU.Seconds() }
func (r result) perSecond() float64    { return float64(r.Rows) / r.Wall.Seconds() }

// microsPerRow of a time.
func (r result) microsPerRow(of time.Duration) float64 {
	return float64(of.Nanoseconds()) / 1000 / float64(r.Rows)
}

// busy is the part of the cores' time that ingest, engine and broker used together.
func (r result) busy() float64 {
	return (r.CPU + r.EngineCPU + r.BrokerCPU).Seconds() / (r.Wall.Seconds() * float64(runtime.NumCPU()))
}

func bench(ctx context.Context, what func(*run, []record, []string) error, rows int, formats []string, profile string) error {
	dir, err := os.MkdirTemp("", "tollkeeper-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	records, err := loadRecords(ctx, rows)
	if err != nil {
		return err
	}
	kafka, err := startBroker(ctx, filepath.Join(dir, "kafka"))
	if err != nil {
		return err
	}
	defer kafka.stop()
	b := &run{ctx: ctx, dir: dir, broker: kafka.addr, brokerPID: kafka.cmd.Process.Pid, profile: profile}
	fmt.Printf("%s, %d cores, %s, %s, %d records\n\n", cpuName(), runtime.NumCPU(), runtime.Version(), time.Now().UTC().Format(time.DateOnly), len(records))
	return what(b, records, formats)
}

type run struct {
	ctx                  context.Context
	dir, broker, profile string
	brokerPID            int
	n                    int
}

func (b *run) do(p part) (result, error) { return b.doWhenReady(p, nil) }

// doWhenReady runs one part in a process of its own, and calls whenReady when it waits for records.
func (b *run) doWhenReady(p part, whenReady func()) (result, error) {
	b.n++
	p.Broker, p.BrokerPID = b.broker, b.brokerPID
	p.DataDir = filepath.Join(b.dir, fmt.Sprint("part", b.n))
	if b.profile != "" {
		p.Profile = filepath.Join(b.profile, fmt.Sprintf("%s-%s.prof", p.Kind, p.Topic))
	}
	// The folder stays until the end: where so many files were deleted lately, ext4 takes its time to find room for new ones,
	// and the next part would pay for it.
	arg, err := json.Marshal(p)
	if err != nil {
		return result{}, err
	}
	cmd := exec.CommandContext(b.ctx, os.Args[0], "part", string(arg))
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return result{}, err
	}
	if err := cmd.Start(); err != nil {
		return result{}, err
	}
	var out string
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if out = lines.Text(); out == ready && whenReady != nil {
			whenReady()
		}
	}
	if err := cmd.Wait(); err != nil {
		return result{}, fmt.Errorf("%s of %s: %w", p.Kind, p.Topic, err)
	}
	var r result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		return result{}, fmt.Errorf("%s of %s: %w", p.Kind, p.Topic, err)
	}
	if r.Rows == 0 {
		return r, errors.New("no rows were measured")
	}
	return r, nil
}

func benchSpine(b *run, records []record, _ []string) error {
	if _, err := produce(b.ctx, b.broker, topicOf{"spine", "tollkeeper", "lz4", partitions}, records); err != nil {
		return err
	}
	p, err := b.against("spine", "tollkeeper", passes*len(records), partitions)
	if err != nil {
		return err
	}
	fmt.Printf("%-44s %12s\n", "", "records/s")
	fmt.Printf("%-44s %12.0f\n", "raw inserts into the engine", p.ceiling.perSecond())
	fmt.Printf("%-44s %12.0f\n\n", "Kafka to ClickHouse, detection on", p.end.perSecond())
	return last(map[string]float64{
		"records_per_second": round(p.end.perSecond(), 0), "insert_ceiling_per_second": round(p.ceiling.perSecond(), 0),
		"end_to_end_over_parallel_ceiling": round(p.ratio(), 3),
	})
}

func benchInOrder(b *run, records []record, formats []string) error {
	heading()
	pair, err := b.inOrder(records, formats[0])
	if err != nil {
		return err
	}
	return last(map[string]float64{"end_to_end_over_ceiling": round(pair.ratio(), 3), "allocs_per_record": round(pair.end.Allocs, 4), "peak_mib": round(pair.end.PeakMiB, 0)})
}

// inOrder measures a topic of one partition.
func (b *run) inOrder(records []record, format string) (pair, error) {
	t := topicOf{format + "-one", format, "lz4", 1}
	size, err := produce(b.ctx, b.broker, t, records)
	if err != nil {
		return pair{}, err
	}
	p, err := b.against(t.name, format, passes*len(records), t.partitions)
	if err != nil {
		return pair{}, err
	}
	line("ceiling, in order", t, size, p.ceiling)
	line("end to end, in order", t, size, p.end)
	return p, nil
}

func heading() {
	fmt.Printf("%-22s %-11s %-5s %9s %11s %9s %6s %10s %10s %9s %9s %9s %6s\n", "part", "format", "codec", "bytes/rec", "rows/CPU-s", "rows/s", "MB/s", "allocs/rec", "rows/block",
		"ingest µs", "engine µs", "broker µs", "busy")
}

func line(p string, t topicOf, size float64, r result) {
	fmt.Printf("%-22s %-11s %-5s %9.0f %11.0f %9.0f %6.0f %10.3f %10d %9.2f %9.2f %9.2f %5.0f%%\n", p, t.format, t.codec, size, r.perCPUSecond(), r.perSecond(), r.perSecond()*size/1e6,
		r.Allocs, r.BlockRows, r.microsPerRow(r.CPU), r.microsPerRow(r.EngineCPU), r.microsPerRow(r.BrokerCPU), 100*r.busy())
}

func benchAll(b *run, records []record, formats []string) error {
	heading()
	rows := passes * len(records)
	lowest := 0.0
	sizes := map[string]float64{}
	for _, format := range formats {
		best := 0.0
		for _, codec := range []string{"lz4", "zstd"} {
			t := topicOf{format + "-" + codec, format, codec, partitions}
			size, err := produce(b.ctx, b.broker, t, records)
			if err != nil {
				return err
			}
			r, err := b.do(part{Kind: "pipeline", Topic: t.name, Partitions: t.partitions, Format: format, Rows: rows, Warm: rows / 4})
			if err != nil {
				return err
			}
			sizes[t.name] = size
			line("pipeline", t, size, r)
			best = max(best, r.perCPUSecond())
		}
		if lowest == 0 || best < lowest {
			lowest = best
		}
	}
	inOrder, err := b.inOrder(records, formats[0])
	if err != nil {
		return err
	}
	four := topicOf{formats[0] + "-lz4", formats[0], "lz4", partitions}
	parallel, err := b.against(four.name, four.format, rows, four.partitions)
	if err != nil {
		return err
	}
	line("ceiling, all cores", four, sizes[four.name], parallel.ceiling)
	line("end to end, all cores", four, sizes[four.name], parallel.end)
	latency, err := b.latency(records)
	if err != nil {
		return err
	}
	end := parallel.end
	fmt.Printf("\nend to end over ceiling: %.3f in order, %.3f with all cores\n", inOrder.ratio(), parallel.ratio())
	fmt.Printf("peak memory of ingest, end to end: %.0f MiB\nat 50,000 records/s: row visible p99 %.0f ms, decision p99 %.0f ms\n\n", end.PeakMiB, latency.VisibleP99, latency.DecisionP99)
	return last(map[string]float64{
		"pipeline_rows_per_cpu_second": round(lowest, 0), "end_to_end_over_ceiling": round(inOrder.ratio(), 3),
		"end_to_end_over_parallel_ceiling": round(parallel.ratio(), 3), "ingest_us_per_row": round(end.microsPerRow(end.CPU), 2),
		"allocs_per_record": round(end.Allocs, 4), "peak_mib": round(end.PeakMiB, 0),
		"visible_p99_ms": round(latency.VisibleP99, 0), "decision_p99_ms": round(latency.DecisionP99, 0),
	})
}

func benchLatency(b *run, records []record, _ []string) error {
	r, err := b.latency(records)
	if err != nil {
		return err
	}
	return last(map[string]float64{"visible_p99_ms": round(r.VisibleP99, 0), "decision_p99_ms": round(r.DecisionP99, 0)})
}

func last(figures map[string]float64) error {
	out, err := json.Marshal(figures)
	if err != nil {
		return err
	}
	fmt.Println(string(out))
	return nil
}

func cpuName() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for l := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(l, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return runtime.GOARCH
}
