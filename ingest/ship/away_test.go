package ship

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tollkeeper/tollkeeper/internal/logtest"
)

// A nightly job that never ends is noticed when the next one starts beside it.
func TestOnceGivesUpOnAKafkaThatIsAwayAndTheNextRunShipsTheRest(t *testing.T) {
	s := newShelf(t, "combined")
	s.append(combined(0, 300)...)
	info, err := os.Stat(s.file)
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.config()
	cfg.Once, cfg.GiveUp, cfg.Brokers = true, 300*time.Millisecond, []string{"127.0.0.1:1"}
	run := func() error {
		sh, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return sh.Run(t.Context())
	}
	want := fmt.Sprintf("0 lines were shipped, the other %d bytes follow with the next start", info.Size())
	if err := run(); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1 has taken no lines for") || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q in it", err, want)
	}
	// It noted that lines were being sent, so it looks for them in Kafka first: which is still away.
	if err := run(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q in it", err, want)
	}
	cfg.Brokers = []string{s.addr}
	if err := run(); err != nil {
		t.Fatal(err)
	}
	if ids, _ := s.identities(); len(ids) != 300 || distinct(ids) != 300 {
		t.Errorf("%d lines shipped, %d distinct", len(ids), distinct(ids))
	}
	cfg.GiveUp = -time.Second
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "give-up: -1s is negative") {
		t.Errorf("%v", err)
	}
}

// Whoever looks at the log's last hour must find that nothing is shipped, but not at every try.
func TestTheLogIsRemindedOfAKafkaThatStaysAway(t *testing.T) {
	for name, c := range map[string]struct {
		remind time.Duration
		told   func(n, tries int) bool
	}{
		"now and then":     {time.Millisecond, func(n, tries int) bool { return n >= tries }},
		"not at every try": {time.Hour, func(n, _ int) bool { return n == 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t, "combined")
			s.append(combined(0, 3)...)
			info, err := os.Stat(s.file)
			if err != nil {
				t.Fatal(err)
			}
			var log logtest.Buffer
			cfg := s.config()
			cfg.Brokers, cfg.remind, cfg.Logger = []string{"127.0.0.1:1"}, c.remind, slog.New(slog.NewTextHandler(&log, nil))
			tries := 0
			sh, stop := s.run(cfg)
			for deadline := time.Now().Add(20 * time.Second); tries < 4 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
				tries = int(testutil.ToFloat64(sh.metrics.retries))
			}
			stop()
			told := log.Count(fmt.Sprintf("waiting_bytes=%d", info.Size()))
			if tries < 4 || !c.told(told, tries) {
				t.Errorf("told %d times in %d tries", told, tries)
			}
		})
	}
}
