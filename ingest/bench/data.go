package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tollkeeper/tollkeeper/internal/broker"
)

const (
	// partitions of most topics.
	partitions = 4
	// passes is how often a topic has the records, each time with other request ids: long enough that the engine's merges in
	// the background are part of what is measured.
	passes = 2
)

// topicOf is a topic to be written.
type topicOf struct {
	name, format, codec string
	partitions          int
}

// record is one of the scenario's.
type record struct {
	at        time.Time
	Time      string           `json:"time"`
	RequestID string           `json:"request_id"`
	KeyID     string           `json:"key_id"`
	Method    string           `json:"method"`
	Host      string           `json:"host"`
	Path      string           `json:"path"`
	Status    int              `json:"status"`
	LatencyMs float64          `json:"latency_ms"`
	BytesIn   int64            `json:"request_bytes"`
	BytesOut  int64            `json:"response_bytes"`
	ClientIP  string           `json:"client_ip"`
	Agent     string           `json:"user_agent"`
	Units     map[string]int64 `json:"units"`
}

// loadRecords reads the scenario, making it first if need be, and moves its end to now.
func loadRecords(ctx context.Context, n int) ([]record, error) {
	shared := os.Getenv("TOLLKEEPER_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "shared")
	}
	dir := filepath.Join(".cache", "bench")
	file := filepath.Join(dir, "events.jsonl.gz")
	if _, err := os.Stat(file); err != nil {
		fmt.Fprintln(os.Stderr, "making the records (once)")
		if out, err := exec.CommandContext(ctx, "python3", filepath.Join(shared, "scenarios", "scenario.py"), "--seed", "1", "--days", "2",
			"--warmup-days", "1", "--out", dir).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("make the records with scenario.py of TOLLKEEPER_SHARED: %w: %s", err, out)
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return nil, err
	}
	records := make([]record, 0, n)
	for dec := json.NewDecoder(z); len(records) < n; {
		var r record
		if err := dec.Decode(&r); err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			return nil, err
		}
		if r.at, err = time.Parse(time.RFC3339Nano, r.Time); err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	if len(records) == 0 {
		return nil, errors.New("no records")
	}
	shift := time.Since(records[len(records)-1].at)
	for i := range records {
		records[i].at = records[i].at.Add(shift).UTC()
	}
	return records, nil
}

// line writes a record as a gateway would, of about 600 bytes.
func (r *record) line(dst []byte, format string, rng *rand.Rand) []byte {
	trace := rng.Uint64()
	switch format {
	case "nginx":
		return fmt.Appendf(dst, `{"time":"%s","msec":"%.3f","connection":"%d","remote_addr":"%s","remote_user":"","request_method":"%s","request_uri":"%s?limit=50&cursor=%016x",`+
			`"server_protocol":"HTTP/1.1","status":"%d","body_bytes_sent":"%d","request_length":"%d","request_time":"%.3f","upstream_response_time":"%.3f","upstream_addr":"10.0.3.17:8080","request_id":"%s",`+
			`"http_host":"%s","http_user_agent":"%s","http_referer":"","http_x_forwarded_for":"","http_x_api_key":"tk_live_%s000000000000000000","ssl_protocol":"TLSv1.3","ssl_cipher":"TLS_AES_256_GCM_SHA384"}`,
			r.at.Format(time.RFC3339Nano), float64(r.at.UnixMilli())/1000, trace%100000, r.ClientIP, r.Method, r.Path, trace, r.Status, r.BytesOut, r.BytesIn, r.LatencyMs/1000, r.LatencyMs/1000,
			r.RequestID, r.Host, r.Agent, strings.TrimPrefix(r.KeyID, "key_"))
	default:
		dst = fmt.Appendf(dst, `{"time":"%s","request_id":"%s","key_id":"%s","method":"%s","host":"%s","path":"%s","status":%d,"latency_ms":%.2f,"request_bytes":%d,"response_bytes":%d,"client_ip":"%s","user_agent":"%s"`,
			r.at.Format(time.RFC3339Nano), r.RequestID, r.KeyID, r.Method, r.Host, r.Path, r.Status, r.LatencyMs, r.BytesIn, r.BytesOut, r.ClientIP, r.Agent)
		if len(r.Units) > 0 {
			units, _ := json.Marshal(r.Units)
			dst = fmt.Appendf(dst, `,"units":%s`, units)
		}
		return fmt.Appendf(dst, `,"source":"edge-eu-1","trace":{"trace_id":"%016x%016x","span_id":"%016x","sampled":true},"upstream":{"addr":"10.0.3.17:8080","ms":%.2f,"tries":1},"tls":{"version":"TLSv1.3","cipher":"TLS_AES_256_GCM_SHA384"},"region":"eu-central-1","pod":"edge-7d9c8b6f5-%05x"}`,
			trace, trace, trace, r.LatencyMs, trace%4096)
	}
}

func (r *record) partition(of int) int {
	h := fnv.New32a()
	h.Write([]byte(r.KeyID))
	return int(h.Sum32() % uint32(of))
}

// produce writes all records, pass after pass, and returns their mean length.
func produce(ctx context.Context, addr string, t topicOf, records []record) (float64, error) {
	if err := broker.EnsureTopics(ctx, []string{addr}, broker.Security{}, map[string]int{t.name: t.partitions}); err != nil {
		return 0, err
	}
	compression := kafka.Lz4
	if t.codec == "zstd" {
		compression = kafka.Zstd
	}
	writers := make([]*kafka.Conn, t.partitions)
	for p := range writers {
		c, err := kafka.DialLeader(ctx, "tcp", addr, t.name, p)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		writers[p] = c
	}
	rng := rand.New(rand.NewPCG(1, 2))
	batches := make([][]kafka.Message, t.partitions)
	var bytes int
	flush := func(p int) error {
		if len(batches[p]) == 0 {
			return nil
		}
		_, err := writers[p].WriteCompressedMessages(compression.Codec(), batches[p]...)
		batches[p] = batches[p][:0]
		return err
	}
	span := records[len(records)-1].at.Sub(records[0].at)
	for pass := range passes {
		for i := range records {
			r := records[i]
			r.at = r.at.Add(-time.Duration(passes-1-pass) * span)
			r.RequestID = fmt.Sprintf("r%02d%s", pass, r.RequestID[min(3, len(r.RequestID)):])
			p := r.partition(t.partitions)
			v := r.line(nil, t.format, rng)
			bytes += len(v)
			if batches[p] = append(batches[p], kafka.Message{Value: v}); len(batches[p]) == 1000 {
				if err := flush(p); err != nil {
					return 0, err
				}
			}
		}
	}
	for p := range batches {
		if err := flush(p); err != nil {
			return 0, err
		}
	}
	return float64(bytes) / float64(passes*len(records)), ctx.Err()
}

// latency writes 50,000 records/s for 20 s, each with the time at which it is written, and measures beside it.
func (b *run) latency(records []record) (result, error) {
	const perSecond, seconds = 50_000, 20
	topic := "latency"
	if err := broker.EnsureTopics(b.ctx, []string{b.broker}, broker.Security{}, map[string]int{topic: partitions}); err != nil {
		return result{}, err
	}
	done := make(chan error, 1)
	r, err := b.doWhenReady(part{Kind: "latency", Topic: topic, Partitions: partitions, Format: "tollkeeper", Rows: perSecond * seconds}, func() {
		go func() { done <- b.trickle(topic, records, perSecond, seconds) }()
	})
	if err != nil {
		return r, err
	}
	return r, <-done
}

func (b *run) trickle(topic string, records []record, perSecond, seconds int) error {
	var writers [partitions]*kafka.Conn
	for p := range writers {
		c, err := kafka.DialLeader(b.ctx, "tcp", b.broker, topic, p)
		if err != nil {
			return err
		}
		defer c.Close()
		writers[p] = c
	}
	rng := rand.New(rand.NewPCG(3, 4))
	started := time.Now()
	const tick = 20 * time.Millisecond
	step := perSecond / int(time.Second/tick)
	n := 0
	for n < perSecond*seconds {
		var batches [partitions][]kafka.Message
		for range step {
			r := records[n%len(records)]
			r.at = time.Now().UTC()
			r.RequestID = fmt.Sprintf("lat_%012x", n)
			p := r.partition(partitions)
			batches[p] = append(batches[p], kafka.Message{Value: r.line(nil, "tollkeeper", rng)})
			n++
		}
		for p := range batches {
			if len(batches[p]) > 0 {
				if _, err := writers[p].WriteCompressedMessages(kafka.Lz4.Codec(), batches[p]...); err != nil {
					return err
				}
			}
		}
		if d := time.Duration(n)*time.Second/time.Duration(perSecond) - time.Since(started); d > 0 {
			time.Sleep(d)
		}
		if b.ctx.Err() != nil {
			return b.ctx.Err()
		}
	}
	return nil
}

func round(v float64, digits int) float64 {
	f := math.Pow10(digits)
	return math.Round(v*f) / f
}
