package redisrate

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/deploy/kafka/kafkatest"
	"github.com/tollkeeper/tollkeeper/internal/redisrate/redistest"
	"github.com/tollkeeper/tollkeeper/keys/rate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// log is what a limiter logs.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// node is a limiter as one process has it.
type node struct {
	*Limiter
	registry *prometheus.Registry
	log      *log
	began    time.Time
}

// patient is a time-out that a test on a busy machine does not reach by itself.
const patient = 5 * time.Second

func newNode(t testing.TB, url string, timeout time.Duration) *node {
	t.Helper()
	return newNodeWith(t, Config{URL: url, Timeout: timeout, Namespace: "test"})
}

func newNodeWith(t testing.TB, cfg Config) *node {
	t.Helper()
	n := &node{registry: prometheus.NewRegistry(), log: &log{}, began: time.Now()}
	cfg.Logger, cfg.Registerer = slog.New(slog.NewTextHandler(n.log, nil)), n.registry
	var err error
	n.Limiter, err = Open(t.Context(), cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, n.Close())
	})
	return n
}

func (n *node) at() time.Duration { return time.Since(n.began) }

// shared is what the metric of that name says.
func (n *node) shared(t *testing.T) float64 {
	t.Helper()
	families, err := n.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == "tollkeeper_rate_limits_shared" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatal("there is no such metric")
	return 0
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// The model is the limiter of memory. It is asked at the very times at which Redis decided, which the script tells, and has to give the same
// answers to the nanosecond; two nodes ask Redis in turn.
func TestAllNodesTogetherDecideAsOneDoesInMemory(t *testing.T) {
	server := redistest.Start(t)
	nodes := []*node{newNode(t, "redis://"+server.Addr, patient), newNode(t, "redis://"+server.Addr, patient)}
	var subjects atomic.Int64
	rapid.Check(t, func(t *rapid.T) {
		var limits []rate.Limit
		for i := range rapid.IntRange(1, 3).Draw(t, "limits") {
			limits = append(limits, rate.Limit{
				Name:     fmt.Sprint("limit", i),
				Interval: time.Duration(rapid.OneOf(rapid.Int64Range(1, 1e6), rapid.Int64Range(1, 1e9), rapid.Int64Range(1, int64(rate.MaxSpan/100))).Draw(t, "interval")),
				Burst:    rapid.Int64Range(1, 100).Draw(t, "burst"),
			})
		}
		subject := fmt.Sprint("key:", subjects.Add(1))
		model := rate.New(subject, limits...)
		var began int64
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			n := nodes[rapid.IntRange(0, 1).Draw(t, "node")]
			got, ahead, micros, err := n.ask(context.Background(), subject, limits)
			require.NoError(t, err)
			if began == 0 {
				began = micros
			}
			at := time.Duration(micros-began) * time.Microsecond
			want := model.Take(at)
			require.Equal(t, want, got)
			elsewhere := rate.New(subject, limits...)
			elsewhere.Learn(at, ahead)
			require.Equal(t, model.Peek(at), elsewhere.Peek(at), "a node that learns what Redis says knows what the model knows")
			time.Sleep(time.Duration(rapid.OneOf(rapid.Just(0), rapid.IntRange(0, 300)).Draw(t, "pause")) * time.Microsecond)
		}
	})
}

func TestTwoNodesShareOneLimitExactly(t *testing.T) {
	server := redistest.Start(t)
	var passed atomic.Int64
	var running sync.WaitGroup
	limit := rate.Limit{Name: "throttle", Interval: time.Hour, Burst: 500}
	for range 2 {
		n := newNode(t, "redis://"+server.Addr, patient)
		b := rate.New("k", limit)
		for range 4 {
			running.Go(func() {
				for range 300 {
					if n.Take(b, n.at()).OK {
						passed.Add(1)
					}
				}
			})
		}
	}
	running.Wait()
	require.EqualValues(t, 500, passed.Load(), "of 2400 calls at once")
}

// An abused key hammers; what it is refused costs Redis nothing once the node knows.
func TestWhatANodeKnowsToBeRefusedCostsNoQuestion(t *testing.T) {
	server := redistest.Start(t)
	here, there := newNode(t, "redis://"+server.Addr, patient), newNode(t, "redis://"+server.Addr, patient)
	limit := rate.Limit{Name: "throttle", Interval: time.Hour, Burst: 3}
	b, same := rate.New("k", limit), rate.New("k", limit)
	for range 3 {
		require.True(t, there.Take(same, there.at()).OK)
	}
	before := testutil.CollectAndCount(here.seconds)
	require.Equal(t, 1, before)
	asked := func() uint64 {
		families, err := here.registry.Gather()
		require.NoError(t, err)
		for _, f := range families {
			if f.GetName() == "tollkeeper_rate_limits_redis_seconds" {
				return f.GetMetric()[0].GetHistogram().GetSampleCount()
			}
		}
		return 0
	}
	began := asked()
	for range 1000 {
		a := here.Take(b, here.at())
		require.False(t, a.OK)
		require.InDelta(t, time.Hour, a.Wait, float64(time.Minute))
	}
	require.EqualValues(t, 1, asked()-began)
}

func TestOneCallerDoesNotUseUpAnothersLimitAndDeploymentsAreApart(t *testing.T) {
	server := redistest.Start(t)
	limit := rate.Limit{Name: "throttle", Interval: time.Hour, Burst: 1}
	n := newNode(t, "redis://"+server.Addr, patient)
	other := newNodeWith(t, Config{URL: "redis://" + server.Addr, Timeout: patient, Namespace: "other"})
	for _, subject := range []string{"a", "b", "{}", "a b", "try"} {
		require.True(t, n.Take(rate.New(subject, limit), n.at()).OK, subject)
		require.False(t, n.Take(rate.New(subject, limit), n.at()).OK, subject)
		require.True(t, other.Take(rate.New(subject, limit), n.at()).OK, subject)
	}
}

func TestRedisForgetsWhatIsFreeAgain(t *testing.T) {
	server := redistest.Start(t)
	n := newNode(t, "redis://"+server.Addr, patient)
	require.True(t, n.Take(rate.New("k", rate.Limit{Name: "throttle", Interval: 50 * time.Millisecond, Burst: 2}), 0).OK)
	key := "tollkeeper:test:key:k"
	left, err := n.client.PTTL(t.Context(), key).Result()
	require.NoError(t, err)
	require.Positive(t, left)
	require.LessOrEqual(t, left, 50*time.Millisecond)
	eventually(t, "the hash to be gone", func() bool { return n.client.Exists(t.Context(), key).Val() == 0 })
}

// A server that took over with its clock behind must not shut anybody out for the difference.
func TestAClockThatIsBehindShutsNobodyOut(t *testing.T) {
	server := redistest.Start(t)
	n := newNode(t, "redis://"+server.Addr, patient)
	ahead := time.Now().Add(365 * 24 * time.Hour).UnixMicro()
	require.NoError(t, n.client.HSet(t.Context(), "tollkeeper:test:key:k", "throttle", fmt.Sprint(ahead, " 0")).Err())
	a := n.Take(rate.New("k", rate.PerMinute("throttle", 60, 6)), 0)
	require.Equal(t, rate.Answer{Wait: time.Second}, a)
}

func TestWithoutRedisANodeDecidesByItselfAndSaysSo(t *testing.T) {
	server := redistest.Start(t)
	n := newNode(t, "redis://"+server.Addr, 100*time.Millisecond)
	limit := rate.Limit{Name: "throttle", Interval: time.Hour, Burst: 10}
	b := rate.New("k", limit)
	for range 4 {
		require.True(t, n.Take(b, n.at()).OK)
	}
	require.NoError(t, n.Ready(t.Context()))
	require.EqualValues(t, 1, n.shared(t))

	server.Kill()
	for i := range 6 {
		require.True(t, n.Take(b, n.at()).OK, "call %d goes on where all nodes together stood", 5+i)
	}
	for range 100 {
		require.False(t, n.Take(b, n.at()).OK)
	}
	require.ErrorContains(t, n.Ready(t.Context()), "this node counts the rates of keys for itself")
	require.Zero(t, n.shared(t))
	require.EqualValues(t, 6, testutil.ToFloat64(n.local), "what is refused anyway is not decided for want of Redis")

	server.Restart()
	eventually(t, "Redis to be asked again", func() bool { return n.Ready(t.Context()) == nil })
	require.EqualValues(t, 1, n.shared(t))
	other := rate.New("other", limit)
	for range 10 {
		require.True(t, n.Take(other, n.at()).OK)
	}
	require.EqualValues(t, 6, testutil.ToFloat64(n.local))
	require.Equal(t, 1, strings.Count(n.log.String(), "Redis does not answer"), n.log.String())
	require.Equal(t, 1, strings.Count(n.log.String(), "Redis answers again"), n.log.String())
	require.Contains(t, n.log.String(), "decided_alone=6")
}

func TestARedisThatHangsHoldsUpThreeCallsForTheTimeOutAndNoneAfter(t *testing.T) {
	server := redistest.Start(t)
	const timeout = 200 * time.Millisecond
	n := newNode(t, "redis://"+server.Addr, timeout)
	b := rate.New("k", rate.Limit{Name: "throttle", Interval: time.Hour, Burst: 1000})
	require.True(t, n.Take(b, n.at()).OK)
	server.Hang()
	defer server.Continue()
	slow := 0
	for range 200 {
		began := time.Now()
		require.True(t, n.Take(b, n.at()).OK)
		took := time.Since(began)
		require.Less(t, took, timeout+timeout/2)
		if took > timeout/2 {
			slow++
		}
	}
	require.Equal(t, breakAfter, slow)
	require.ErrorContains(t, n.Ready(t.Context()), "this node counts")

	server.Continue()
	eventually(t, "Redis to be asked again", func() bool { return n.Ready(t.Context()) == nil })
	require.True(t, n.Take(b, n.at()).OK)
}

// What goes wrong once is no reason to leave: the call is decided here, and Redis is asked again.
func TestASingleFailureChangesNothing(t *testing.T) {
	server := redistest.Start(t)
	n := newNode(t, "redis://"+server.Addr, 100*time.Millisecond)
	b := rate.New("k", rate.Limit{Name: "throttle", Interval: time.Hour, Burst: 1000})
	for range 5 {
		require.True(t, n.Take(b, n.at()).OK)
		server.Hang()
		require.True(t, n.Take(b, n.at()).OK)
		require.True(t, n.Take(b, n.at()).OK)
		server.Continue()
		eventually(t, "an answer in time", func() bool {
			local := testutil.ToFloat64(n.local)
			n.Take(rate.New("other", rate.Limit{Name: "throttle", Interval: 1, Burst: 1}), n.at())
			return n.failures.Load() == 0 && testutil.ToFloat64(n.local) == local || n.away.Load() != nil
		})
		require.NoError(t, n.Ready(t.Context()))
	}
	require.Empty(t, n.log.String())
}

// Each absence that follows soon on another is longer, so that a Redis that bears a try but not the work is not come back to all the time.
func TestARedisThatGoesAwaySoonAgainIsLeftForLonger(t *testing.T) {
	server := redistest.Start(t)
	n := newNode(t, "redis://"+server.Addr, 100*time.Millisecond)
	b := rate.New("k", rate.Limit{Name: "throttle", Interval: time.Hour, Burst: 1000})
	for _, atLeast := range []time.Duration{minPause, 2 * minPause, 4 * minPause} {
		server.Kill()
		for n.away.Load() == nil {
			n.Take(b, n.at())
		}
		left := n.away.Load().since
		server.Restart()
		eventually(t, "Redis to be asked again", func() bool { return n.away.Load() == nil })
		require.GreaterOrEqual(t, time.Since(left), atLeast)
	}
}

func TestANodeStartsWithoutRedisAndFindsItLater(t *testing.T) {
	server := redistest.Start(t)
	server.Kill()
	n := newNode(t, "redis://"+server.Addr, patient)
	require.Error(t, n.Ready(t.Context()))
	require.True(t, n.Take(rate.New("k", rate.PerMinute("throttle", 60, 6)), 0).OK)
	server.Restart()
	eventually(t, "Redis to be asked", func() bool { return n.Ready(t.Context()) == nil })
}

// A server may live and yet not do what it is for: it is a replica, is full, or the user may not.
func TestARedisThatDoesNotCountIsAway(t *testing.T) {
	for name, options := range map[string][]string{
		"a replica":      {"--replicaof", "127.0.0.1 1"},
		"full":           {"--maxmemory", "1", "--maxmemory-policy", "noeviction"},
		"a password":     {"--requirepass", "canary"},
		"fewer commands": {"--rename-command", "EVAL", ""},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, "redis://user:wrongcanary@"+redistest.Start(t, options...).Addr, patient)
			if name != "a password" {
				n = newNode(t, "redis://"+redistest.Start(t, options...).Addr, patient)
			}
			require.Error(t, n.Ready(t.Context()))
			require.True(t, n.Take(rate.New("k", rate.PerMinute("throttle", 60, 6)), 0).OK)
			require.NotContains(t, n.log.String(), "canary")
			require.NotContains(t, n.Ready(t.Context()).Error(), "canary")
		})
	}
}

func TestWithAUserOfItsOwnThatMayDoNoMore(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "root", "--user", "tollkeeper", "on", ">secret", "~tollkeeper:*", "+ping", "+eval", "+evalsha", "+time", "+hget", "+hset", "+pexpire")
	n := newNode(t, "redis://tollkeeper:secret@"+server.Addr, patient)
	require.NoError(t, n.Ready(t.Context()))
	require.True(t, n.Take(rate.New("k", rate.PerMinute("throttle", 60, 6)), 0).OK)
	require.NoError(t, n.Ready(t.Context()))
}

func TestOverTLSTheServerIsChecked(t *testing.T) {
	dir := t.TempDir()
	cert, key := kafkatest.Certificate(t)
	server := redistest.Start(t, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no", "--requirepass", "secret")
	trusting := newNodeWith(t, Config{URL: "rediss://:secret@" + server.Addr + "/3", CAFile: cert, Timeout: patient, Namespace: "test"})
	require.NoError(t, trusting.Ready(t.Context()))
	require.True(t, trusting.Take(rate.New("k", rate.PerMinute("throttle", 60, 6)), 0).OK)
	require.Zero(t, testutil.ToFloat64(trusting.local))
	require.ErrorContains(t, newNode(t, "rediss://:secret@"+server.Addr, patient).Ready(t.Context()), "certificate")

	notPEM := filepath.Join(dir, "not.pem")
	require.NoError(t, os.WriteFile(notPEM, []byte("x"), 0o600))
	for file, want := range map[string]string{notPEM: "holds no certificate", filepath.Join(dir, "none"): "cannot read"} {
		_, err := Open(t.Context(), Config{URL: "rediss://" + server.Addr, CAFile: file, Logger: slog.New(slog.DiscardHandler)})
		require.ErrorContains(t, err, want)
	}
}

func TestAnAddressThatIsNoneIsNotRepeated(t *testing.T) {
	_, err := Open(t.Context(), Config{URL: "http://u:canary@h", Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "redis: is not an address")
	require.NotContains(t, err.Error(), "canary")
}
