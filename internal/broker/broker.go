// Package broker runs Kafka inside the program: the default for a machine without a cluster of its own.
//
// It speaks the real protocol on a loopback address, keeps its log and its groups' offsets in a folder, and is used by
// the rest of the program through that address alone, exactly as a real cluster would be: nothing else changes when
// `--kafka` names one. [Start] blocks until the broker answers; [Broker.Close] writes what is still in memory.
//
// It has one node and no replicas. With SyncWrites every produced batch is on disk before it is acknowledged; without,
// a crash of the machine (not of the program) may lose the last seconds. What it does not do: grow into a cluster.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/tollkeeper/tollkeeper/internal/folderlock"
)

// DefaultAddr is where gateways expect a Kafka on the same machine.
const DefaultAddr = "127.0.0.1:9092"

// Config is what Start needs.
type Config struct {
	Dir        string         // data folder; created if missing; one process at a time
	Addr       string         // host:port on a loopback address, port 0 for any free one; "" is DefaultAddr
	Topics     map[string]int // topics to have, with their number of partitions (at least 1)
	SyncWrites bool           // fsync every produced batch
	// Retention bounds the log: what is older, or beyond this many bytes per partition, is dropped. Zero keeps all.
	RetentionAge   time.Duration
	RetentionBytes int64
	Logger         *slog.Logger
}

// Broker is a running one. It is safe for concurrent use.
type Broker struct {
	addr    string
	cluster *kfake.Cluster
	unlock  func()
	close   sync.Once
	stop    chan struct{}
	done    chan struct{}
}

// Start opens the data folder, listens and makes sure that the topics exist. Its errors name the setting to change.
func Start(ctx context.Context, cfg Config) (*Broker, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Addr == "" {
		cfg.Addr = DefaultAddr
	}
	host, port, err := splitAddr(cfg.Addr)
	if err != nil {
		return nil, err
	}
	if err := checkFree(ctx, cfg.Addr); err != nil {
		return nil, err
	}
	if cfg.Dir == "" {
		return nil, errors.New("embedded Kafka needs a data folder; set data to one")
	}
	unlock, err := folderlock.Acquire(ctx, cfg.Dir, ".lock", 0)
	if err != nil {
		return nil, fmt.Errorf("embedded Kafka: %w", err)
	}
	cluster, err := newCluster(cfg, host, port)
	if err != nil {
		unlock()
		return nil, explain(cfg, err)
	}
	b := &Broker{addr: cluster.ListenAddrs()[0], cluster: cluster, unlock: unlock, stop: make(chan struct{}), done: make(chan struct{})}
	go b.applyRetention(cfg.RetentionAge > 0 || cfg.RetentionBytes > 0)
	if err := EnsureTopics(ctx, []string{b.addr}, Security{}, cfg.Topics); err != nil {
		_ = b.Close()
		return nil, err
	}
	cfg.Logger.Info("embedded broker is up", "addr", b.addr, "dir", cfg.Dir)
	return b, nil
}

func newCluster(cfg Config, host string, port int) (*kfake.Cluster, error) {
	configs := map[string]string{"message.max.bytes": strconv.Itoa(8 << 20)}
	if cfg.RetentionAge > 0 {
		configs["log.retention.ms"] = strconv.FormatInt(cfg.RetentionAge.Milliseconds(), 10)
	}
	if cfg.RetentionBytes > 0 {
		configs["log.retention.bytes"] = strconv.FormatInt(cfg.RetentionBytes, 10)
	}
	opts := []kfake.Opt{
		kfake.Ports(port), kfake.DataDir(cfg.Dir), kfake.DefaultNumPartitions(1),
		kfake.GroupMinSessionTimeout(time.Second), kfake.BrokerConfigs(configs),
		kfake.WithLogger(clusterLogger{cfg.Logger}),
		// kfake asks for 127.0.0.1; the setting may name another loopback address.
		kfake.ListenFn(func(network, address string) (net.Listener, error) {
			_, p, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return net.Listen(network, net.JoinHostPort(host, p))
		}),
	}
	if cfg.SyncWrites {
		opts = append(opts, kfake.SyncWrites())
	}
	return kfake.NewCluster(opts...)
}

// Addr is host:port, with the port that was really taken.
func (b *Broker) Addr() string { return b.addr }

// Close stops listening, writes the state of topics and groups to disk and releases the folder. It may be called twice.
func (b *Broker) Close() error {
	b.close.Do(func() {
		close(b.stop)
		<-b.done
		b.cluster.Close()
		b.unlock()
	})
	return nil
}

// applyRetention drops old log segments now and then; the embedded broker does so only when it is asked.
func (b *Broker) applyRetention(wanted bool) {
	defer close(b.done)
	if !wanted {
		<-b.stop
		return
	}
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-tick.C:
			b.cluster.ApplyRetention()
		}
	}
}

func splitAddr(addr string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("embedded Kafka address %q is not host:port: %w; set kafka-listen to something like %s", addr, err, DefaultAddr)
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("embedded Kafka address %q has no valid port; set kafka-listen to something like %s", addr, DefaultAddr)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return host, int(n), nil
}

// checkFree gives a clear error before the data folder is opened; the broker's own listener finds the rare race.
func checkFree(ctx context.Context, addr string) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return explain(Config{Addr: addr}, err)
	}
	return ln.Close()
}

func explain(cfg Config, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("embedded Kafka cannot listen on %s, the port is in use; stop what uses it, set kafka-listen to another address, or set kafka to the address of that Kafka to use it: %w", cfg.Addr, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EACCES) && cfg.Dir == "":
		return fmt.Errorf("embedded Kafka cannot listen on %s; set kafka-listen to a loopback address such as %s: %w", cfg.Addr, DefaultAddr, err)
	default:
		return fmt.Errorf("start embedded Kafka on %s with data folder %s: %w", cfg.Addr, cfg.Dir, err)
	}
}

// clusterLogger hands the broker's warnings to the program's log; its info lines are one per request.
type clusterLogger struct{ log *slog.Logger }

func (clusterLogger) Level() kfake.LogLevel { return kfake.LogLevelWarn }

func (l clusterLogger) Logf(level kfake.LogLevel, format string, args ...any) {
	msg := strings.TrimSpace(fmt.Sprintf(format, args...))
	if level == kfake.LogLevelError {
		l.log.Error("embedded broker", "event", msg)
		return
	}
	l.log.Debug("embedded broker", "event", msg)
}
