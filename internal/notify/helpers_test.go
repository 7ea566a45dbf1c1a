package notify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/notify"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Main(m)) }

type clock struct{ ms atomic.Int64 }

func (c *clock) Now() time.Time          { return time.UnixMilli(c.ms.Load()).UTC() }
func (c *clock) Advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

var key = []byte("a key of twenty-four byte")

// post is what the receiver got.
type post struct {
	ID, Stamp, Signature string
	Status               int             // what it answered
	Gone                 <-chan struct{} // closed when the sender has given up
	Raw                  []byte
	Body                 notify.Message
}

// receiver is a real server whose answers the test decides.
type receiver struct {
	t      *testing.T
	addr   string
	server *httptest.Server
	answer func(p *post, w http.ResponseWriter) int

	mu    sync.Mutex
	posts []post
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, addr: "127.0.0.1:0"}
	r.ok()
	r.up()
	t.Cleanup(r.down)
	return r
}

// up starts the server at the address that it had before.
func (r *receiver) up() {
	l, err := net.Listen("tcp", r.addr)
	require.NoError(r.t, err)
	r.addr = l.Addr().String()
	r.server = httptest.NewUnstartedServer(r)
	r.server.Listener = l
	r.server.Start()
}

func (r *receiver) down() { r.server.Close() }

func (r *receiver) ok() { r.say(func(*post, http.ResponseWriter) int { return http.StatusNoContent }) }

func (r *receiver) always(status int) {
	r.say(func(*post, http.ResponseWriter) int { return status })
}

func (r *receiver) say(answer func(p *post, w http.ResponseWriter) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	raw, _ := io.ReadAll(q.Body)
	p := post{ID: q.Header.Get("webhook-id"), Stamp: q.Header.Get("webhook-timestamp"), Signature: q.Header.Get("webhook-signature"), Raw: raw, Gone: q.Context().Done()}
	_ = json.Unmarshal(raw, &p.Body)
	r.mu.Lock()
	answer := r.answer
	r.mu.Unlock()
	p.Status = answer(&p, w)
	r.mu.Lock()
	r.posts = append(r.posts, p)
	r.mu.Unlock()
	w.WriteHeader(p.Status)
}

func (r *receiver) all() []post {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]post(nil), r.posts...)
}

func (r *receiver) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.posts = nil
}

// taken are the types of the messages that the receiver took, as "opened key_1", in order.
func (r *receiver) taken() []string {
	var list []string
	for _, p := range r.all() {
		if p.Status < 300 {
			list = append(list, p.Body.Type[len("alert."):]+" "+p.Body.Data.KeyID)
		}
	}
	return list
}

// rig is a database with alerts, and a receiver.
type rig struct {
	*receiver
	db     *sqlstore.DB
	alerts *alerts.Store
	clock  *clock
	logs   bytes.Buffer
}

func newRig(t *testing.T, db *sqlstore.DB) *rig {
	r := &rig{receiver: newReceiver(t), db: db, clock: &clock{}}
	r.clock.ms.Store(1_700_000_000_000)
	r.alerts = alerts.NewStore(db, alerts.Config{Audit: audit.New([]byte("for tests")), Now: r.clock.Now, Poll: 20 * time.Millisecond})
	return r
}

// each runs a test on both engines.
func each(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) { test(t, newRig(t, open(t))) }, notify.Migrations())
}

func (r *rig) sender(set ...func(*notify.SenderConfig)) *notify.Sender {
	c := notify.SenderConfig{URL: "http://" + r.addr + "/hook", Key: key, Format: notify.JSON, Version: "test", Now: r.clock.Now}
	for _, s := range set {
		s(&c)
	}
	s, err := notify.NewSender(c)
	require.NoError(r.t, err)
	return s
}

// node is a process that sends.
type node struct {
	*notify.Notifier
	t       *testing.T
	metrics *prometheus.Registry
}

func (r *rig) node(set ...func(*notify.Config)) *node {
	n := &node{t: r.t, metrics: prometheus.NewRegistry()}
	c := notify.Config{
		DB: r.db, Alerts: r.alerts, Sender: r.sender(), Kinds: []string{"opened", "action"}, MinSeverity: alerts.Medium, Registerer: n.metrics,
		Logger: slog.New(slog.NewJSONHandler(&r.logs, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: r.clock.Now,
	}
	for _, s := range set {
		s(&c)
	}
	n.Notifier = notify.New(c)
	return n
}

// begun is a node that has seen the present end of the feed.
func (r *rig) begun(set ...func(*notify.Config)) *node {
	n := r.node(set...)
	n.settle()
	return n
}

// settle lets the node do what it can do now.
func (n *node) settle() {
	n.t.Helper()
	for idle := 0; idle < 2; { // the first start makes its row and waits
		wait, err := n.Step(context.Background())
		require.NoError(n.t, err)
		if idle++; wait == 0 {
			idle = 0
		}
	}
}

func (r *rig) raise(keyID string, severity alerts.Severity) alerts.Alert {
	r.t.Helper()
	r.clock.Advance(time.Second)
	a, err := r.alerts.Raise(context.Background(), alerts.Finding{
		KeyID: keyID, AccountID: "acme", Episode: "ep", Severity: severity, Action: alerts.Flag, Title: "The key is being abused", Sentence: "AS64500 was never seen.",
		Evidence: json.RawMessage(`{"families":["network"]}`), Actor: json.RawMessage(`{"asn":64500,"country":"NL","agent":"curl","addresses":["192.0.2.7"],"operator":"Example"}`),
		EventTime: r.clock.Now().Add(-time.Second), By: "detector:abuse",
	})
	require.NoError(r.t, err)
	return a.Alert
}

func (r *rig) suspend(a alerts.Alert) {
	r.t.Helper()
	r.clock.Advance(time.Second)
	_, err := r.alerts.RecordAction(context.Background(), a.ID, alerts.Suspend, "suspended until later", nil, alerts.By{Actor: "detector:abuse"})
	require.NoError(r.t, err)
}

// value is a metric's value.
func (n *node) value(name, label string) float64 {
	n.t.Helper()
	families, err := n.metrics.Gather()
	require.NoError(n.t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	n.t.Fatalf("there is no metric %s %s", name, label)
	return 0
}
