package ingest

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/logtest"
)

func TestAnAbsentKafkaIsToldOfOnceAMinute(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	var out logtest.Buffer

	var mu sync.Mutex
	now := time.Unix(1_700_000_000, 0)
	looks := 0
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		looks++
		now = now.Add(time.Second)
		return now
	}
	in, err := New(Config{
		Brokers: []string{addr}, Topics: []string{"logs"}, Group: "g", Store: newMemStore(),
		NewDecoder: func(string) (Decoder, error) { return nil, nil }, Logger: slog.New(slog.NewTextHandler(&out, nil)), Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	waitFor(t, "tries", func() bool { mu.Lock(); defer mu.Unlock(); return looks >= 8 })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := out.Count("waiting for the consumer group"); n != 1 {
		t.Errorf("told %d times, want once", n)
	}
}
