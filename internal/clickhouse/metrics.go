package clickhouse

import "github.com/prometheus/client_golang/prometheus"

// metrics of the connection and of the embedded engine.
type metrics struct {
	engineRestarts prometheus.Counter
	engineUp       prometheus.Gauge
	inserts        *prometheus.CounterVec   // by table and outcome
	insertRows     *prometheus.CounterVec   // by table, of successful inserts, repeats of a token included
	insertBytes    *prometheus.CounterVec   // by table, encoded and not compressed
	insertSeconds  *prometheus.HistogramVec // by table
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		engineRestarts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tollkeeper_clickhouse_engine_restarts_total", Help: "Times the embedded ClickHouse engine died and was started again.",
		}),
		engineUp: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tollkeeper_clickhouse_engine_up", Help: "1 while the embedded ClickHouse engine answers, 0 while it is down or a server is used.",
		}),
		inserts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollkeeper_clickhouse_inserts_total", Help: "Inserts of a block, by table and outcome (ok, error).",
		}, []string{"table", "outcome"}),
		insertRows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollkeeper_clickhouse_insert_rows_total", Help: "Rows of acknowledged inserts, repeated tokens included.",
		}, []string{"table"}),
		insertBytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollkeeper_clickhouse_insert_bytes_total", Help: "Bytes of acknowledged inserts before compression.",
		}, []string{"table"}),
		insertSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tollkeeper_clickhouse_insert_seconds", Help: "Time of an insert until it was acknowledged.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
		}, []string{"table"}),
	}
	// From zero, so that an alarm on rate() sees the first.
	for _, table := range []string{"events", "dead_letters", "holes"} {
		m.inserts.WithLabelValues(table, "ok")
		m.inserts.WithLabelValues(table, "error")
		m.insertRows.WithLabelValues(table)
		m.insertBytes.WithLabelValues(table)
	}
	if registerer == nil {
		return m, nil
	}
	for _, c := range m.all() {
		if err := registerer.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.engineRestarts, m.engineUp, m.inserts, m.insertRows, m.insertBytes, m.insertSeconds}
}

func (m *metrics) unregister(registerer prometheus.Registerer) {
	if registerer == nil {
		return
	}
	for _, c := range m.all() {
		registerer.Unregister(c)
	}
}
