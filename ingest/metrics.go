package ingest

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
)

type metrics struct {
	records, bytes, duplicates, unprotected, control, gapOffsets, stalls prometheus.Counter
	deadLetters, retries                                                 *prometheus.CounterVec
	blocks                                                               prometheus.Counter
	blockRows, insertSeconds                                             prometheus.Histogram
	assigned                                                             prometheus.Gauge
	dedupSpan, dedupBytes                                                *prometheus.GaugeVec
}

// operations are what is tried again, the labels of retries_total.
var operations = [...]string{
	"fetch", "bounds", "record_gap", "insert_holes", "insert_dead_letters", "insert_events", "target", "commit", "restore", "takeover", "landed", "assigned",
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "tollkeeper", Subsystem: "ingest", Name: name, Help: help})
	}
	gauges := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "tollkeeper", Subsystem: "ingest", Name: name, Help: help}, []string{"topic", "partition"})
	}
	m := &metrics{
		records:     counter("records_total", "Records decoded, retries of a gateway included. A record whose block is read again by a new owner is counted again."),
		bytes:       counter("bytes_total", "Bytes of log lines read."),
		duplicates:  counter("duplicates_total", "Records that repeat a source and request id of the window; stored, never counted."),
		unprotected: counter("records_without_request_id_total", "Records that a gateway's own retry could double, because they carry no request id."),
		control:     counter("control_records_total", "Transaction markers, and records of aborted transactions, passed by."),
		gapOffsets:  counter("gap_offsets_total", "Offsets that were never read: the log had dropped them, or somebody moved the group's offset past them."),
		stalls:      counter("stalls_total", "Times that a partition stopped making progress although it had lag."),
		blocks:      counter("blocks_total", "Blocks stored."),
		deadLetters: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "tollkeeper", Subsystem: "ingest", Name: "dead_letters_total", Help: "Lines refused, by reason."}, []string{"reason"}),
		retries:     prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "tollkeeper", Subsystem: "ingest", Name: "retries_total", Help: "Attempts that failed and were repeated, by operation."}, []string{"operation"}),
		blockRows:   prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "tollkeeper", Subsystem: "ingest", Name: "block_rows", Help: "Rows of a stored block.", Buckets: prometheus.ExponentialBuckets(1, 4, 10)}),
		insertSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "tollkeeper", Subsystem: "ingest", Name: "insert_seconds",
			Help: "Time to store a block, retries included.", Buckets: prometheus.ExponentialBuckets(.002, 2, 14),
		}),
		assigned:   prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "tollkeeper", Subsystem: "ingest", Name: "assigned_partitions", Help: "Partitions that this process owns."}),
		dedupSpan:  gauges("dedup_window_seconds", "How much of the window for repeated request ids is held; less than the setting when memory is short."),
		dedupBytes: gauges("dedup_bytes", "Memory of the window for repeated request ids."),
	}
	for _, reason := range append(accesslog.Reasons(), reasonDecoder) {
		m.deadLetters.WithLabelValues(reason) // rate() misses the first of a series that comes with it
	}
	for _, operation := range operations {
		m.retries.WithLabelValues(operation)
	}
	if reg != nil {
		reg.MustRegister(m.records, m.bytes, m.duplicates, m.unprotected, m.control, m.gapOffsets, m.stalls, m.blocks, m.deadLetters, m.retries,
			m.blockRows, m.insertSeconds, m.assigned, m.dedupSpan, m.dedupBytes)
	}
	return m
}

// lagCollector reads lag when it is asked for, so that it is right also while nothing moves.
type lagCollector struct {
	in             *Ingester
	lag, age, held *prometheus.Desc
}

func newLagCollector(in *Ingester) *lagCollector {
	labels := []string{"topic", "partition"}
	return &lagCollector{
		in:   in,
		lag:  prometheus.NewDesc("tollkeeper_ingest_lag", "Offsets written to the log but not stored yet.", labels, nil),
		held: prometheus.NewDesc("tollkeeper_ingest_open_transaction_seconds", "How long the same open transaction of a producer has held back what lies behind it; 0 when there is none.", labels, nil),
		age:  prometheus.NewDesc("tollkeeper_ingest_lag_age_seconds", "How long the oldest of them has been known to wait.", labels, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *lagCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.lag
	ch <- c.age
	ch <- c.held
}

// Collect implements prometheus.Collector.
func (c *lagCollector) Collect(ch chan<- prometheus.Metric) {
	for _, p := range c.in.Health().Partitions {
		partition := strconv.Itoa(int(p.Partition))
		ch <- prometheus.MustNewConstMetric(c.lag, prometheus.GaugeValue, float64(p.Lag), p.Topic, partition)
		ch <- prometheus.MustNewConstMetric(c.age, prometheus.GaugeValue, p.LagAge.Seconds(), p.Topic, partition)
		ch <- prometheus.MustNewConstMetric(c.held, prometheus.GaugeValue, p.HeldFor.Seconds(), p.Topic, partition)
	}
}
