// Package kafkatest runs Apache Kafka for tests: real brokers in processes of their own, on loopback ports that were
// free, with their data in the test's folder, ended when the test ends.
//
// It needs Java and the jars that `make kafka` fetches, and fails the test with what to run when they are missing. A
// node takes about 430 MB and 3 seconds to start.
package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// clusterID is Kafka's base64 form of a UUID; every test cluster may have the same.
const clusterID = "dG9sbGtlZXBlci10ZXN0cw"

// Cluster is a running one.
type Cluster struct {
	Nodes []*Node
}

// Node is one broker, which is a controller too.
type Node struct {
	Addr string // host:port for clients

	t     testing.TB
	libs  string
	dir   string
	props string

	mu   sync.Mutex
	cmd  *exec.Cmd
	dead chan struct{} // closed when the process has ended
}

// Start runs a cluster of n nodes and waits until it answers. Topics get min(n, 3) replicas, of which one may be away. More lines of
// the nodes' properties may be given, such as "offset.metadata.max.bytes=40".
func Start(t testing.TB, n int, more ...string) *Cluster {
	t.Helper()
	return start(t, n, func(*Node, int) string { return strings.Join(more, "\n") })
}

// start asks for more properties of each node, when its address and its controller's port are known; format's arguments are for all.
func start(t testing.TB, n int, more func(node *Node, controller int) string, format ...string) *Cluster {
	t.Helper()
	libs := libraries(t)
	ports := freePorts(t, 2*n)
	var voters, names []string
	for i := range n {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", i+1, ports[2*i+1]))
	}
	replicas := min(n, 3)
	c := &Cluster{}
	for i := range n {
		dir := filepath.Join(t.TempDir(), fmt.Sprint("node", i+1))
		node := &Node{t: t, libs: libs, dir: dir, Addr: fmt.Sprintf("127.0.0.1:%d", ports[2*i]), props: filepath.Join(dir, "node.properties")}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		props := fmt.Sprintf(`process.roles=broker,controller
node.id=%d
controller.quorum.voters=%s
listeners=PLAINTEXT://%s,CONTROLLER://127.0.0.1:%d
advertised.listeners=PLAINTEXT://%s
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=%s
default.replication.factor=%d
min.insync.replicas=%d
offsets.topic.replication.factor=%d
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=%d
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=20000000
%s
`, i+1, strings.Join(voters, ","), node.Addr, ports[2*i+1], node.Addr, filepath.Join(dir, "log"), replicas, max(1, replicas-1), replicas, replicas, more(node, ports[2*i+1]))
		if err := os.WriteFile(node.props, []byte(props), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Nodes = append(c.Nodes, node)
		names = append(names, node.Addr)
	}
	var wg sync.WaitGroup
	for _, node := range c.Nodes {
		wg.Go(func() { node.format(format...) })
	}
	wg.Wait()
	for _, node := range c.Nodes {
		node.Restart()
	}
	for _, node := range c.Nodes {
		node.WaitUp(90 * time.Second)
	}
	t.Logf("Apache Kafka with %d node(s) on %s", n, strings.Join(names, ", "))
	return c
}

// Brokers are the addresses of all nodes.
func (c *Cluster) Brokers() []string {
	var out []string
	for _, n := range c.Nodes {
		out = append(out, n.Addr)
	}
	return out
}

func (n *Node) java(args ...string) *exec.Cmd {
	cmd := exec.Command("java", append([]string{
		"-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", filepath.Join(n.libs, "*"),
	}, args...)...)
	cmd.Dir = n.dir
	// A test binary that dies takes its brokers with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func (n *Node) format(more ...string) {
	args := append([]string{"kafka.tools.StorageTool", "format", "-t", clusterID, "-c", n.props}, more...)
	if out, err := n.java(args...).CombinedOutput(); err != nil {
		n.t.Errorf("format %s: %v\n%s", n.dir, err, out)
	}
}

// Restart starts the node's process, for the first time or after Kill.
func (n *Node) Restart() {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	log, err := os.OpenFile(filepath.Join(n.dir, "broker.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	cmd := n.java("kafka.Kafka", n.props)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		log.Close()
		n.t.Fatalf("start a broker: %v", err)
	}
	dead := make(chan struct{})
	n.cmd, n.dead = cmd, dead
	go func() {
		cmd.Wait()
		log.Close()
		close(dead)
	}()
	n.t.Cleanup(func() {
		cmd.Process.Kill()
		<-dead
	})
}

// Set changes or adds a property, for when the node is started next.
func (n *Node) Set(name, value string) {
	n.t.Helper()
	props, err := os.ReadFile(n.props)
	if err == nil {
		// Of a property that is given twice the last counts.
		err = os.WriteFile(n.props, fmt.Appendf(props, "%s=%s\n", name, value), 0o600)
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

// Kill ends the node's process with SIGKILL and waits until it is gone.
func (n *Node) Kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cmd.Process.Kill()
	<-n.dead
}

// WaitUp waits until the node answers as a member of a working cluster.
func (n *Node) WaitUp(within time.Duration) {
	n.t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := n.ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(n.dir, "broker.log"))
			n.t.Fatalf("broker %s did not answer within %s: %v\n%s", n.Addr, within, err, log[max(0, len(log)-4000):])
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (n *Node) ask() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	conn, err := kafka.DialContext(ctx, "tcp", n.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err = conn.Controller(); err != nil {
		return err
	}
	brokers, err := conn.Brokers()
	if err != nil {
		return err
	}
	for _, b := range brokers {
		if net.JoinHostPort(b.Host, fmt.Sprint(b.Port)) == n.Addr {
			return nil
		}
	}
	return fmt.Errorf("the cluster does not count it in yet")
}

// CreateTopic makes a topic and waits until every partition has a leader.
func (c *Cluster) CreateTopic(t testing.TB, topic string, partitions int) {
	t.Helper()
	tr := &kafka.Transport{}
	defer tr.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(c.Brokers()...), Transport: tr, Timeout: 20 * time.Second}
	deadline := time.Now().Add(60 * time.Second)
	for {
		res, err := client.CreateTopics(context.Background(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
			{Topic: topic, NumPartitions: partitions, ReplicationFactor: min(len(c.Nodes), 3)},
		}})
		if err == nil {
			err = res.Errors[topic]
		}
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("create topic %s: %v", topic, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	for {
		meta, err := client.Metadata(context.Background(), &kafka.MetadataRequest{Topics: []string{topic}})
		led := 0
		if err == nil && len(meta.Topics) == 1 {
			for _, p := range meta.Topics[0].Partitions {
				if p.Error == nil && p.Leader.Host != "" {
					led++
				}
			}
		}
		if led == partitions {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("topic %s has %d led partitions of %d: %v", topic, led, partitions, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Produce writes lines, one record each, with the producer that comes with Kafka, packed as it packs them: none, gzip, snappy, lz4 or zstd.
func (c *Cluster) Produce(t testing.TB, topic, codec string, lines ...string) {
	t.Helper()
	cmd := c.Nodes[0].java("org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", c.Nodes[0].Addr, "--topic", topic, "--compression-codec", codec,
		"--command-property", "linger.ms=200")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("produce to %s: %v\n%s", topic, err, out)
	}
}

// DeleteTopic deletes a topic and waits until no node knows it any more.
func (c *Cluster) DeleteTopic(t testing.TB, topic string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	tr := &kafka.Transport{}
	defer tr.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(c.Brokers()...), Transport: tr, Timeout: 20 * time.Second}
	res, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err == nil {
		err = res.Errors[topic]
	}
	if err != nil {
		t.Fatalf("delete topic %s: %v", topic, err)
	}
	for _, n := range c.Nodes {
		for {
			conn, err := kafka.DialContext(ctx, "tcp", n.Addr)
			if err == nil {
				_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
				_, err = conn.ReadPartitions(topic)
				conn.Close()
			}
			if errors.Is(err, kafka.UnknownTopicOrPartition) {
				break
			}
			if ctx.Err() != nil {
				t.Fatalf("topic %s is still there: %v", topic, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// libraries finds the jars beside the module's go.mod.
func libraries(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = parent
	}
	libs := filepath.Join(dir, ".cache", "kafka")
	if _, err := os.Stat(filepath.Join(libs, ".complete")); err != nil {
		t.Fatal("the jars of Apache Kafka are missing: run `make kafka`")
	}
	if _, err := exec.LookPath("java"); err != nil {
		t.Fatal("java is missing; on Debian: apt-get install openjdk-17-jre-headless")
	}
	return libs
}

func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		ports = append(ports, ln.Addr().(*net.TCPAddr).Port)
	}
	return ports
}
