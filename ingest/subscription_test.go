package ingest

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// storedOf counts the rows of a topic.
func (s *memStore) storedOf(topic string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.rows {
		if r.topic == topic {
			n++
		}
	}
	return n
}

func (c *cluster) createTopic(topic string, partitions int) {
	c.t.Helper()
	k := newKafkaClient(&Config{Brokers: []string{c.addr}})
	defer k.close()
	res, err := k.client.CreateTopics(c.t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}}})
	if err != nil || res.Errors[topic] != nil {
		c.t.Fatal(err, res)
	}
}

func (c *cluster) deleteTopic(topic string) {
	c.t.Helper()
	k := newKafkaClient(&Config{Brokers: []string{c.addr}})
	defer k.close()
	res, err := k.client.DeleteTopics(c.t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err != nil || res.Errors[topic] != nil {
		c.t.Fatal(err, res)
	}
}

// One topic that is not there takes nothing from the others, whether it was never made or is deleted while it is read; and
// it is read once it is there.
func TestATopicThatIsNotThereHoldsUpNoOther(t *testing.T) {
	c := startCluster(t, 2, "logs")
	s := newMemStore()
	cfg := c.config(s)
	cfg.Topics = []string{"later", "logs"}
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	in.topicsEvery = 50 * time.Millisecond
	defer start(t, in.Run)()
	sent := 0
	more := func() {
		t.Helper()
		for p := range 2 {
			c.produce("logs", p, numbered(sent, sent+50)...)
			sent += 50
		}
		waitFor(t, fmt.Sprint(sent, " rows of the other topic"), func() bool { return s.storedOf("logs") == sent })
	}
	told := func() {
		t.Helper()
		waitFor(t, "health tells of the topic", func() bool {
			h := in.Health()
			return !h.Ready && strings.Contains(h.Reason, "topic later cannot be read: it is not there")
		})
	}
	told()
	more()
	c.createTopic("later", 1)
	c.produce("later", 0, numbered(10_000, 10_010)...)
	waitFor(t, "the topic is read", func() bool { return s.storedOf("later") == 10 && in.Health().Ready })
	more()
	c.deleteTopic("later")
	told()
	more()
}

func TestTopicsOfWhichNoneIsThereAreWaitedFor(t *testing.T) {
	c := startCluster(t, 1, "another")
	s := newMemStore()
	in, err := New(c.config(s))
	if err != nil {
		t.Fatal(err)
	}
	in.topicsEvery = 50 * time.Millisecond
	defer start(t, in.Run)()
	waitFor(t, "health tells of the topic", func() bool { return strings.Contains(in.Health().Reason, "topic logs cannot be read: it is not there") })
	c.createTopic("logs", 1)
	c.produce("logs", 0, numbered(0, 10)...)
	waitFor(t, "the topic is read", func() bool { return s.storedOf("logs") == 10 && in.Health().Ready })
}

// The group's leader looks for partitions when it joins, and begins to watch them after that. A topic that comes in between is there
// for the one and new to nobody, so no member is given any of its partitions.
func TestATopicThatComesWhileTheGroupIsJoinedIsRead(t *testing.T) {
	c := startCluster(t, 2, "logs")
	s := newMemStore()
	in, err := New(c.config(s))
	if err != nil {
		t.Fatal(err)
	}
	in.topicsEvery, in.idleEvery = time.Hour, 50*time.Millisecond
	c.produce("logs", 0, numbered(0, 10)...)
	c.produce("logs", 1, numbered(10, 20)...)
	var asked atomic.Int32
	c.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req, ok := r.(*kmsg.MetadataRequest)
		if !ok || len(req.Topics) == 0 || asked.Add(1) != 2 { // the second to ask for topics by name is the leader
			return nil, nil, false
		}
		res, _ := req.ResponseKind().(*kmsg.MetadataResponse)
		for i := range req.Topics {
			res.Topics = append(res.Topics, kmsg.MetadataResponseTopic{Topic: req.Topics[i].Topic, ErrorCode: kerr.UnknownTopicOrPartition.Code})
		}
		host, port, _ := net.SplitHostPort(c.addr)
		n, _ := strconv.Atoi(port)
		res.Brokers = []kmsg.MetadataResponseBroker{{Host: host, Port: int32(n)}}
		return res, nil, true
	})
	defer start(t, in.Run)()
	waitFor(t, "the topic is read", func() bool { return s.storedOf("logs") == 20 && in.Health().Ready })
	if asked.Load() < 2 {
		t.Errorf("the leader was not blinded: topics were asked for %d times", asked.Load())
	}
}

// The user may read one topic of two: the other takes nothing from it. With a wrong password the reason says so, and shows no
// password.
func TestADeniedTopicHoldsUpNoOtherAndAWrongPasswordIsNamed(t *testing.T) {
	allow := func(kind kmsg.ACLResourceType, name string, op kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: kind, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true}
	}
	cl, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "logs", "secret"), kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "admin", "admin"),
		kfake.User("PLAIN", "reader", "the password", allow(kmsg.ACLResourceTypeTopic, "logs", kmsg.ACLOperationRead), allow(kmsg.ACLResourceTypeGroup, "g", kmsg.ACLOperationRead)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	c := &cluster{cl, t, cl.ListenAddrs()[0]}
	admin := &kafka.Dialer{SASLMechanism: plain.Mechanism{Username: "admin", Password: "admin"}}
	conn, err := admin.DialLeader(t.Context(), "tcp", c.addr, "logs", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, line := range numbered(0, 10) {
		if _, err := conn.WriteMessages(kafka.Message{Value: []byte(line)}); err != nil {
			t.Fatal(err)
		}
	}
	s := newMemStore()
	cfg := c.config(s)
	cfg.Topics, cfg.SASL = []string{"secret", "logs"}, plain.Mechanism{Username: "reader", Password: "a wrong word"}
	in, stop := run(t, cfg)
	waitFor(t, "health tells of the password", func() bool {
		h := in.Health()
		return !h.Ready && strings.Contains(h.Reason, "SASL Authentication Failed") && strings.Contains(h.Reason, "check kafka-user, kafka-password and kafka-sasl")
	})
	if reason := in.Health().Reason; strings.Contains(reason, "wrong word") {
		t.Errorf("the reason shows the password: %s", reason)
	}
	stop()
	cfg.SASL = plain.Mechanism{Username: "reader", Password: "the password"}
	in, _ = run(t, cfg)
	waitFor(t, "the allowed topic is read", func() bool { return s.storedOf("logs") == 10 })
	waitFor(t, "health tells of the other", func() bool {
		return strings.Contains(in.Health().Reason, "topic secret cannot be read: Kafka does not allow it")
	})
	positions, err := in.Positions(t.Context())
	if err != nil || len(positions) != 2 {
		t.Fatalf("positions %+v, %v; want one of each topic", positions, err)
	}
	for _, p := range positions {
		if (p.Topic == "logs") != (p.Stopped == "") || (p.Topic == "logs") != (p.Committed >= 0) {
			t.Errorf("position %+v", p)
		}
	}
}
