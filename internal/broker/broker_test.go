package broker

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, dir string) *Broker {
	t.Helper()
	b, err := Start(t.Context(), Config{Dir: dir, Addr: "127.0.0.1:0", Topics: map[string]int{"logs": 2}, SyncWrites: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestMessagesAndOffsetsOutliveARestart(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir)
	conn, err := kafka.DialLeader(t.Context(), "tcp", b.Addr(), "logs", 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := conn.WriteMessages(kafka.Message{Value: fmt.Appendf(nil, "line %d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	conn.Close()
	tr := &kafka.Transport{}
	client := &kafka.Client{Addr: kafka.TCP(b.Addr()), Transport: tr}
	if _, err := client.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{
		GroupID: "g", GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{"logs": {{Partition: 1, Offset: 2, Metadata: "plan"}}},
	}); err != nil {
		t.Fatal(err)
	}
	tr.CloseIdleConnections()
	b.Close()

	b = start(t, dir)
	conn, err = kafka.DialLeader(t.Context(), "tcp", b.Addr(), "logs", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	for i := range 3 {
		m, err := conn.ReadMessage(1 << 20)
		if err != nil || string(m.Value) != fmt.Sprintf("line %d", i) {
			t.Fatalf("message %d = %q, %v", i, m.Value, err)
		}
	}
	tr = &kafka.Transport{}
	defer tr.CloseIdleConnections()
	client = &kafka.Client{Addr: kafka.TCP(b.Addr()), Transport: tr}
	got, err := client.OffsetFetch(t.Context(), &kafka.OffsetFetchRequest{GroupID: "g", Topics: map[string][]int{"logs": {1}}})
	if err != nil {
		t.Fatal(err)
	}
	if p := got.Topics["logs"][0]; p.CommittedOffset != 2 || p.Metadata != "plan" {
		t.Errorf("committed = %d %q, want 2 \"plan\"", p.CommittedOffset, p.Metadata)
	}
}

func TestABusyPortIsNamedTogetherWithTheSetting(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = Start(t.Context(), Config{Dir: t.TempDir(), Addr: ln.Addr().String()})
	if err == nil {
		t.Fatal("started on a port in use")
	}
	for _, want := range []string{ln.Addr().String(), "kafka-listen", "in use"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not name %q", err, want)
		}
	}
}

func TestASecondBrokerOnTheSameFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	start(t, dir)
	if _, err := Start(t.Context(), Config{Dir: dir, Addr: "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("second broker on one folder: %v", err)
	}
}

func TestBadAddressesAreRefused(t *testing.T) {
	for _, addr := range []string{"127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000"} {
		if _, err := Start(t.Context(), Config{Dir: t.TempDir(), Addr: addr}); err == nil || !strings.Contains(err.Error(), "kafka-listen") {
			t.Errorf("Start(%q) = %v, want an error naming the setting", addr, err)
		}
	}
}

func TestLinesOlderThanTheRetentionAreDropped(t *testing.T) {
	b, err := Start(t.Context(), Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", Topics: map[string]int{"logs": 1}, RetentionAge: 7 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	conn, err := kafka.DialLeader(t.Context(), "tcp", b.Addr(), "logs", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, age := range []time.Duration{8 * 24 * time.Hour, 6 * 24 * time.Hour, 0} {
		if _, err := conn.WriteMessages(kafka.Message{Value: []byte("line"), Time: time.Now().Add(-age)}); err != nil {
			t.Fatal(err)
		}
	}
	b.cluster.ApplyRetention()
	if first, last, err := conn.ReadOffsets(); err != nil || first != 1 || last != 3 {
		t.Errorf("offsets %d to %d, %v; want 1 to 3", first, last, err)
	}
}

func TestLinesBeyondTheSizeThatIsKeptAreDropped(t *testing.T) {
	b, err := Start(t.Context(), Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", Topics: map[string]int{"logs": 1}, RetentionBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	conn, err := kafka.DialLeader(t.Context(), "tcp", b.Addr(), "logs", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	line := make([]byte, 100_000)
	for range 30 {
		if _, err := conn.WriteMessages(kafka.Message{Value: line}); err != nil {
			t.Fatal(err)
		}
	}
	b.cluster.ApplyRetention()
	if first, last, err := conn.ReadOffsets(); err != nil || first < 18 || first > 21 || last != 30 {
		t.Errorf("offsets %d to %d, %v; want about the last ten, to 30", first, last, err)
	}
}

func TestEnsureTopicsLeavesExistingOnesAlone(t *testing.T) {
	b := start(t, t.TempDir())
	if err := EnsureTopics(t.Context(), []string{b.Addr()}, Security{}, map[string]int{"logs": 7, "more": 3}); err != nil {
		t.Fatal(err)
	}
	conn, err := kafka.DialContext(context.Background(), "tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ps, err := conn.ReadPartitions("logs", "more")
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, p := range ps {
		n[p.Topic]++
	}
	if n["logs"] != 2 || n["more"] != 3 {
		t.Errorf("partitions = %v, want logs 2, more 3", n)
	}
}
