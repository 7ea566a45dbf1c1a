package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
)

// EnsureTopics creates the topics that are missing, with the given number of partitions and the cluster's default
// replication, on the embedded broker or on any cluster. A topic that exists is left as it is, and needs no right to create it.
func EnsureTopics(ctx context.Context, brokers []string, s Security, topics map[string]int) error {
	if len(topics) == 0 {
		return nil
	}
	transport := &kafka.Transport{TLS: s.TLS, SASL: s.SASL, DialTimeout: 5 * time.Second, IdleTimeout: 5 * time.Second}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(brokers...), Timeout: 15 * time.Second, Transport: transport}
	names := slices.Sorted(maps.Keys(topics))
	req := &kafka.CreateTopicsRequest{}
	for _, name := range names {
		if topics[name] < 1 {
			return fmt.Errorf("topic %s needs at least one partition, not %d; set kafka-partitions", name, topics[name])
		}
		// -1: the cluster's default.replication.factor, so that a three-node cluster gets its replicas without a setting.
		req.Topics = append(req.Topics, kafka.TopicConfig{Topic: name, NumPartitions: topics[name], ReplicationFactor: -1})
	}
	if err := reach(ctx, brokers, s); err != nil {
		return fmt.Errorf("create topics on %v: %w", brokers, err)
	}
	resp, err := client.CreateTopics(ctx, req)
	if err != nil {
		return fmt.Errorf("create topics on %v: %w", brokers, err)
	}
	var problems []error
	for _, name := range names {
		err := resp.Errors[name]
		if err == nil || errors.Is(err, kafka.TopicAlreadyExists) {
			continue
		}
		if denied(err) && there(ctx, client, name) {
			continue
		}
		if denied(err) {
			err = fmt.Errorf("%w; create it by hand, or allow this user Create on it", err)
		}
		problems = append(problems, fmt.Errorf("create topic %s on %v: %w", name, brokers, err))
	}
	return errors.Join(problems...)
}

// reach says why no broker can be talked to: the client library has one error for all of that.
func reach(ctx context.Context, brokers []string, s Security) (err error) {
	dialer := &kafka.Dialer{Timeout: 5 * time.Second, TLS: s.TLS, SASLMechanism: s.SASL}
	for _, b := range brokers {
		var conn *kafka.Conn
		if conn, err = dialer.DialContext(ctx, "tcp", b); err == nil {
			return conn.Close()
		}
	}
	return err
}

func denied(err error) bool {
	return errors.Is(err, kafka.TopicAuthorizationFailed) || errors.Is(err, kafka.ClusterAuthorizationFailed)
}

func there(ctx context.Context, client *kafka.Client, name string) bool {
	res, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{name}})
	return err == nil && len(res.Topics) == 1 && res.Topics[0].Error == nil
}
