package counter

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// The only floats of quotas are in this file: Prometheus knows no other numbers. Nothing is computed with them.

// count is an exact metric.
type count struct{ atomic.Int64 }

func (c *count) metric() float64 { return float64(c.Load()) }

func (c *Counter) register(r prometheus.Registerer) {
	r.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "tollkeeper_quota_records_outside_total", Help: "Records too old or too new for the live quota counters; the ledger has them.",
		}, c.outside.metric),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "tollkeeper_quota_keys_untracked_total", Help: "Times a key was not counted because there are too many.",
		}, c.untracked.metric),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tollkeeper_quota_keys", Help: "Keys in the live quota counters.",
		}, func() float64 { return float64(c.keys.len()) }),
	)
}
