package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// kafkaClient holds the ways to talk to the cluster: single requests, group membership, and data connections.
type kafkaClient struct {
	brokers   []string
	group     string
	transport *kafka.Transport
	client    *kafka.Client
	members   *connSet // connections of the group member, to be cut at shutdown
	memberDia *kafka.Dialer
	dataDia   kafka.Dialer
}

func newKafkaClient(cfg *Config) *kafkaClient {
	id := "tollkeeper"
	if cfg.Instance != "" {
		id += "-" + cfg.Instance
	}
	k := &kafkaClient{brokers: cfg.Brokers, group: cfg.Group, members: &connSet{conns: map[net.Conn]struct{}{}}}
	k.transport = &kafka.Transport{
		ClientID: id, TLS: cfg.TLS, SASL: cfg.SASL, DialTimeout: 5 * time.Second, IdleTimeout: 30 * time.Second, MetadataTTL: 5 * time.Second,
	}
	k.client = &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Transport: k.transport, Timeout: 10 * time.Second}
	k.memberDia = &kafka.Dialer{ClientID: id, Timeout: 5 * time.Second, TLS: cfg.TLS, SASLMechanism: cfg.SASL, DialFunc: k.members.dial}
	k.dataDia = kafka.Dialer{ClientID: id, Timeout: 5 * time.Second, TLS: cfg.TLS, SASLMechanism: cfg.SASL}
	return k
}

func (k *kafkaClient) close() { k.transport.CloseIdleConnections() }

// dialTimeout bounds one broker's answer to where a partition's leader is; the client library would ask it for ever.
const dialTimeout = 5 * time.Second

// dialPartition connects to the partition's leader, asking each broker in turn where that is. The client library finds the
// leader and does the handshakes; what it leaves is the bare connection, for package kafkalog.
func (k *kafkaClient) dialPartition(ctx context.Context, topic string, partition int32) (net.Conn, error) {
	var last error
	for _, b := range k.brokers {
		try, cancel := context.WithTimeout(ctx, dialTimeout)
		conn, err := k.dialLeader(try, b, topic, int(partition))
		cancel()
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, fmt.Errorf("connect to the leader of %s/%d: %w", topic, partition, last)
}

func (k *kafkaClient) dialLeader(ctx context.Context, broker, topic string, partition int) (net.Conn, error) {
	p, err := k.dataDia.LookupPartition(ctx, "tcp", broker, topic, partition)
	if err != nil {
		return nil, err
	}
	return k.dialBroker(ctx, p)
}

// dialBroker connects to the leader that p names, and does the handshakes.
func (k *kafkaClient) dialBroker(ctx context.Context, p kafka.Partition) (conn net.Conn, err error) {
	// The library keeps its connection to itself, so the dialler is given a way that keeps hold of it: TLS included.
	d := k.dataDia
	d.TLS = nil
	d.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err = dialTLS(ctx, network, addr, k.dataDia.TLS)
		return conn, err
	}
	if _, err := d.DialPartition(ctx, "tcp", "", p); err != nil {
		return nil, err
	}
	return conn, nil
}

// dialTLS is how the client library dials.
func dialTLS(ctx context.Context, network, addr string, cfg *tls.Config) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}
	if cfg == nil {
		return dialer.DialContext(ctx, network, addr)
	}
	return (&tls.Dialer{NetDialer: &dialer, Config: cfg}).DialContext(ctx, network, addr)
}

// bounds returns the first offset that the log still holds and the next one to be written.
func (k *kafkaClient) bounds(ctx context.Context, topic string, partition int32) (first, end int64, err error) {
	res, err := k.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		topic: {kafka.FirstOffsetOf(int(partition)), kafka.LastOffsetOf(int(partition))},
	}})
	if err != nil {
		return 0, 0, fmt.Errorf("offsets of %s/%d: %w", topic, partition, err)
	}
	for _, p := range res.Topics[topic] {
		if p.Partition == int(partition) {
			if p.Error != nil {
				return 0, 0, fmt.Errorf("offsets of %s/%d: %w", topic, partition, p.Error)
			}
			return p.FirstOffset, p.LastOffset, nil
		}
	}
	return 0, 0, fmt.Errorf("offsets of %s/%d: the broker did not answer for it", topic, partition)
}

// committed returns the group's offset of a partition and its metadata; -1 when there is none.
func (k *kafkaClient) committed(ctx context.Context, topic string, partition int32) (int64, string, error) {
	return k.committedBy(ctx, k.group, topic, partition)
}

func (k *kafkaClient) committedBy(ctx context.Context, group, topic string, partition int32) (int64, string, error) {
	res, err := k.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {int(partition)}}})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return 0, "", fmt.Errorf("committed offset of %s/%d: %w", topic, partition, err)
	}
	for _, p := range res.Topics[topic] {
		if p.Partition == int(partition) {
			if p.Error != nil {
				return 0, "", fmt.Errorf("committed offset of %s/%d: %w", topic, partition, p.Error)
			}
			return p.CommittedOffset, p.Metadata, nil
		}
	}
	return -1, "", nil
}

// generation is what fences a commit: a member that has been replaced is refused.
type generation struct {
	id     int
	member string
}

// errFenced means that this member no longer owns the partition. Nothing more may be planned.
var errFenced = errors.New("the partition has another owner now")

func (k *kafkaClient) commit(ctx context.Context, g generation, topic string, partition int32, offset int64, metadata string) error {
	res, err := k.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: k.group, GenerationID: g.id, MemberID: g.member,
		Topics: map[string][]kafka.OffsetCommit{topic: {{Partition: int(partition), Offset: offset, Metadata: metadata}}},
	})
	if err != nil {
		return fmt.Errorf("commit %s/%d: %w", topic, partition, err)
	}
	for _, p := range res.Topics[topic] {
		if p.Partition != int(partition) {
			continue
		}
		switch {
		case p.Error == nil:
			return nil
		case errors.Is(p.Error, kafka.IllegalGeneration), errors.Is(p.Error, kafka.UnknownMemberId),
			errors.Is(p.Error, kafka.RebalanceInProgress), errors.Is(p.Error, kafka.FencedInstanceID):
			return fmt.Errorf("commit %s/%d in generation %d: %w: %w", topic, partition, g.id, errFenced, p.Error)
		case errors.Is(p.Error, kafka.OffsetMetadataTooLarge):
			return fmt.Errorf("commit %s/%d: %w; raise offset.metadata.max.bytes of the brokers to its default, %d", topic, partition, p.Error, maxPlanBytes)
		default:
			return fmt.Errorf("commit %s/%d: %w", topic, partition, p.Error)
		}
	}
	return fmt.Errorf("commit %s/%d: the broker did not answer for it", topic, partition)
}

// evictPredecessor removes what an earlier run of this very instance left in the group, so that its partitions are free
// now instead of after its session time-out. Should that run be alive after all, it is fenced, joins again and loses
// nothing.
func (k *kafkaClient) evictPredecessor(ctx context.Context) (int, error) {
	res, err := k.client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{k.group}})
	if err != nil {
		return 0, fmt.Errorf("describe group %s: %w", k.group, err)
	}
	var gone []kafka.LeaveGroupRequestMember
	for _, g := range res.Groups {
		for _, m := range g.Members {
			if m.ClientID == k.transport.ClientID {
				gone = append(gone, kafka.LeaveGroupRequestMember{ID: m.MemberID})
			}
		}
	}
	if len(gone) == 0 {
		return 0, nil
	}
	left, err := k.client.LeaveGroup(ctx, &kafka.LeaveGroupRequest{GroupID: k.group, Members: gone})
	if err == nil {
		err = left.Error
	}
	if err != nil {
		return 0, fmt.Errorf("take a dead member out of group %s: %w", k.group, err)
	}
	return len(gone), nil
}

// nobodyReads says that the group is settled, and no member of it has a partition.
func (k *kafkaClient) nobodyReads(ctx context.Context) (bool, error) {
	res, err := k.client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{k.group}})
	if err != nil {
		return false, fmt.Errorf("describe group %s: %w", k.group, err)
	}
	for _, g := range res.Groups {
		if g.Error != nil || g.GroupState != "Stable" {
			return false, g.Error
		}
		for _, m := range g.Members {
			for _, t := range m.MemberAssignments.Topics {
				if len(t.Partitions) > 0 {
					return false, nil
				}
			}
		}
	}
	return len(res.Groups) > 0, nil
}

// connSet tracks the group member's connections. kafka-go waits for a join up to the rebalance time-out and cannot be
// interrupted; cutting its connection does.
type connSet struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

func (s *connSet) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[conn] = struct{}{}
	return &trackedConn{Conn: conn, set: s}, nil
}

func (s *connSet) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
	clear(s.conns)
}

type trackedConn struct {
	net.Conn
	set *connSet
}

func (c *trackedConn) Close() error {
	c.set.mu.Lock()
	delete(c.set.conns, c.Conn)
	c.set.mu.Unlock()
	return c.Conn.Close()
}
