package ingest

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tollkeeper/tollkeeper/deploy/kafka/kafkatest"
	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
	"github.com/tollkeeper/tollkeeper/internal/logtest"
)

// rig is the real thing in parts that can be killed one by one: Kafka brokers, the ClickHouse engine in a process of its
// own, and ingesters in processes of their own, each behind a proxy that knows what it is doing and can hold it there.
type rig struct {
	t      *testing.T
	seed   uint64
	rng    *rand.Rand
	kafka  *kafkatest.Cluster
	engine *engineProcess
	db     *clickhouse.DB // the test's own way to the engine
	truths *[]*truth      // of all topics

	balancer kafka.Balancer // of what is produced; nil: by key
}

const testPartitions = 4

var _ Store = (*clickhouse.DB)(nil)

func newRig(t *testing.T, brokers int) *rig {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("TOLLKEEPER_CHAOS_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("TOLLKEEPER_CHAOS_SEED: %v", err)
		}
	}
	t.Logf("faults are drawn from seed %d; set TOLLKEEPER_CHAOS_SEED=%d to draw the same", seed, seed)
	r := &rig{t: t, seed: seed, engine: startEngine(t), truths: &[]*truth{}}
	r.kafka = kafkatest.Start(t, brokers)
	db, err := openWhenUp(t.Context(), clickhouse.Config{DSN: startProxy(t, r.engine.socket).dsn(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	r.db = db
	return r
}

// of is the rig for a subtest, with chances of its own, so that each can be repeated alone.
func (r *rig) of(t *testing.T) *rig {
	c := *r
	h := fnv.New64()
	io.WriteString(h, t.Name())
	c.t, c.rng = t, rand.New(rand.NewPCG(r.seed, h.Sum64()))
	return &c
}

// between draws a duration.
func (r *rig) between(from, to time.Duration) time.Duration {
	return from + time.Duration(r.rng.Int64N(int64(to-from)))
}

func (r *rig) topic(name string) string {
	r.t.Helper()
	r.kafka.CreateTopic(r.t, name, testPartitions)
	return name
}

// engineProcess is the ClickHouse engine in a process that is not the ingester's child, so that either can die alone.
type engineProcess struct {
	t                    *testing.T
	socket, dir, library string
	cmd                  *exec.Cmd
	stdin                io.Closer
}

func startEngine(t *testing.T) *engineProcess {
	t.Helper()
	library, err := clickhouse.FindLibrary("", "")
	if err != nil {
		t.Fatal(err)
	}
	// The path of a unix socket is short.
	dir, err := os.MkdirTemp("", "tk")
	if err != nil {
		t.Fatal(err)
	}
	e := &engineProcess{t: t, socket: filepath.Join(dir, "s"), dir: filepath.Join(dir, "data"), library: library}
	e.start()
	t.Cleanup(func() {
		e.kill()
		os.RemoveAll(dir)
	})
	return e
}

func (e *engineProcess) start() {
	e.t.Helper()
	e.cmd = exec.Command(os.Args[0], "engine", "--socket", e.socket, "--path", e.dir, "--library", e.library)
	e.cmd.Stderr = os.Stderr
	stdin, err := e.cmd.StdinPipe()
	if err != nil {
		e.t.Fatal(err)
	}
	e.stdin = stdin
	if err := e.cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
}

func (e *engineProcess) kill() {
	e.cmd.Process.Kill()
	e.cmd.Wait()
	e.stdin.Close()
}

// process is an ingester that can be killed.
type process struct {
	cmd   *exec.Cmd
	proxy *faultProxy
	log   *logtest.Buffer
	done  chan struct{}
}

// lastOf is the end of a long log.
func lastOf(text string, n int) string { return text[max(0, len(text)-n):] }

func (r *rig) startIngest(topic, instance string, session time.Duration) *process {
	r.t.Helper()
	return r.start(ingestProcess{Topic: topic, Instance: instance, Session: session})
}

func (r *rig) start(what ingestProcess) *process {
	r.t.Helper()
	p := &process{cmd: exec.Command(os.Args[0]), proxy: startProxy(r.t, r.engine.socket), log: &logtest.Buffer{}, done: make(chan struct{})}
	what.Brokers, what.DSN = r.kafka.Brokers(), p.proxy.dsn()
	config, err := json.Marshal(what)
	if err != nil {
		r.t.Fatal(err)
	}
	p.cmd.Env = append(os.Environ(), ingestEnv+"="+string(config))
	p.cmd.Stderr, p.cmd.Stdout = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	r.t.Cleanup(func() {
		p.end(syscall.SIGKILL)
		if r.t.Failed() {
			r.t.Logf("log of ingester %s:\n%s", what.Instance, lastOf(p.log.String(), 20_000))
		}
	})
	return p
}

func (p *process) signal(s syscall.Signal) { p.cmd.Process.Signal(s) }

// end ends the process and its proxy; it may be repeated.
func (p *process) end(s syscall.Signal) {
	p.signal(s)
	<-p.done
	p.proxy.close()
}

// killAt kills the process at that moment of its life, or soon after when the moment does not come.
func (r *rig) killAt(p *process, m moment) (reached bool) {
	switch m {
	case whileStarting:
		time.Sleep(r.between(0, 500*time.Millisecond))
	case whenever:
		time.Sleep(r.between(0, 1500*time.Millisecond))
	default:
		a := p.proxy.ambush(m)
		defer a.release()
		if !a.wait(2 * time.Second) {
			p.end(syscall.SIGKILL)
			return false
		}
		if m == inCommit {
			time.Sleep(r.between(0, 3*time.Millisecond))
		}
		a.drop.Store(true)
		p.signal(syscall.SIGKILL)
		<-p.done
		a.release()
	}
	p.end(syscall.SIGKILL)
	return true
}

// moments are n of them, each kind as often as any other, in an order that is drawn.
func (r *rig) moments(n int, kinds ...moment) []moment {
	var out []moment
	for i := range n {
		out = append(out, kinds[i%len(kinds)])
	}
	r.rng.Shuffle(n, func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// reachedMoments counts which moments faults were met at.
type reachedMoments map[moment]int

// all has each of the moments met at least once: a machine that is taken may have let one pass by every time.
func (m reachedMoments) all(r *rig, killAt func(moment), wanted ...moment) {
	for _, k := range wanted {
		for tries := 0; m[k] == 0 && tries < 20; tries++ {
			killAt(k)
		}
		if m[k] == 0 {
			r.t.Errorf("never killed %s", k)
		}
	}
}

func (m reachedMoments) String() string {
	s := ""
	for k := whileStarting; k <= inCommit; k++ {
		if m[k] > 0 {
			s += fmt.Sprintf(" %s %d", k, m[k])
		}
	}
	return s
}
