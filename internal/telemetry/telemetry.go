// Package telemetry makes the logger and the metrics registry that are handed to everything else. Nothing here is global;
// secrets are kept out of both by those who log and count.
package telemetry

import (
	"io"
	"log/slog"
	"os"
	"runtime"

	"github.com/lmittmann/tint"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/term"
)

// Logger writes to w at the given level (debug, info, warn, error). Format auto is pretty on a terminal and JSON
// elsewhere; durations have their unit in each.
func Logger(w io.Writer, level, format string) *slog.Logger {
	var l slog.Level
	if l.UnmarshalText([]byte(level)) != nil {
		l = slog.LevelInfo
	}
	if format == "auto" {
		format = "json"
		if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			format = "pretty"
		}
	}
	switch format {
	case "pretty":
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: l, TimeFormat: "15:04:05.000"}))
	case "text":
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: l}))
	default:
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l, ReplaceAttr: spelled}))
	}
}

// spelled writes a duration as text does, such as 1.5s; as a number in JSON it would be one without a unit.
func spelled(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// Registry returns a metrics registry with the process's own metrics and tollkeeper_build_info.
func Registry(version, commit string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tollkeeper_build_info", Help: "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": version, "commit": commit, "go": runtime.Version()},
	})
	info.Set(1)
	r.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}
