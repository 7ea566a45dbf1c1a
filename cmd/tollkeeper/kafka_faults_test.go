package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

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
	s.wantTotal(sent)
	s.wantReady(60 * time.Second)
	s.wantExact(dir)
}
