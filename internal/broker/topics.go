package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
)

// EnsureTopics creates the topics that are missing, with the given number of partitions and the cluster's default
// replication, on the embedded broker or on any cluster. A topic that exists is left as it is.
func EnsureTopics(ctx context.Context, brokers []string, topics map[string]int) error {
	if len(topics) == 0 {
		return nil
	}
	transport := &kafka.Transport{DialTimeout: 5 * time.Second, IdleTimeout: 5 * time.Second}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(brokers...), Timeout: 15 * time.Second, Transport: transport}
	req := &kafka.CreateTopicsRequest{}
	for name, partitions := range topics {
		if partitions < 1 {
			return fmt.Errorf("topic %s needs at least one partition, not %d; set kafka-partitions", name, partitions)
		}
		// -1: the cluster's default.replication.factor, so that a three-node cluster gets its replicas without a setting.
		req.Topics = append(req.Topics, kafka.TopicConfig{Topic: name, NumPartitions: partitions, ReplicationFactor: -1})
	}
	slices.SortFunc(req.Topics, func(a, b kafka.TopicConfig) int {
		if a.Topic < b.Topic {
			return -1
		}
		return 1
	})
	resp, err := client.CreateTopics(ctx, req)
	if err != nil {
		return fmt.Errorf("create topics on %v: %w", brokers, err)
	}
	for name, err := range resp.Errors {
		if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s on %v: %w", name, brokers, err)
		}
	}
	return nil
}
