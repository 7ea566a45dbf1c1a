package ingest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

const testPepper = "a pepper for tests only"

func formatDecoder(format string) func(string) (Decoder, error) {
	return func(string) (Decoder, error) {
		keys, err := accesslog.NewHMACResolver([]byte(testPepper))
		if err != nil {
			return nil, err
		}
		return accesslog.New(format, accesslog.Options{Keys: keys})
	}
}

// rawLines are nginx lines of which every third has no request id.
func rawLines(from, to int) []string {
	var out []string
	at := time.Now().UTC().Format(time.RFC3339)
	for i := from; i < to; i++ {
		id := fmt.Sprintf("req-%d", i)
		if i%3 == 0 {
			id = ""
		}
		out = append(out, fmt.Sprintf(`{"time":%q,"remote_addr":"192.0.2.1","request_method":"GET","uri":"/v1/x/%d","status":200,"body_bytes_sent":12,"request_time":0.043,"request_id":%q,"http_x_api_key":"sk_live_canary%020d"}`,
			at, i, id, i%17))
	}
	return out
}

func TestRekeyedRecordsCountOnceAndMeetByKey(t *testing.T) {
	c := startCluster(t, 3, "raw", "keyed")
	s := newMemStore()
	for p := range 3 {
		c.produce("raw", p, rawLines(p*400, p*400+400)...)
	}
	c.produce("raw", 1, `{"broken":"sk_live_canary`)
	cfg := RekeyConfig{
		Brokers: []string{c.addr}, Topics: []string{"raw"}, Target: "keyed", Store: s, NewDecoder: formatDecoder("nginx"),
		SessionTimeout: 3 * time.Second, InsertTimeout: time.Second, Source: func(string) string { return "edge" }, Logger: c.config(s).Logger,
	}
	behind := c.config(s)
	behind.Topics, behind.NewDecoder = []string{"keyed"}, formatDecoder("tollkeeper")
	_, stopIngest := run(t, behind)

	// The first owner writes its planned blocks, but dies before it can commit that: the next one writes them again.
	for round := range 2 {
		r, err := NewRekeyer(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		want := 1200 * (round + 1)
		if round == 1 {
			want = 1200 + 1200 + 300
		}
		waitFor(t, "the records are through", 10*time.Second, func() bool { n, _ := s.counted(); return n >= want })
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			k := newKafkaClient(&Config{Brokers: []string{c.addr}, Group: "tollkeeper-rekey"})
			for p := range int32(3) {
				_, end, err := k.bounds(t.Context(), "raw", p)
				if err == nil {
					err = k.commit(t.Context(), generation{id: -1}, "raw", p, 0, plan{epoch: 1, lastRow: -1, pending: []plannedRange{{to: end, day: 1}}}.String())
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			k.close()
			c.produce("raw", 0, rawLines(1200, 1500)...)
		}
	}
	stopIngest()
	rows, counted := s.counted()
	if rows != 2700 || counted != 1500 {
		t.Errorf("%d rows, %d counted, want 2700 and 1500", rows, counted)
	}
	home := map[string]int32{}
	for _, r := range s.rows {
		if p, ok := home[r.KeyID]; ok && p != r.partition {
			t.Fatalf("key %s is in partitions %d and %d", r.KeyID, p, r.partition)
		}
		home[r.KeyID] = r.partition
		if derived := strings.HasPrefix(string(r.RequestID), usage.DerivedRequestID); derived != (r.Flags&usage.FlagNoRequestID != 0) || r.Source != "edge" {
			t.Fatalf("request id %q of source %q has flags %b", r.RequestID, r.Source, r.Flags)
		}
	}
	if len(home) != 17 {
		t.Errorf("%d keys, want 17", len(home))
	}
	if len(s.letters) == 0 || s.where[0].Topic != "raw" {
		t.Errorf("dead letters %v", s.letters)
	}
	for p := range 3 {
		for _, v := range c.values("keyed", p) {
			if strings.Contains(v, "canary") {
				t.Fatalf("a key in clear in Kafka: %s", v)
			}
		}
	}
}

// values reads the messages of a partition.
func (c *cluster) values(topic string, partition int) []string {
	c.t.Helper()
	end := c.PartitionInfo(topic, int32(partition)).HighWatermark
	conn, err := kafka.DialLeader(context.Background(), "tcp", c.addr, topic, partition)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	var out []string
	for int64(len(out)) < end {
		batch := conn.ReadBatch(1, 4<<20)
		for {
			m, err := batch.ReadMessage()
			if err != nil {
				break
			}
			out = append(out, string(m.Key)+" "+string(m.Value))
		}
		if err := batch.Close(); err != nil {
			c.t.Fatal(err)
		}
	}
	return out
}
