package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollkeeper/tollkeeper/detect"
)

// remembered are the figures of this process's detection: what it holds, and whether the bound on it (detect-keys) is too low.
type remembered struct {
	keys, episodes, incidents, memory prometheus.Gauge
	forgotten                         prometheus.Counter
}

func newRemembered(registry prometheus.Registerer) *remembered {
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		registry.MustRegister(g)
		return g
	}
	r := &remembered{
		keys:      gauge("tollkeeper_detect_keys", "Keys whose habits this process remembers; detect-keys bounds them."),
		episodes:  gauge("tollkeeper_detect_episodes", "Episodes of abuse that go on, among the keys of this process."),
		incidents: gauge("tollkeeper_detect_incidents", "Partitions in which many keys are busier than usual at once, so that volume is no evidence against one of them."),
		memory:    gauge("tollkeeper_detect_memory_bytes", "Memory taken for what is remembered of keys, outside of Go's heap."),
		forgotten: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tollkeeper_detect_keys_forgotten_total", Help: "Keys that were forgotten to stay within detect-keys. Each that comes back is learnt anew from its history; where this grows all the time, raise detect-keys.",
		}),
	}
	registry.MustRegister(r.forgotten)
	return r
}

// show takes what the engines of all partitions hold together.
func (r *remembered) show(all []detect.Stats) {
	var sum detect.Stats
	incidents := 0
	for i := range all {
		sum.Keys += all[i].Keys
		sum.Running += all[i].Running
		sum.Mapped += all[i].Mapped
		if all[i].Incident {
			incidents++
		}
	}
	r.keys.Set(float64(sum.Keys))
	r.episodes.Set(float64(sum.Running))
	r.memory.Set(float64(sum.Mapped))
	r.incidents.Set(float64(incidents))
}
