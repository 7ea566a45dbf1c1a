package ingest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

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
		return accesslog.New(format, accesslog.Options{Keys: keys, Origins: true})
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
	cfg := c.rekeyConfig(s)
	_, stopIngest := run(t, c.behind(s))

	// The first owner writes its planned blocks, but dies before it can commit that: the next one writes them again.
	for round := range 2 {
		r, stop := startRekeyer(t, cfg)
		want := 1200 * (round + 1)
		if round == 1 {
			want = 1200 + 1200 + 300
		}
		waitFor(t, "the records are through", func() bool { n, _ := s.counted(); return n >= want })
		stop()
		if n := len(r.target.hands); n > 0 {
			t.Errorf("the memory of %d partitions is kept that others may have now", n)
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
		if (len(r.RequestID) == 0) != (r.Flags&usage.FlagNoRequestID != 0) || r.Source != "edge" || !strings.HasPrefix(r.Origin.Partition, "raw/") {
			t.Fatalf("request id %q of source %q and origin %+v has flags %b", r.RequestID, r.Source, r.Origin, r.Flags)
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

// behind is an ingester of the re-keyed topic that counts every request id each time: what it counts once, it does by origin.
func (c *cluster) behind(s *memStore) Config {
	cfg := c.config(s)
	cfg.Topics, cfg.Rekeyed, cfg.NewDecoder, cfg.DedupWindow = []string{"keyed"}, []string{"keyed"}, formatDecoder("tollkeeper"), -1
	return cfg
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

// startRekeyer runs a rekeyer from "raw" into "keyed" and returns how to stop it.
func startRekeyer(t *testing.T, cfg RekeyConfig) (*Rekeyer, func()) {
	t.Helper()
	r, err := NewRekeyer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r, start(t, r.Run)
}

func (c *cluster) rekeyConfig(s *memStore) RekeyConfig {
	return RekeyConfig{
		Brokers: []string{c.addr}, Topics: []string{"raw"}, Target: "keyed", Store: s, NewDecoder: formatDecoder("nginx"),
		SessionTimeout: 30 * time.Second, InsertTimeout: 20 * time.Second, Source: func(string) string { return "edge" }, Logger: c.config(s).Logger,
	}
}

// origins reads the places in "keyed" in the order of the log, by partition.
func (c *cluster) origins(partition int) (out []usage.Origin) {
	c.t.Helper()
	dec, err := formatDecoder("tollkeeper")("")
	if err != nil {
		c.t.Fatal(err)
	}
	var b usage.Batch
	for _, v := range c.values("keyed", partition) {
		_, line, _ := strings.Cut(v, " ")
		if err := dec.Decode([]byte(line), Origin{}, &b); err != nil {
			c.t.Fatalf("%v: %s", err, line)
		}
		out = append(out, b.OriginAt(b.Len()-1))
	}
	return out
}

// What failed is written again before anything that belongs behind it, and never twice when it was acknowledged.
func TestNothingIsWrittenBehindWhatFailed(t *testing.T) {
	c := startCluster(t, 3, "raw", "keyed")
	s := newMemStore()
	produces := 0
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		r := req.(*kmsg.ProduceRequest)
		if r.Topics[0].Topic != "keyed" {
			return nil, nil, false
		}
		if produces++; produces%3 != 0 {
			return nil, nil, false
		}
		res := r.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range r.Topics {
			answer := kmsg.ProduceResponseTopic{Topic: topic.Topic}
			for _, p := range topic.Partitions {
				answer.Partitions = append(answer.Partitions, kmsg.ProduceResponseTopicPartition{Partition: p.Partition, ErrorCode: 6})
			}
			res.Topics = append(res.Topics, answer)
		}
		return res, nil, true
	})
	for p := range 3 {
		for from := range 10 {
			c.produce("raw", p, rawLines(p*10_000+from*100, p*10_000+from*100+100)...)
		}
	}
	_, stopIngest := run(t, c.behind(s))
	_, stop := startRekeyer(t, c.rekeyConfig(s))
	waitFor(t, "the records are through", func() bool { n, _ := s.counted(); return n >= 3000 })
	stop()
	stopIngest()
	if rows, counted := s.counted(); rows != 3000 || counted != 3000 {
		t.Errorf("%d rows, %d counted, want 3000 each", rows, counted)
	}
	for p := range 3 {
		last := map[string]usage.Origin{}
		for _, o := range c.origins(p) {
			if l, ok := last[o.Partition]; ok && !o.After(l) {
				t.Fatalf("partition %d: %+v is written behind %+v", p, o, l)
			}
			last[o.Partition] = o
		}
	}
}

// A planned block goes to the partitions that it was planned for, whatever has been added since.
func TestATargetTopicMayGrow(t *testing.T) {
	c := startCluster(t, 3, "raw", "keyed")
	s := newMemStore()
	for p := range 3 {
		c.produce("raw", p, rawLines(p*400, p*400+400)...)
	}
	_, stopIngest := run(t, c.behind(s))
	defer stopIngest()
	cfg := c.rekeyConfig(s)
	_, stop := startRekeyer(t, cfg)
	waitFor(t, "the records are through", func() bool { n, _ := s.counted(); return n == 1200 })
	stop()
	k := newKafkaClient(&Config{Brokers: []string{c.addr}, Group: "tollkeeper-rekey"})
	defer k.close()
	for p := range int32(3) { // died before the commit behind its block
		c.commit("tollkeeper-rekey", "raw", p, 0, plan{epoch: 1, lastRow: -1, pending: []plannedRange{{to: 400, day: 1, targets: 3}}}.String())
	}
	if res, err := k.client.CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: "keyed", Count: 7}}}); err != nil || res.Errors["keyed"] != nil {
		t.Fatal(err, res)
	}
	c.produce("raw", 0, rawLines(1200, 1500)...)
	startRekeyer(t, cfg)
	waitFor(t, "the rest is through", func() bool { n, _ := s.counted(); return n == 2700 })
	if _, counted := s.counted(); counted != 1500 {
		t.Errorf("%d counted, want 1500", counted)
	}
	moved := false
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		moved = moved || r.partition >= 3
	}
	if !moved {
		t.Error("new blocks do not use the new partitions")
	}
}

func TestARekeyerWithoutOffsetsGoesOnNearItsEnd(t *testing.T) {
	c := startCluster(t, 3, "raw", "keyed")
	s := newMemStore()
	const far = maxRekeySpan + 3000
	c.produce("raw", 1, rawLines(0, far)...)
	_, stopIngest := run(t, c.behind(s))
	defer stopIngest()
	cfg := c.rekeyConfig(s)
	_, stop := startRekeyer(t, cfg)
	waitFor(t, "the records are through", func() bool { n, _ := s.counted(); return n == far })
	stop()
	var written [3]int // before the group forgot its offsets
	for p := range written {
		written[p] = len(c.origins(p))
	}
	c.produce("raw", 1, rawLines(far, far+500)...)
	cfg.Group = "forgotten"
	_, stop = startRekeyer(t, cfg)
	waitFor(t, "the rest is through", func() bool { _, n := s.counted(); return n >= far+500 })
	stop()
	if _, counted := s.counted(); counted != far+500 {
		t.Errorf("%d counted, want %d", counted, far+500)
	}
	first, again := int64(far), 0
	for p := range written {
		for _, o := range c.origins(p)[written[p]:] {
			first = min(first, o.Offset)
			again++
		}
	}
	if first != far-maxRekeySpan || again < maxRekeySpan+500 {
		t.Errorf("%d were written from %d on, want %d from %d on", again, first, maxRekeySpan+500, far-maxRekeySpan)
	}

	// Were the records written again to other partitions, nobody there would know them.
	k := newKafkaClient(&Config{Brokers: []string{c.addr}})
	defer k.close()
	if res, err := k.client.CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: "keyed", Count: 7}}}); err != nil || res.Errors["keyed"] != nil {
		t.Fatal(err, res)
	}
	cfg.Group = "forgotten again"
	r, _ := startRekeyer(t, cfg)
	waitFor(t, "the partition is stopped", func() bool {
		for _, p := range r.Health().Partitions {
			if p.Partition == 1 && p.Stopped {
				return strings.Contains(p.Waiting, "--replay") && strings.Contains(p.Waiting, "7 partitions")
			}
		}
		return false
	})
}

// A line that was refused, and taken when its block was written again, counts by its record or by its dead letter, not both.
func TestALineThatIsTakenTheSecondTimeCountsOnce(t *testing.T) {
	c := startCluster(t, 1, "raw", "keyed")
	s := newMemStore()
	at := time.Now().UnixMilli()
	line := func(i int, bad string) string { return fmt.Sprintf("%sr%d %d k", bad, i, at) }
	c.produce("raw", 0, line(0, ""), line(1, "bad:"), line(2, ""), line(3, "bad:"))
	behind := c.behind(s)
	_, stopIngest := run(t, behind)
	defer stopIngest()
	cfg := c.rekeyConfig(s)
	cfg.NewDecoder = func(string) (Decoder, error) { return lineDecoder{}, nil }
	_, stop := startRekeyer(t, cfg)
	waitFor(t, "the good lines are through", func() bool { n, _ := s.counted(); return n == 2 })
	stop()
	c.commit("tollkeeper-rekey", "raw", 0, 0, plan{epoch: 1, lastRow: -1, pending: []plannedRange{{to: 4, day: 1, targets: 1}}}.String())
	cfg.NewDecoder = func(string) (Decoder, error) { return mendedDecoder{}, nil }
	_, stop = startRekeyer(t, cfg)
	waitFor(t, "the block is written again", func() bool { n, _ := s.counted(); return n == 6 })
	stop()
	if _, counted := s.counted(); counted != 3 { // line 1 came behind line 2's mark
		t.Errorf("%d count, want lines 0, 2 and 3", counted)
	}
	behind.NewDecoder = func(string) (Decoder, error) { return mendedDecoder{}, nil }
	in, err := New(behind)
	if err != nil {
		t.Fatal(err)
	}
	defer in.kafka.close()
	for range 2 {
		res, err := in.ReplayDeadLetters(t.Context(), "raw", 0, []int64{1, 3}, false)
		if err != nil || len(res.Stored) != 2 {
			t.Errorf("%+v, %v", res, err)
		}
		if _, counted := s.counted(); counted != 4 {
			t.Errorf("%d count after the replay, want all 4", counted)
		}
	}
}
