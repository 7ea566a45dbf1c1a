package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/internal/broker"
)

func (s *server) ready() (status int, body string) {
	s.t.Helper()
	return get(s.t, s.url+"/readyz?verbose")
}

// get asks without a token.
func get(t testing.TB, url string) (status int, body string) {
	t.Helper()
	res, err := http.Get(url)
	require.NoError(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(raw)
}

func (s *server) wantReady(within time.Duration) {
	s.t.Helper()
	eventually(s.t, within, func() error {
		if code, body := s.ready(); code != http.StatusOK {
			return fmt.Errorf("/readyz: %d %s", code, body)
		}
		return nil
	})
}

// produce writes n records of some keys and returns how many there were.
func produce(t *testing.T, brokers string, from, n int) int64 {
	return produceOf(t, brokers, 7, from, n)
}

func produceOf(t *testing.T, brokers string, keys, from, n int) int64 {
	t.Helper()
	w := &kafka.Writer{Addr: kafka.TCP(strings.Split(brokers, ",")...), Topic: "access-log", Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll, BatchTimeout: 10 * time.Millisecond}
	defer w.Close()
	var messages []kafka.Message
	for i := from; i < from+n; i++ {
		key := "consumer-" + strconv.Itoa(i%keys)
		line := fmt.Sprintf(`{"time":%q,"request_id":"r-%d","key_id":%q,"method":"GET","host":"h","path":"/v1/x/%d","status":200,"latency_ms":1.5,"request_bytes":10,"response_bytes":%d,"client_ip":"198.51.100.7","user_agent":"probe/1"}`,
			time.Now().UTC().Format(time.RFC3339Nano), i, key, i, i)
		messages = append(messages, kafka.Message{Key: []byte(key), Value: []byte(line)})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(t, w.WriteMessages(ctx, messages...))
	return int64(n)
}

func (s *server) wantTotal(want int64) {
	s.t.Helper()
	eventually(s.t, 40*time.Second, func() error {
		var stats struct {
			RequestsTotal int64 `json:"requests_total"`
		}
		if code := s.call("GET", "/v1/stats", nil, &stats); code != http.StatusOK {
			return fmt.Errorf("/v1/stats: %d", code)
		}
		if stats.RequestsTotal != want {
			return fmt.Errorf("%d calls in ClickHouse, want %d", stats.RequestsTotal, want)
		}
		return nil
	})
}

// idle waits until the server has taken in all that is in Kafka.
func (s *server) idle() {
	s.t.Helper()
	var before int64 = -1
	eventually(s.t, 40*time.Second, func() error {
		var st struct {
			RequestsTotal int64  `json:"requests_total"`
			DeadLetters   int64  `json:"dead_letters"`
			LagRecords    *int64 `json:"lag_records"`
		}
		s.call("GET", "/v1/stats", nil, &st)
		now := st.RequestsTotal + st.DeadLetters
		same := now == before && st.LagRecords != nil && *st.LagRecords == 0
		if before = now; !same {
			time.Sleep(500 * time.Millisecond)
			return fmt.Errorf("%d rows, lag %v", now, st.LagRecords)
		}
		return nil
	})
}

func TestWithoutKafkaIngestWaitsAndSaysSo(t *testing.T) {
	addr := freeAddr(t)
	s := serve(t, "--data", t.TempDir(), "--kafka", addr)
	eventually(t, 30*time.Second, func() error {
		code, body := s.ready()
		if code != http.StatusServiceUnavailable || !strings.Contains(body, addr) {
			return fmt.Errorf("/readyz: %d %s", code, body)
		}
		return nil
	})
	require.Equal(t, http.StatusOK, s.call("GET", "/v1/keys", nil, nil), "what needs no Kafka works on")
	b, err := broker.Start(t.Context(), broker.Config{Dir: t.TempDir(), Addr: addr, Topics: map[string]int{"access-log": 2}})
	require.NoError(t, err)
	defer b.Close()
	s.wantReady(60 * time.Second)
	s.wantTotal(produce(t, addr, 0, 500))
}

// engineOf finds the embedded engine's process among the children of the server's.
func engineOf(t *testing.T, s *server) int {
	t.Helper()
	lists, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), "task", "*", "children"))
	require.NoError(t, err)
	for _, list := range lists { // one per thread: any of them may have started it
		raw, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for _, f := range strings.Fields(string(raw)) {
			if cmdline, err := os.ReadFile(filepath.Join("/proc", f, "cmdline")); err == nil && strings.Contains(string(cmdline), "\x00engine\x00") {
				pid, err := strconv.Atoi(f)
				require.NoError(t, err)
				return pid
			}
		}
	}
	return 0
}

func TestAnEngineThatIsKilledComesBackAndNothingIsLostOrDoubled(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, "--data", dir)
	s.wantReady(30 * time.Second)
	var sent int64
	for round := range 3 {
		sent += produce(t, s.kafka, round*1000, 500)
		var pid int
		eventually(t, 20*time.Second, func() error {
			if pid = engineOf(t, s); pid == 0 {
				return fmt.Errorf("the engine does not run")
			}
			return nil
		})
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		sent += produce(t, s.kafka, round*1000+500, 500)
	}
	s.wantTotal(sent)
	s.wantReady(30 * time.Second)
	s.wantExact(dir)
}

// wantExact asks the audit.
func (s *server) wantExact(dataDir string) {
	s.t.Helper()
	out, errOut, code := tollkeeper(s.t, "audit", "--data", dataDir)
	require.Zero(s.t, code, "%s%s", out, errOut)
	require.True(s.t, strings.HasSuffix(out, "exact\n"), out)
}

func TestAProcessThatIsKilledGoesOnWhereItWas(t *testing.T) {
	for name, more := range map[string][]string{
		"read as it is": nil,
		// What is written twice on the way must be known without the window.
		"re-keyed": {"--topics", "another", "--rekey-topics", "access-log", "--dedup-window", "0s"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			b, err := broker.Start(t.Context(), broker.Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", Topics: map[string]int{"access-log": 2}})
			require.NoError(t, err)
			defer b.Close()
			args := append([]string{"--data", dir, "--kafka", b.Addr()}, more...)
			var sent int64
			for round := range 3 {
				s := serve(t, args...)
				sent += produce(t, b.Addr(), round*5000, 5000)
				require.NoError(t, s.cmd.Process.Kill())
				<-s.done
			}
			s := serve(t, args...)
			s.wantTotal(sent)
			time.Sleep(2 * time.Second)
			s.wantTotal(sent)
			s.wantExact(dir)
		})
	}
}

func TestBadLinesBecomeDeadLettersAndHarmNoNeighbour(t *testing.T) {
	s := serve(t, "--data", t.TempDir())
	s.wantReady(30 * time.Second)
	sent := produce(t, s.kafka, 0, 100)
	w := &kafka.Writer{Addr: kafka.TCP(s.kafka), Topic: "access-log", Balancer: kafka.Murmur2Balancer{}, BatchBytes: 16 << 20}
	bad := []string{
		`{"time":"2026-01-01T00:00:00Z","key_id":`, `not a log line`, `{"time":"1726-01-01T00:00:00Z","key_id":"k","method":"GET","path":"/","status":200}`,
		`{"time":"9999-12-31T23:59:59Z","key_id":"k","method":"GET","path":"/","status":200}`, strings.Repeat("x", 1<<20+1),
		"\xff\xfe\x00 \x80", `{"Authorization":"Bearer tk_live_CANARYCANARYCANARYCANARYCANARY`,
	}
	for _, line := range bad {
		require.NoError(t, w.WriteMessages(t.Context(), kafka.Message{Key: []byte("consumer-1"), Value: []byte(line)}))
	}
	require.NoError(t, w.Close())
	sent += produce(t, s.kafka, 1000, 100)
	s.wantTotal(sent)
	var page struct {
		Items []struct{ Reason, Detail, Line string }
	}
	eventually(t, 10*time.Second, func() error {
		s.call("GET", "/v1/dead-letters?limit=200", nil, &page)
		if len(page.Items) != len(bad) {
			return fmt.Errorf("%d dead letters, want %d", len(page.Items), len(bad))
		}
		return nil
	})
	require.NotContains(t, fmt.Sprint(page), "CANARY")
	require.NotContains(t, s.output(), "CANARY")
}

func TestDeadLettersAreReplayedOnceTheSettingsAreRight(t *testing.T) {
	dir, kafkaDir := t.TempDir(), t.TempDir()
	b, err := broker.Start(t.Context(), broker.Config{Dir: kafkaDir, Addr: "127.0.0.1:0", Topics: map[string]int{"access-log": 1}})
	require.NoError(t, err)
	defer b.Close()
	wrong := serve(t, "--data", dir, "--kafka", b.Addr(), "--format", "kong")
	sent := produce(t, b.Addr(), 0, 50)
	eventually(t, 20*time.Second, func() error {
		var stats struct {
			DeadLetters int64 `json:"dead_letters"`
		}
		wrong.call("GET", "/v1/stats", nil, &stats)
		if stats.DeadLetters != sent {
			return fmt.Errorf("%d dead letters, want %d", stats.DeadLetters, sent)
		}
		return nil
	})
	wrong.stop()
	right := serve(t, "--data", dir, "--kafka", b.Addr(), "--format", "tollkeeper")
	right.wantReady(30 * time.Second)
	out, errOut, code := tollkeeper(t, "deadletters", "replay", "--dry-run", "--json", "--data", dir)
	require.Zero(t, code, errOut)
	var dry gen.ReplayResult
	require.NoError(t, json.Unmarshal([]byte(out), &dry))
	require.Equal(t, []int64{sent, sent, sent, 0, 0, 0}, []int64{dry.Selected, dry.Tried, dry.Replayed, dry.Refused, dry.Gone, dry.Waiting})
	require.Len(t, dry.Reasons, 1)
	require.Equal(t, sent, dry.Reasons[0].Replayed)
	right.wantTotal(0)
	for range 2 { // the second time there is nothing left to replay
		out, errOut, code := tollkeeper(t, "deadletters", "replay", "--data", dir)
		require.Zero(t, code, errOut)
		t.Log(out)
		right.wantTotal(sent)
	}
	out, _, _ = tollkeeper(t, "deadletters", "list", "--data", dir)
	require.Equal(t, 1, strings.Count(out, "\n"), out)
	right.wantExact(dir)
}

// Memory is bounded by how many keys detection remembers; what is forgotten is counted, so that an operator sees when the bound is too low.
func TestDetectionRemembersAsManyKeysAsItIsTold(t *testing.T) {
	const bound, keys = 1000, 1500
	s := serve(t, "--data", t.TempDir(), "--detect-keys", strconv.Itoa(bound), "--kafka-partitions", "1")
	s.wantTotal(produceOf(t, s.kafka, keys, 0, keys))
	eventually(t, 30*time.Second, func() error {
		page := string(newCanary(t, notifyCanary).get(s, "/metrics"))
		remembered, forgotten := sample(page, "tollkeeper_detect_keys"), sample(page, "tollkeeper_detect_keys_forgotten_total")
		if remembered == 0 || remembered > bound || remembered+forgotten != keys {
			return fmt.Errorf("%v keys are remembered and %v forgotten of %d, want at most %d", remembered, forgotten, keys, bound)
		}
		return nil
	})
}

// sample is a metric's value on the page; 0 where it is not there.
func sample(page, name string) float64 {
	for line := range strings.Lines(page) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			x, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return x
		}
	}
	return 0
}
