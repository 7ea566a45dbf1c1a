package kafkalog

import (
	"encoding/binary"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/deploy/kafka/kafkatest"
)

// What Kafka's own producer packs, and its broker keeps, is read: Java's libraries pack otherwise than Go's, snappy above all.
func TestWhatKafkasOwnProducerPacksIsRead(t *testing.T) {
	c := kafkatest.Start(t, 1)
	c.CreateTopic(t, "logs", 1)
	conn, err := net.Dial("tcp", c.Nodes[0].Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	f := NewFetcher(conn, Config{ClientID: "test", Topic: "logs", MinBytes: 1, MaxWait: time.Second, MaxBytes: 8 << 20})
	var offset int64
	for codec, number := range map[string]uint16{"none": 0, "gzip": codecGzip, "snappy": codecSnappy, "lz4": codecLZ4, "zstd": codecZstd} {
		var want, got []string
		for i := range 200 {
			want = append(want, codec+strings.Repeat(" a line", i))
		}
		c.Produce(t, "logs", codec, want...)
		var a Answer
		var r Records
		packed := true
		for len(got) < len(want) {
			_ = conn.SetDeadline(time.Now().Add(time.Minute)) // Java took its time before
			if err := f.Fetch(offset, &a); err != nil {
				t.Fatal(err)
			}
			packed = packed && len(a.records) > batchHeader && binary.BigEndian.Uint16(a.records[batchAttributes:])&7 == number
			for r.Over(&a, offset); r.Next(); {
				got = append(got, string(r.Value))
			}
			if r.Err() != nil || r.After() == offset {
				t.Fatalf("%s at %d: %v, on to %d", codec, offset, r.Err(), r.After())
			}
			offset = r.After()
		}
		if !slices.Equal(got, want) || !packed {
			t.Errorf("%s: read %q, packed so: %v", codec, got, packed)
		}
	}
}
