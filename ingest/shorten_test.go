package ingest

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// seenAddresses is an observer that notes the addresses that it is shown.
type seenAddresses struct {
	recorder
	seen chan string
}

func (s *seenAddresses) Observe(_ string, _ int32, b *usage.Batch) {
	for i := range b.Len() {
		s.seen <- usage.Addr(b.ClientIP[i]).String()
	}
}

func TestShortenedAddressesAreWholeForEnrichmentAlone(t *testing.T) {
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	cfg := c.config(s)
	cfg.ShortenIPs = true
	cfg.NewDecoder = func(string) (Decoder, error) {
		keys, err := accesslog.NewHMACResolver([]byte(testPepper))
		if err != nil {
			return nil, err
		}
		return accesslog.New("tollkeeper", accesslog.Options{Keys: keys})
	}
	enriched := make(chan string, 10)
	cfg.Enrich = func(b *usage.Batch, from int) {
		for i := from; i < b.Len(); i++ {
			enriched <- usage.Addr(b.ClientIP[i]).String()
		}
	}
	o := &seenAddresses{seen: make(chan string, 10)}
	cfg.Observers = []Observer{o}
	at := time.Now().UTC().Format(time.RFC3339)
	c.produce("logs", 0, `{"time":"`+at+`","key_id":"k","path":"/","status":200,"client_ip":"203.0.113.77"}`, `{"time":"yesterday","path":"/","status":200,"client_ip":"203.0.113.77"}`)
	_, stop := run(t, cfg)
	waitFor(t, "the record is stored", func() bool { n, _ := s.counted(); return n == 1 })
	stop()
	if got := <-enriched; got != "203.0.113.77" {
		t.Errorf("enrichment sees %s", got)
	}
	if got := <-o.seen; got != "203.0.113.0" {
		t.Errorf("observers see %s", got)
	}
	if got := s.rows[0].ClientIP; got != netip.MustParseAddr("203.0.113.0") {
		t.Errorf("stored is %s", got)
	}
	if len(s.letters) != 1 || strings.Contains(string(s.letters[0].Line), ".77") || !strings.Contains(string(s.letters[0].Line), "203.0.113.0") {
		t.Errorf("dead letters %+v", s.letters)
	}
}
