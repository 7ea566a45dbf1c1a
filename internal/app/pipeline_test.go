package app

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/broker"
	"github.com/tollkeeper/tollkeeper/internal/config"
)

// The program may be up before the Kafka that it reads from.
func TestTopicsAreMadeOnceABrokerThatWasAwayAtTheStartIsThere(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := free.Addr().String()
	require.NoError(t, free.Close())

	c := config.Default()
	c.Kafka, c.KafkaPartitions, c.Topics, c.RekeyTopics = addr, 3, []string{"a"}, []string{"b"}
	a := &App{Log: slog.New(slog.DiscardHandler), cfg: c, now: time.Now, failed: make(chan error, 1)}
	defer func() { require.NoError(t, a.Stop(context.WithoutCancel(t.Context()))) }()
	require.NoError(t, a.openLog(t.Context()))

	b, err := broker.Start(t.Context(), broker.Config{Dir: t.TempDir(), Addr: addr})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	client := &kafka.Client{Addr: kafka.TCP(addr)}
	require.Eventually(t, func() bool {
		m, err := client.Metadata(t.Context(), &kafka.MetadataRequest{Topics: []string{"a", "b", rekeyedTopic}})
		if err != nil {
			return false
		}
		for _, topic := range m.Topics {
			if topic.Error != nil || len(topic.Partitions) != 3 {
				return false
			}
		}
		return len(m.Topics) == 3
	}, 60*time.Second, 200*time.Millisecond)
}
