package kafkatest

import (
	"context"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
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
	c.Nodes[1].Kill()
	write()
	c.Nodes[1].Restart()
	c.Nodes[1].WaitUp(60 * time.Second)
	write()
}
