package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/deploy/kafka/kafkatest"
)

// The plan of a block is in the metadata of the offset commit. Brokers that have no room for it get nothing inserted, and are told of.
func TestBrokersWithoutRoomForAPlanAreToldOfAndNothingIsInsertedWithoutOne(t *testing.T) {
	k := kafkatest.Start(t, 1, "offset.metadata.max.bytes=20")
	k.CreateTopic(t, "access-log", 2)
	dir, brokers := t.TempDir(), strings.Join(k.Brokers(), ",")
	s := serve(t, "--data", dir, "--kafka", brokers)
	sent := produce(t, brokers, 0, 500)
	eventually(t, 60*time.Second, func() error {
		if code, body := s.ready(); code != http.StatusServiceUnavailable || !strings.Contains(body, "raise offset.metadata.max.bytes of the brokers to its default, 4096") {
			return fmt.Errorf("/readyz: %d %s", code, body)
		}
		return nil
	})
	s.wantTotal(0)

	k.Nodes[0].Kill()
	k.Nodes[0].Set("offset.metadata.max.bytes", "4096")
	k.Nodes[0].Restart()
	s.wantReady(60 * time.Second)
	s.wantTotal(sent)
	s.wantExact(dir)
}

// A replica that was left behind becomes the leader when no other is left: what only the old leader had is gone from the log, and its
// offsets are given to others.
func TestAnUncleanElectionStopsThePartitionUntilAnOperatorHasDecided(t *testing.T) {
	k := kafkatest.Start(t, 3)
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(k.Brokers()...), Transport: transport}
	res, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: "access-log", NumPartitions: -1, ReplicationFactor: -1, ReplicaAssignments: []kafka.ReplicaAssignment{{Partition: 0, Replicas: []int{1, 2}}},
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "unclean.leader.election.enable", ConfigValue: "true"}, {ConfigName: "min.insync.replicas", ConfigValue: "1"}},
	}}})
	require.NoError(t, err)
	require.NoError(t, res.Errors["access-log"])
	dir, brokers := t.TempDir(), strings.Join(k.Brokers(), ",")
	s := serve(t, "--data", dir, "--kafka", brokers)
	s.wantReady(60 * time.Second)
	s.wantTotal(produce(t, brokers, 0, 300))

	leader, behind := k.Nodes[0], k.Nodes[1]
	behind.Kill()
	produce(t, brokers, 300, 200)
	s.wantTotal(500)
	s.idle()
	leader.Kill()
	behind.Restart()
	eventually(t, 90*time.Second, func() error {
		if code, body := s.ready(); code != http.StatusServiceUnavailable || !strings.Contains(body, "unclean leader election") {
			return fmt.Errorf("/readyz: %d %s", code, body)
		}
		return nil
	})
	leader.Restart()
	leader.WaitUp(60 * time.Second)
	produce(t, brokers, 500, 300) // at offsets that were read already, and beyond
	s.stop()

	s = serve(t, "--data", dir, "--kafka", brokers)
	eventually(t, 60*time.Second, func() error {
		if code, body := s.ready(); code != http.StatusServiceUnavailable || !strings.Contains(body, "ended at 300") {
			return fmt.Errorf("/readyz: %d %s", code, body)
		}
		return nil
	})
	s.stop()
	s = serve(t, "--data", dir, "--kafka", brokers, "--on-gap", "continue")
	s.wantTotal(800)
	s.wantReady(60 * time.Second)
	out, errOut, code := tollkeeper(t, "audit", "--data", dir)
	require.Zero(t, code, "%s%s", out, errOut)
	require.Contains(t, out, "the log was cut back to offset 300 after everything below 500 had been read")
}
