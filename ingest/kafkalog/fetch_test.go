package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
)

// leader connects to the one broker of a cluster in this process.
func leader(t *testing.T, c *kfake.Cluster) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", c.ListenAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

func startCluster(t *testing.T) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "logs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestALogIsFetchedAsTheClientLibraryFetchesIt(t *testing.T) {
	c := startCluster(t)
	conn, err := kafka.DialLeader(context.Background(), "tcp", c.ListenAddrs()[0], "logs", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	n := 0
	for range 40 {
		for _, codec := range []kafka.Compression{0, kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
			var ms []kafka.Message
			for range 1 + n%17 {
				ms = append(ms, kafka.Message{Key: []byte("k"), Value: []byte("line " + strconv.Itoa(n)), Headers: []kafka.Header{{Key: "a", Value: []byte("b")}}})
				n++
			}
			if _, err := conn.WriteCompressedMessages(codec.Codec(), ms...); err != nil {
				t.Fatal(err)
			}
		}
	}
	var want []string
	for b := conn.ReadBatch(1, 64<<20); ; {
		m, err := b.ReadMessage()
		if err != nil {
			break
		}
		if want = append(want, fmt.Sprintf("%d %s", m.Offset, m.Value)); len(want) == n {
			_ = b.Close()
			break
		}
	}
	// Small answers, so that they end inside of batches.
	f := NewFetcher(leader(t, c), Config{ClientID: "test", Topic: "logs", Partition: 1, MinBytes: 1, MaxWait: 100 * time.Millisecond, MaxBytes: 700})
	var got []string
	var a Answer
	var r Records
	for offset := int64(0); len(got) < n; {
		if err := f.Fetch(offset, &a); err != nil {
			t.Fatal(err)
		}
		for r.Over(&a, offset); r.Next(); {
			got = append(got, fmt.Sprintf("%d %s", r.Offset, r.Value))
		}
		if r.Err() != nil || a.Cut() || r.After() == offset || r.After() != a.Next(offset) {
			t.Fatalf("at %d: %v, cut %v, on to %d or %d", offset, r.Err(), a.Cut(), r.After(), a.Next(offset))
		}
		offset = r.After()
	}
	if len(want) != n || !slices.Equal(got, want) {
		t.Errorf("%d records, the library reads %d of %d", len(got), len(want), n)
	}
	if a.End != int64(n) {
		t.Errorf("the log ends at %d, want %d", a.End, n)
	}
}

func TestWhatTheBrokerRefusesIsItsError(t *testing.T) {
	c := startCluster(t)
	var a Answer
	for _, k := range []struct {
		topic  string
		offset int64
		want   kafka.Error
	}{{"logs", 5, kafka.OffsetOutOfRange}, {"elsewhere", 0, kafka.UnknownTopicOrPartition}} {
		f := NewFetcher(leader(t, c), Config{Topic: k.topic, MinBytes: 1, MaxWait: 10 * time.Millisecond, MaxBytes: 1000})
		if err := f.Fetch(k.offset, &a); !errors.Is(err, k.want) {
			t.Errorf("%s from %d: %v, want %v", k.topic, k.offset, err, k.want)
		}
		if k.topic == "logs" { // the connection is still good
			if err := f.Fetch(0, &a); err != nil || a.End != 0 {
				t.Errorf("after a refusal: %v, end %d", err, a.End)
			}
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x04logs\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" +
		"\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x02ab"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a := Answer{buf: b}
		if err := a.parse(); err == nil && len(a.records) > len(b) {
			t.Fatal("more records than bytes")
		}
	})
}
