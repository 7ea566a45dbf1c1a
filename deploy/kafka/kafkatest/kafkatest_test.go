package kafkatest

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tollkeeper/tollkeeper/ingest/kafkalog"
)

func TestAClusterSurvivesTheDeathOfANode(t *testing.T) {
	c := Start(t, 3)
	c.CreateTopic(t, "logs", 3)
	w := &kafka.Writer{Addr: kafka.TCP(c.Brokers()...), Topic: "logs", RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond, MaxAttempts: 50}
	defer w.Close()
	write := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		if err := w.WriteMessages(ctx, kafka.Message{Value: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	write()
	// What the protocol's newer messages are read like is shown here with the real broker.
	ids := map[string]bool{}
	for _, addr := range c.Brokers() {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		id, err := kafkalog.TopicID(conn, "test", "logs")
		conn.Close()
		if err != nil || len(id) != 32 {
			t.Errorf("the id of topic logs is %q, %v", id, err)
		}
		ids[id] = true
	}
	if len(ids) != 1 {
		t.Errorf("the nodes give topic logs the ids %v", ids)
	}
	c.Nodes[1].Kill()
	write()
	c.Nodes[1].Restart()
	c.Nodes[1].WaitUp(60 * time.Second)
	write()
}
