package kafkalog

import (
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"
)

func topicID(t *testing.T, c *kfake.Cluster, topic string) (string, error) {
	t.Helper()
	conn, err := net.Dial("tcp", c.ListenAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	first, err := TopicID(conn, "test", topic)
	if err != nil {
		return "", err
	}
	if again, err := TopicID(conn, "test", topic); err != nil || again != first {
		t.Errorf("asked again on the same connection: %q, %v, want %q", again, err, first)
	}
	return first, nil
}

func TestATopicThatIsMadeAnewHasAnotherID(t *testing.T) {
	c := kfake.MustCluster(kfake.NumBrokers(3), kfake.SeedTopics(40, "logs", "others"))
	defer c.Close()
	first, err := topicID(t, c, "logs")
	if err != nil || len(first) != 32 {
		t.Fatalf("id %q, %v", first, err)
	}
	if other, err := topicID(t, c, "others"); err != nil || other == first {
		t.Errorf("another topic has id %q, %v", other, err)
	}
	if err := c.DeleteTopic("logs"); err != nil {
		t.Fatal(err)
	}
	if id, err := topicID(t, c, "logs"); !errors.Is(err, kafka.UnknownTopicOrPartition) || !strings.Contains(err.Error(), "topic logs") {
		t.Errorf("a topic that is not there: %q, %v", id, err)
	}
	if err := c.CreateTopic("logs", 40, nil); err != nil {
		t.Fatal(err)
	}
	if second, err := topicID(t, c, "logs"); err != nil || second == first || len(second) != 32 {
		t.Errorf("made anew it has id %q, %v; before it had %q", second, err, first)
	}
}

func TestABrokerWithoutTopicIDsGivesNone(t *testing.T) {
	c := kfake.MustCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "logs"), kfake.MaxVersions(kversion.V2_4_0()))
	defer c.Close()
	if id, err := topicID(t, c, "logs"); err != nil || id != "" {
		t.Errorf("id %q, %v", id, err)
	}
}

// Whatever is answered, the answer is an id or an error.
func FuzzTopicID(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x01\x00\x03\x00\x00\x00\x0c"), []byte("\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\x02\x00\x00\x05logs0123456789abcdef"))
	f.Fuzz(func(t *testing.T, versions, metadata []byte) {
		here, there := net.Pipe()
		defer here.Close()
		go func() {
			defer there.Close()
			buf := make([]byte, 1024)
			for i, answer := range [][]byte{versions, metadata} {
				if _, err := there.Read(buf); err != nil {
					return
				}
				b := binary.BigEndian.AppendUint32(nil, uint32(len(answer)+4))
				b = binary.BigEndian.AppendUint32(b, uint32(i+1))
				if _, err := there.Write(append(b, answer...)); err != nil {
					return
				}
			}
		}()
		if id, err := TopicID(here, "test", "logs"); err == nil && id != "" && len(id) != 32 {
			t.Errorf("id %q", id)
		}
	})
}
