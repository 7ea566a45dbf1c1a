package deploytest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/teststorage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// series is one line of what a server exposes.
type series struct {
	labels labels.Labels
	value  float64
}

// exposition is what a server exposes that has done a little of everything.
type exposition struct {
	series []series
	kinds  map[string]model.MetricType // by a metric's name
}

var exposed struct {
	sync.Mutex
	e *exposition
}

// expose asks a real server, once for all tests. It is given a call of each kind and a log with a good and a bad line, since some
// series come only with what they count.
func expose(t *testing.T) exposition {
	t.Helper()
	exposed.Lock()
	defer exposed.Unlock()
	if exposed.e == nil {
		s := serve(t, "--notify-url", "http://127.0.0.1:1/hook", "--notify-format", "slack", "--rekey-topics", "unkeyed", "--redis", "redis://127.0.0.1:1")
		res, err := http.Post(s.url+"/v1/keys/verify", "application/json", strings.NewReader(`{"key":"none"}`))
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		s.get(t, "/v1/authorize")
		log := filepath.Join(t.TempDir(), "access.log")
		require.NoError(t, os.WriteFile(log, []byte(`203.0.113.7 - - [`+time.Now().UTC().Format("02/Jan/2006:15:04:05 -0700")+`] "GET /v1/things HTTP/1.1" 200 512 "-" "curl/8.5.0"`+"\nnonsense\n"), 0o600))
		_, errOut, code := tollkeeper(t, nil, "ship", "--once", "--data", s.data, "--kafka", s.kafka, "--format", "combined", log)
		require.Zero(t, code, errOut)
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			e := parseExposition(t, s.get(t, "/metrics"))
			for _, table := range []string{"events", "dead_letters"} {
				require.Positive(c, e.value("tollkeeper_clickhouse_insert_rows_total", "table", table))
			}
			exposed.e = &e
		}, 30*time.Second, 100*time.Millisecond)
	}
	return *exposed.e
}

func parseExposition(t *testing.T, raw []byte) exposition {
	t.Helper()
	e := exposition{kinds: map[string]model.MetricType{}}
	p := textparse.NewPromParser(raw, labels.NewSymbolTable(), false)
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		switch entry {
		case textparse.EntryType:
			name, kind := p.Type()
			e.kinds[string(name)] = kind
		case textparse.EntrySeries:
			var l labels.Labels
			p.Labels(&l)
			_, _, value := p.Series()
			e.add(l, value)
		}
	}
	// What Prometheus adds by itself.
	e.kinds["up"] = model.MetricTypeGauge
	e.add(labels.FromStrings(model.MetricNameLabel, "up"), 1)
	return e
}

func (e *exposition) add(l labels.Labels, value float64) {
	b := labels.NewBuilder(l)
	b.Set("job", "tollkeeper")
	b.Set("instance", "tollkeeper.example:8080")
	e.series = append(e.series, series{b.Labels(), value})
}

// value is the sum of a metric's series that have the label.
func (e *exposition) value(name, label, value string) (sum float64) {
	for _, s := range e.series {
		if s.labels.Get(model.MetricNameLabel) == name && s.labels.Get(label) == value {
			sum += s.value
		}
	}
	return sum
}

// kind is the type of the metric that a series belongs to; the parts of a histogram count like counters.
func (e *exposition) kind(name string) model.MetricType {
	if kind, ok := e.kinds[name]; ok {
		return kind
	}
	for _, part := range []string{"_bucket", "_count", "_sum"} {
		if base, ok := strings.CutSuffix(name, part); ok && e.kinds[base] == model.MetricTypeHistogram {
			return model.MetricTypeCounter
		}
	}
	return model.MetricTypeUnknown
}

// prometheus answers queries about a time in which the server exposed what it does.
type prometheus struct {
	engine  *promql.Engine
	storage *teststorage.TestStorage
	now     time.Time
}

// record stores samples of the time before now, one a minute. A gauge stays as it is, or as set says; a counter grows by grow a minute, or by what
// set says.
func (e *exposition) record(t *testing.T, long time.Duration, grow float64, set map[string]float64) *prometheus {
	t.Helper()
	p := &prometheus{storage: teststorage.New(t), now: time.Unix(1_800_000_000, 0)}
	p.engine = promql.NewEngine(promql.EngineOpts{MaxSamples: 50_000_000, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
	t.Cleanup(func() { require.NoError(t, p.engine.Close()) })
	app := p.storage.Appender(context.Background())
	for _, s := range e.series {
		name := s.labels.Get(model.MetricNameLabel)
		value, step := s.value, 0.0
		own, ok := set[name]
		switch counts := e.kind(name) == model.MetricTypeCounter; {
		case counts && ok:
			step = own
		case counts:
			step = grow
		case ok:
			value = own
		}
		for ago := long; ago >= 0; ago -= time.Minute {
			_, err := app.Append(0, s.labels, p.now.Add(-ago).UnixMilli(), value)
			require.NoError(t, err)
			value += step
		}
	}
	require.NoError(t, app.Commit())
	return p
}

// ask evaluates a query now. Prometheus itself warns of a rate of what is no counter, of a quantile of what is no histogram, and such.
func (p *prometheus) ask(t *testing.T, query string) promql.Vector {
	t.Helper()
	q, err := p.engine.NewInstantQuery(context.Background(), p.storage, nil, query, p.now)
	require.NoError(t, err, query)
	defer q.Close()
	res := q.Exec(context.Background())
	require.NoError(t, res.Err, query)
	require.Empty(t, res.Warnings.AsErrors(), query)
	v, err := res.Vector()
	require.NoError(t, err, query)
	out := make(promql.Vector, len(v))
	copy(out, v)
	return out
}

// requireKnown fails unless a server exposes what the query selects, with all labels that it matches, and unless counters and gauges
// are each used as what they are.
func (p *prometheus) requireKnown(t *testing.T, e exposition, query string) {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	require.NoError(t, err, query)
	selected := 0
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		s, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		selected++
		if strings.HasSuffix(query, " or vector(0)") { // it says itself that the values may not be there yet
			for _, m := range s.LabelMatchers {
				if m.Name != model.MetricNameLabel {
					m.Type, m.Value = labels.MatchNotEqual, ""
				}
			}
		}
		require.NotEmpty(t, p.ask(t, s.String()), "%s asks for %s, which a server does not expose", query, s)
		want := model.MetricTypeGauge
		for _, n := range path {
			if call, ok := n.(*parser.Call); ok && (call.Func.Name == "rate" || call.Func.Name == "increase") {
				want = model.MetricTypeCounter
			}
		}
		require.Equal(t, want, e.kind(s.Name), "%s: what %s is", query, s.Name)
		return nil
	})
	require.Positive(t, selected, query)
}
