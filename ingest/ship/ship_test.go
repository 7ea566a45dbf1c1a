package ship

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// shelf is a Kafka topic of one partition and a log file.
type shelf struct {
	t       *testing.T
	cluster *kfake.Cluster
	addr    string
	file    string
	format  string
}

func newShelf(t *testing.T, format string) *shelf {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "logs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &shelf{t: t, cluster: c, addr: c.ListenAddrs()[0], file: filepath.Join(t.TempDir(), "access.log"), format: format}
}

func (s *shelf) config() Config {
	return Config{
		File: s.file, Brokers: []string{s.addr}, Topic: "logs", Source: "edge-1", Poll: 5 * time.Millisecond, Drain: 200 * time.Millisecond,
		NewDecoder: func() (accesslog.Decoder, error) { return s.decoder(s.format) }, Logger: slog.New(slog.NewTextHandler(testWriter{s.t}, nil)),
	}
}

func (s *shelf) decoder(format string) (accesslog.Decoder, error) {
	keys, err := accesslog.NewHMACResolver([]byte("a pepper for tests only"))
	if err != nil {
		return nil, err
	}
	return accesslog.New(format, accesslog.Options{Keys: keys})
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func (s *shelf) run(cfg Config) (*Shipper, func()) {
	s.t.Helper()
	sh, err := New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := sh.Run(ctx); err != nil {
			s.t.Errorf("Run() = %v", err)
		}
	}()
	stop := sync.OnceFunc(func() { cancel(); <-done })
	s.t.Cleanup(stop)
	return sh, stop
}

func (s *shelf) append(lines ...string) {
	s.t.Helper()
	f, err := os.OpenFile(s.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.WriteString(f, strings.Join(lines, "\n")+"\n"); err != nil {
		s.t.Fatal(err)
	}
}

// messages reads the whole topic.
func (s *shelf) messages() []kafka.Message {
	s.t.Helper()
	end := s.cluster.PartitionInfo("logs", 0).HighWatermark
	if end == 0 {
		return nil
	}
	conn, err := kafka.DialLeader(context.Background(), "tcp", s.addr, "logs", 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	var out []kafka.Message
	for int64(len(out)) < end {
		batch := conn.ReadBatch(1, 4<<20)
		for {
			m, err := batch.ReadMessage()
			if err != nil {
				break
			}
			out = append(out, m)
		}
		if err := batch.Close(); err != nil {
			s.t.Fatal(err)
		}
	}
	return out
}

// identities decodes the topic and returns each record's request id; rejected lines are counted apart.
func (s *shelf) identities() (ids []string, rejected int) {
	s.t.Helper()
	dec, err := s.decoder("tollkeeper")
	if err != nil {
		s.t.Fatal(err)
	}
	var b usage.Batch
	for _, m := range s.messages() {
		b.Reset()
		err := dec.Decode(m.Value, accesslog.Origin{ReceivedMillis: time.Now().UnixMilli()}, &b)
		var r *accesslog.Reject
		if errors.As(err, &r) {
			rejected++
			continue
		}
		if err != nil || b.Len() != 1 || b.Source.At(0) != "edge-1" {
			s.t.Fatalf("%q: %v, %d records", m.Value, err, b.Len())
		}
		if string(m.Key) != b.KeyID.At(0) {
			s.t.Errorf("message key %q, key id %q", m.Key, b.KeyID.At(0))
		}
		ids = append(ids, string(b.RequestID.At(0)))
	}
	return ids, rejected
}

func (s *shelf) waitShipped(n int) {
	s.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		got := s.cluster.PartitionInfo("logs", 0).HighWatermark
		if got >= int64(n) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%d of %d lines are in Kafka", got, n)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func combined(from, to int) []string {
	var out []string
	at := time.Now().UTC().Format("02/Jan/2006:15:04:05 -0700")
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf(`192.0.2.%d - alice [%s] "GET /v1/items/%d HTTP/1.1" 200 %d "-" "curl/8.1"`, i%250, at, i, i))
	}
	return out
}

func distinct(ids []string) int {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return len(slices.Compact(ids))
}

func TestALogIsShippedLineByLineWithIdentitiesOfItsOwn(t *testing.T) {
	s := newShelf(t, "combined")
	_, stop := s.run(s.config())
	s.append(combined(0, 10)...)
	s.waitShipped(10)
	s.append(combined(10, 5000)...)
	s.waitShipped(5000)
	stop()
	ids, rejected := s.identities()
	if len(ids) != 5000 || distinct(ids) != 5000 || rejected != 0 {
		t.Errorf("%d records, %d identities, %d rejected", len(ids), distinct(ids), rejected)
	}
}

// Whoever calls chooses the length of his paths: with a batch of them that the brokers refuse, shipping would stand still for good.
func TestLongLinesThatCannotBePackedAreShippedInRequestsThatBrokersTake(t *testing.T) {
	s := newShelf(t, "combined")
	rng := rand.New(rand.NewPCG(1, 2))
	at := time.Now().UTC().Format("02/Jan/2006:15:04:05 -0700")
	var lines []string
	for i := range 1500 {
		path := make([]byte, usage.MaxPathBytes-2)
		for j := range path {
			path[j] = 'a' + byte(rng.IntN(26))
		}
		lines = append(lines, fmt.Sprintf(`192.0.2.%d - alice [%s] "GET /%s HTTP/1.1" 200 5 "-" "curl/8.1"`, i%250, at, path))
	}
	s.append(lines...)
	s.run(s.config())
	s.waitShipped(len(lines))
}

func TestShippingGoesOnWhereItStoppedAndARepeatHasTheSameIdentity(t *testing.T) {
	s := newShelf(t, "combined")
	s.append(combined(0, 100)...)
	_, stop := s.run(s.config())
	s.waitNoted()
	stop()
	s.append(combined(100, 150)...)
	noted, err := os.ReadFile(s.file + ".tollkeeper")
	if err != nil {
		t.Fatal(err)
	}
	_, stop = s.run(s.config())
	s.waitNoted()
	stop()
	// Killed after Kafka had the lines, but before the position was noted.
	if err := os.WriteFile(s.file+".tollkeeper", noted, 0o600); err != nil {
		t.Fatal(err)
	}
	_, stop = s.run(s.config())
	s.waitShipped(200)
	stop()
	if ids, _ := s.identities(); len(ids) != 200 || distinct(ids) != 150 {
		t.Errorf("%d records with %d identities, want 200 with 150", len(ids), distinct(ids))
	}
}

func TestRotationLosesNothing(t *testing.T) {
	for name, rotate := range rotations {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t, "combined")
			_, stop := s.run(s.config())
			total := 0
			for i := range 5 {
				s.append(combined(total, total+50)...)
				s.waitShipped(total + 50)
				s.append(combined(total+50, total+100)...) // not read yet when the file goes
				total += 100
				rotate(s)
				if name == "renamed" { // the gateway goes on in the renamed file until it reopens its log
					f, err := os.OpenFile(s.file+".1", os.O_APPEND|os.O_WRONLY, 0)
					if err != nil {
						t.Fatal(err)
					}
					fmt.Fprintln(f, combined(total, total+1)[0])
					f.Close()
					total++
				}
				if i == 3 { // rotated while nobody was shipping
					stop()
					_, stop = s.run(s.config())
				}
				time.Sleep(30 * time.Millisecond)
			}
			s.append(combined(total, total+10)...)
			total += 10
			s.waitShipped(total)
			time.Sleep(300 * time.Millisecond) // past Drain: old files are let go
			stop()
			if ids, rejected := s.identities(); distinct(ids) != total || rejected != 0 {
				t.Errorf("%d records, %d identities, %d rejected, want %d", len(ids), distinct(ids), rejected, total)
			}
		})
	}
}

func TestNoKeyInClearReachesKafka(t *testing.T) {
	const canary = "sk_live_canary0123456789abcdef"
	s := newShelf(t, "nginx")
	at := time.Now().UTC().Format(time.RFC3339)
	s.append(
		`{"time":"`+at+`","remote_addr":"192.0.2.1","request_method":"GET","uri":"/v1/x","status":200,"body_bytes_sent":12,"request_time":0.043,"request_id":"7f","http_x_api_key":"`+canary+`"}`,
		`{"time":"`+at+`","remote_addr":"192.0.2.1","request_method":"GET","uri":"/v1/x?api_key=`+canary+`","status":`,
		"garbage "+canary,
		"",
		strings.Repeat(canary+" ", 60_000),
	)
	_, stop := s.run(s.config())
	s.waitShipped(5)
	stop()
	ids, rejected := s.identities()
	if len(ids) != 1 || rejected != 4 {
		t.Errorf("%d records and %d rejected lines, want 1 and 4", len(ids), rejected)
	}
	for _, m := range s.messages() {
		if strings.Contains(string(m.Value)+string(m.Key), "canary") {
			t.Errorf("a key in clear: %.200q", m.Value)
		}
	}
	if b, _ := os.ReadFile(s.file + ".tollkeeper"); strings.Contains(string(b), "canary") {
		t.Errorf("state file shows a key")
	}
}

func TestFromEndSkipsWhatWasThere(t *testing.T) {
	s := newShelf(t, "combined")
	s.append(combined(0, 50)...)
	cfg := s.config()
	cfg.FromEnd = true
	_, stop := s.run(cfg)
	time.Sleep(50 * time.Millisecond)
	s.append(combined(50, 53)...)
	s.waitShipped(3)
	stop()
	if ids, _ := s.identities(); len(ids) != 3 {
		t.Errorf("%d records, want the three new ones", len(ids))
	}
}

func TestKafkaAwayIsWaitedFor(t *testing.T) {
	s := newShelf(t, "combined")
	cfg := s.config()
	cfg.Brokers = []string{"127.0.0.1:1"}
	s.append(combined(0, 3)...)
	sh, stop := s.run(cfg)
	deadline := time.Now().Add(10 * time.Second)
	for sh.Status().Failing == "" && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if st := sh.Status(); st.Failing == "" || st.Shipped != 0 {
		t.Errorf("status %+v with Kafka away", st)
	}
	stop()
}

func TestABadStateFileIsNamed(t *testing.T) {
	s := newShelf(t, "combined")
	cfg := s.config()
	if err := os.WriteFile(s.file+".tollkeeper", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	sh, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := sh.Run(t.Context()); err == nil || !strings.Contains(err.Error(), s.file+".tollkeeper") {
		t.Errorf("Run() = %v", err)
	}
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "--topic") {
		t.Errorf("New(Config{}) = %v", err)
	}
}
