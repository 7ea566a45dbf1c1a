package api

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// Bounds of every request.
const (
	// MaxBodyBytes is the largest body that is read.
	MaxBodyBytes = 256 << 10
	// MaxPage is the largest page of a list.
	MaxPage = 200
	// DefaultPage is the page of a list of which no limit was asked.
	DefaultPage = 50
	// handlerBound is how long a handler may work.
	handlerBound = 30 * time.Second
	// auditBound is how long the audit of everything that is stored may take.
	auditBound = 10 * time.Minute
	// checkBound is how long one readiness check may take.
	checkBound = 2 * time.Second
)

// Config is what a Server is made of. Logger, Now and Sessions are required. A port that is nil belongs to another process:
// its operations answer 503 and say so.
type Config struct {
	Logger     *slog.Logger
	Now        func() time.Time
	Registerer prometheus.Registerer // nil: no metrics are kept
	Metrics    http.Handler          // serves GET /metrics to loopback and to platform or viewer tokens; nil: 404

	Sessions    Sessions
	Keys        Keys
	Verifier    Verifier
	Alerts      Alerts
	Accounts    Accounts
	Usage       Usage
	Billing     Billing
	Audit       Audit
	Tokens      Tokens
	Stats       Stats
	DeadLetters DeadLetters
	Policies    Policies
	Receivers   Receivers
	Idempotency Idempotency // nil: answers are remembered in memory, by this process alone
	Checks      []Check
	Events      *Events // nil: a ring that nobody publishes to

	// Dashboard holds index.html and assets/; nil: there is no dashboard (built with -tags noui).
	Dashboard fs.FS

	// TrustedProxies are the peers whose X-Forwarded-For and X-Real-IP are believed; nil: loopback. Empty, not nil: none.
	TrustedProxies []netip.Prefix
	// OpenAuthorize lets callers on loopback use /v1/authorize without a token.
	OpenAuthorize bool
	// AuthorizeQuery is the query parameter that may hold the key, beside the headers; "": none. A key in a query ends up
	// in other people's logs.
	AuthorizeQuery string
	// SecureCookie marks the session cookie Secure: set it when people reach the dashboard over https.
	SecureCookie bool
	// RequestsPerMinute bounds each caller, apart from verify and authorize; 0: 6,000.
	RequestsPerMinute int
}

// Server answers HTTP requests. It is safe for concurrent use.
type Server struct {
	cfg      Config
	log      *slog.Logger
	spec     *description
	engine   *gin.Engine
	origin   *http.CrossOriginProtection
	trusted  []netip.Prefix
	events   *Events
	metrics  *metrics
	limits   *limiter
	failures *limiter
	health   *health
	docs     []byte
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// New checks cfg and builds the routes. It sets gin's mode to release for the whole process, as gin otherwise writes to
// standard output.
func New(cfg Config) (*Server, error) {
	if cfg.Logger == nil || cfg.Now == nil || cfg.Sessions == nil {
		return nil, errors.New("api: Config needs Logger, Now and Sessions")
	}
	spec, err := loadDescription()
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	fillAbsent(&cfg)
	s := &Server{
		cfg: cfg, log: cfg.Logger, spec: spec, origin: http.NewCrossOriginProtection(), trusted: cfg.TrustedProxies,
		events: cfg.Events, metrics: newMetrics(cfg.Registerer, cfg.Events),
		limits:   newLimiter(cfg.RequestsPerMinute, time.Minute),
		failures: newLimiter(failuresPerMinute, time.Minute),
		health:   &health{checks: cfg.Checks},
	}
	if s.trusted == nil {
		s.trusted = loopback
	}
	if s.docs, err = renderDocs(spec); err != nil {
		return nil, fmt.Errorf("api: documentation page: %w", err)
	}
	if err := s.route(); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	return s, nil
}

// Handler returns the handler of all routes.
func (s *Server) Handler() http.Handler { return s.engine }

// Stopping makes /readyz fail, so that balancers send no more requests, and ends the live streams, which a graceful shutdown
// would otherwise wait for. Call it before closing the listener.
func (s *Server) Stopping() {
	s.health.stopping.Store(true)
	s.events.Close()
}

// Events returns the ring that GET /v1/events reads.
func (s *Server) Events() *Events { return s.events }

func (s *Server) route() error {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.RedirectFixedPath = false
	if err := e.SetTrustedProxies(nil); err != nil { // we find the client's address ourselves
		return err
	}
	e.Use(s.begin, s.recoverPanic, s.headers)
	e.NoRoute(s.noRoute)
	e.NoMethod(func(c *gin.Context) {
		if methods := s.spec.methods(c.Request.URL.Path); len(methods) > 0 {
			c.Header("Allow", strings.Join(methods, ", "))
		}
		s.fail(c, &Error{Code: CodeMethodNotAllowed})
	})

	described := e.Group("/", s.describe, s.authenticate, s.throttle, s.validate, s.idempotent)
	strict := gen.NewStrictHandlerWithOptions(&handlers{s}, nil, gen.StrictGinServerOptions{
		RequestErrorHandlerFunc: func(c *gin.Context, err error) {
			// The body was checked before: what is left are numbers beyond 64 bits and times that do not exist.
			s.fail(c, &Error{Code: CodeInvalidRequest, Fields: []gen.FieldProblem{{Pointer: "#", Detail: decodeMessage(err)}}, Cause: err})
		},
		HandlerErrorFunc: func(c *gin.Context, err error) { s.fail(c, err) },
		ResponseErrorHandlerFunc: func(c *gin.Context, err error) {
			s.fail(c, &Error{Code: CodeInternal, Cause: err})
		},
	})
	gen.RegisterHandlersWithOptions(described, &routes{ServerInterface: strict, s: s}, gen.GinServerOptions{
		ErrorHandler: func(c *gin.Context, err error, _ int) {
			s.fail(c, &Error{Code: CodeInvalidRequest, Detail: "A parameter cannot be read.", Cause: err})
		},
	})
	// Gateways pass the method of the call on, and Envoy its path.
	authorize := e.Group("/v1/authorize", s.describeAs("GET", "/v1/authorize"))
	for _, m := range []string{
		http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
		http.MethodConnect, http.MethodTrace,
	} {
		authorize.Handle(m, "", s.authorize)
	}
	authorize.Any("/*path", s.authorize)

	pages := e.Group("/", s.open)
	pages.GET("/openapi.yaml", s.static("application/yaml", spec))
	pages.GET("/openapi.json", s.static("application/json", s.spec.json))
	pages.GET("/docs", s.static("text/html; charset=utf-8", s.docs))
	pages.GET("/docs.css", s.static("text/css; charset=utf-8", docsStyle))
	e.GET("/metrics", s.serveMetrics)
	s.engine = e
	return s.routeDashboard(pages)
}
