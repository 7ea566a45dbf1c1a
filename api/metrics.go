package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// codeMissingKey counts calls of authorize without a key.
const codeMissingKey = "MISSING_KEY"

type metrics struct {
	requests *prometheus.HistogramVec
	verdicts *prometheus.CounterVec
	refused  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, events *Events) *metrics {
	m := &metrics{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tollkeeper_api_request_seconds", Help: "Time to answer a request, by route pattern, method and status.",
			Buckets: []float64{.0002, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route", "method", "status"}),
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollkeeper_api_verdicts_total", Help: "Answers to verify and authorize, by code.",
		}, []string{"operation", "code"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tollkeeper_api_credentials_refused_total", Help: "Requests with a token or session that is none.",
		}),
	}
	// From zero, so that an alarm on rate() sees the first of each.
	for code := range verdictCodes {
		m.verdicts.WithLabelValues("verify", string(code))
		m.verdicts.WithLabelValues("authorize", string(code))
	}
	for _, operation := range []string{"verify", "authorize"} {
		m.verdicts.WithLabelValues(operation, string(gen.VerifyCodeVALID))
	}
	m.verdicts.WithLabelValues("authorize", codeMissingKey)
	if reg == nil {
		return m
	}
	reg.MustRegister(m.requests, m.verdicts, m.refused,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tollkeeper_api_event_streams", Help: "Open live event streams."}, func() float64 {
			open, _ := events.counts()
			return float64(open)
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "tollkeeper_api_events_dropped_total", Help: "Live event streams that were ended because the client read too slowly.",
		}, func() float64 {
			_, dropped := events.counts()
			return float64(dropped)
		}))
	return m
}

func (m *metrics) request(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, knownMethod(method), strconv.Itoa(status)).Observe(took.Seconds())
}

func (m *metrics) verdict(operation, code string) { m.verdicts.WithLabelValues(operation, code).Inc() }

// knownMethod keeps a client from making label values up.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// serveMetrics answers a scraper on this machine, or one with a platform or viewer token.
func (s *Server) serveMetrics(c *gin.Context) {
	if s.cfg.Metrics == nil {
		s.fail(c, &Error{Code: CodeNotFound})
		return
	}
	if err := s.mayWatch(c); err != nil {
		s.fail(c, err)
		return
	}
	s.cfg.Metrics.ServeHTTP(c.Writer, c.Request)
}

// mayWatch lets those look at the program's inside who are on this machine, or have the role for it.
func (s *Server) mayWatch(c *gin.Context) error {
	r := requestOf(c)
	if r.peer.IsLoopback() && r.client == r.peer && c.GetHeader("Authorization") == "" {
		return nil
	}
	who, err := s.principal(c.Request, r, "Authorization")
	if err != nil {
		return err
	}
	if who.Role != gen.RoleAdmin && who.Role != gen.RolePlatform && who.Role != gen.RoleViewer {
		return &Error{Code: CodeForbidden}
	}
	r.who = who
	return nil
}
