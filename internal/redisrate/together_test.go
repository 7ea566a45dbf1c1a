package redisrate

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/redisrate/redistest"
	"github.com/tollkeeper/tollkeeper/keys/rate"
)

// command asks a server of a test for something.
func command(t *testing.T, server *redistest.Server, args ...any) string {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: server.Addr, Password: "secret", Protocol: 2, DisableIdentity: true})
	defer c.Close()
	got, err := c.Do(context.WithoutCancel(t.Context()), args...).Text()
	require.NoError(t, err, "%v", args)
	return got
}

// startCluster starts two nodes that share the slots.
func startCluster(t *testing.T) (nodes [2]*redistest.Server) {
	var bus [2]string // by default a port 10,000 higher, which may be none
	for i := range nodes {
		bus[i] = redistest.FreePort(t)
		nodes[i] = redistest.Start(t, "--cluster-enabled", "yes", "--cluster-port", bus[i], "--requirepass", "secret", "--masterauth", "secret",
			"--user", "tollkeeper", "on", ">secret", "~tollkeeper:*", "+ping", "+eval", "+evalsha", "+time", "+hget", "+hset", "+pexpire", "+cluster|slots", "+command")
		first, last := i*8192, i*8192+8191
		command(t, nodes[i], "CLUSTER", "ADDSLOTSRANGE", first, last)
		command(t, nodes[i], "CLUSTER", "SET-CONFIG-EPOCH", i+1)
	}
	host, port, err := net.SplitHostPort(nodes[0].Addr)
	require.NoError(t, err)
	command(t, nodes[1], "CLUSTER", "MEET", host, port, bus[0])
	for _, n := range nodes {
		require.Eventually(t, func() bool {
			return strings.Contains(command(t, n, "CLUSTER", "INFO"), "cluster_state:ok")
		}, 20*time.Second, 20*time.Millisecond)
	}
	return nodes
}

func TestTheNodesOfAClusterShareTheCallers(t *testing.T) {
	servers := startCluster(t)
	address := "redis+cluster://tollkeeper:secret@" + servers[1].Addr // it tells of the other
	one, other := newNode(t, address, patient), newNode(t, address, patient)
	require.NoError(t, one.Ready(t.Context()))
	const callers = 20
	for i := range callers {
		name := strconv.Itoa(i)
		limit := rate.PerMinute("throttle", 60, 2)
		require.True(t, one.Take(rate.New(name, limit), 0).OK)
		require.True(t, other.Take(rate.New(name, limit), 0).OK)
		require.False(t, one.Take(rate.New(name, limit), 0).OK, "two calls are the burst, whichever process lets them through")
	}
	require.Zero(t, testutil.ToFloat64(one.local)+testutil.ToFloat64(other.local))
	for _, s := range servers {
		require.NotEqual(t, "0", command(t, s, "EVAL", "return tostring(redis.call('DBSIZE'))", 0), "each node counts for a part of them")
	}
}

func TestANodeOfAClusterThatIsDownLeavesTheRestCounted(t *testing.T) {
	servers := startCluster(t)
	for _, s := range servers {
		command(t, s, "CONFIG", "SET", "cluster-require-full-coverage", "no")
	}
	n := newNode(t, "redis+cluster://tollkeeper:secret@"+servers[0].Addr+","+servers[1].Addr, patient)
	servers[1].Kill()
	limit := rate.PerMinute("throttle", 60, 1)
	passed := 0
	for i := range 10 { // every one of them is answered, by Redis or without
		if n.Take(rate.New(strconv.Itoa(i), limit), 0).OK {
			passed++
		}
	}
	require.Equal(t, 10, passed)
	require.Less(t, testutil.ToFloat64(n.local), 10.0, "the node that is left counts its own")
}

// startSentinel starts a primary, a replica of it, and a Sentinel that makes the replica the primary half a second after it lost the first.
func startSentinel(t *testing.T) (primary, replica, sentinel *redistest.Server) {
	primary = redistest.Start(t, "--requirepass", "secret", "--masterauth", "secret")
	host, port, err := net.SplitHostPort(primary.Addr)
	require.NoError(t, err)
	replica = redistest.Start(t, "--requirepass", "secret", "--masterauth", "secret", "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0")
	require.Eventually(t, func() bool {
		c := redis.NewClient(&redis.Options{Addr: replica.Addr, Password: "secret", Protocol: 2, DisableIdentity: true})
		defer c.Close()
		role, err := c.Do(context.WithoutCancel(t.Context()), "ROLE").Slice()
		return err == nil && len(role) > 3 && role[3] == "connected"
	}, 20*time.Second, 20*time.Millisecond)
	conf := filepath.Join(t.TempDir(), "sentinel.conf") // it writes into it what it learns
	require.NoError(t, os.WriteFile(conf, []byte("sentinel monitor limits "+host+" "+port+" 1\nsentinel auth-pass limits secret\n"+
		"sentinel down-after-milliseconds limits 500\nsentinel failover-timeout limits 5000\nrequirepass secret\n"), 0o600))
	sentinel = redistest.StartSentinel(t, conf)
	require.Eventually(t, func() bool { // only what it knows of it can put into the other's place
		c := redis.NewClient(&redis.Options{Addr: sentinel.Addr, Password: "secret", Protocol: 2, DisableIdentity: true})
		defer c.Close()
		got, err := c.Do(context.WithoutCancel(t.Context()), "SENTINEL", "REPLICAS", "limits").Slice()
		return err == nil && len(got) == 1
	}, 20*time.Second, 50*time.Millisecond)
	return primary, replica, sentinel
}

func TestBehindASentinelWhateverIsThePrimaryCounts(t *testing.T) {
	primary, replica, sentinel := startSentinel(t)
	n := newNodeWith(t, Config{URL: "redis+sentinel://:secret@" + sentinel.Addr + "/limits", SentinelPassword: "secret", Timeout: time.Second, Namespace: "test"})
	require.NoError(t, n.Ready(t.Context()))
	limit := rate.PerMinute("throttle", 60, 6)
	require.True(t, n.Take(rate.New("k", limit), 0).OK)
	require.Equal(t, "1", command(t, primary, "EVAL", "return tostring(redis.call('EXISTS', 'tollkeeper:test:key:k'))", 0))

	primary.Kill()
	require.Eventually(t, func() bool {
		require.True(t, n.Take(rate.New("somebody", limit), 0).OK) // meanwhile this one counts for itself, and shuts nobody out
		return command(t, replica, "EVAL", "return tostring(redis.call('EXISTS', 'tollkeeper:test:key:somebody'))", 0) == "1"
	}, 30*time.Second, 50*time.Millisecond)
	require.NoError(t, n.Ready(t.Context()))
	require.Contains(t, n.log.String(), "Redis answers again")
}

func TestAddressesOfSeveralServers(t *testing.T) {
	const wrong = "redis: is not an address"
	for _, c := range []struct{ url, want string }{
		{"redis+cluster://u:p@a,b:7000", ""},
		{"REDISS+CLUSTER://u:p@a", ""},
		{"redis+cluster://[::1],[::2]:7000", ""},
		{"redis+sentinel://u:p@a,b/limits/3", ""},
		{"redis+sentinel://a:26380/limits", ""},
		{"redis+sentinel://u:canary@a", wrong},
		{"redis+sentinel://u:canary@a//0", wrong},
		{"redis+cluster://u:canary@a/3", wrong}, // a cluster has no databases
		{"redis+cluster://u:canary@a,,b", wrong},
		{"redis://u:canary@a,b", wrong},
		{"redis+ring://u:canary@a", wrong},
		{"canary", wrong},
	} {
		o, err := options(&Config{URL: c.url})
		if c.want == "" {
			require.NoError(t, err, c.url)
			continue
		}
		require.Nil(t, o, c.url)
		require.ErrorContains(t, err, c.want, c.url)
		require.NotContains(t, err.Error(), "canary")
	}
	o, err := options(&Config{URL: "redis+sentinel://u:p@a,b:1/limits/3", SentinelPassword: "s"})
	require.NoError(t, err)
	require.Equal(t, redis.UniversalOptions{
		Addrs: []string{"a:26379", "b:1"}, MasterName: "limits", DB: 3, Username: "u", Password: "p", SentinelPassword: "s",
	}, *o)
}
