package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// request is what is known about the request that a gin.Context carries.
type request struct {
	id             string
	started        time.Time
	peer           netip.Addr // who is at the other end of the connection
	client         netip.Addr // who the call comes from, proxies that we trust seen through
	op             *operation // nil outside the description
	who            Principal
	failure        *Error
	statusOverride int // for 429, see limit_status
	quiet          bool
}

const requestKey = "api.request"

func requestOf(c *gin.Context) *request {
	if v, ok := c.Get(requestKey); ok {
		if r, ok := v.(*request); ok {
			return r
		}
	}
	r := &request{} // only before begin, that is never
	c.Set(requestKey, r)
	return r
}

// of returns the request behind the context of a generated handler, and a context that may be kept beyond the handler:
// gin uses its own again.
func of(ctx context.Context) (*request, context.Context) {
	if c, ok := ctx.(*gin.Context); ok {
		return requestOf(c), c.Request.Context()
	}
	return &request{}, ctx
}

// change names the caller for the audit trail.
func (r *request) change(reason string) Change {
	return Change{Actor: r.who.Subject, Reason: reason, RequestID: r.id}
}

// begin gives the request its id and logs and counts it when it is over.
func (s *Server) begin(c *gin.Context) {
	r := &request{id: requestID(c.GetHeader("X-Request-Id")), started: s.cfg.Now(), peer: peerOf(c.Request)}
	r.client = s.clientOf(c.Request, r.peer)
	c.Set(requestKey, r)
	c.Header("X-Request-Id", r.id)
	defer func() { s.end(c, r) }()
	c.Next()
}

func (s *Server) end(c *gin.Context, r *request) {
	took := s.cfg.Now().Sub(r.started)
	route := c.FullPath() // the pattern: a path may hold a customer's data
	if route == "" {
		route = "none"
	}
	status := c.Writer.Status()
	s.metrics.request(route, c.Request.Method, status, took)
	level := slog.LevelDebug
	switch {
	case status >= 500:
		level = slog.LevelError
	case c.Request.Method != http.MethodGet && c.Request.Method != http.MethodHead && !r.quiet:
		level = slog.LevelInfo
	}
	ctx := c.Request.Context()
	if !s.log.Enabled(ctx, level) {
		return
	}
	args := []any{
		"method", c.Request.Method, "route", route, "status", status, "took", took, "bytes", c.Writer.Size(),
		"request_id", r.id, "client", r.client.String(), "actor", r.who.Subject,
	}
	if id := c.Param("key_id"); strings.HasPrefix(id, "key_") { // anything else may be a key, put there by mistake
		args = append(args, "key_id", id)
	}
	if r.failure != nil {
		args = append(args, "code", string(r.failure.Code))
		if r.failure.Cause != nil && status >= 500 { // the cause of a caller's error may quote what the caller sent
			args = append(args, "err", r.failure.Cause)
		}
	}
	s.log.Log(ctx, level, "request", args...)
}

// recoverPanic turns a panic into a 500 without its text; text and stack go to the log.
func (s *Server) recoverPanic(c *gin.Context) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(v) // net/http's own way to drop a connection
		}
		s.log.Error("handler panicked", "request_id", requestOf(c).id, "route", c.FullPath(), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		s.fail(c, &Error{Code: CodeInternal, Cause: errors.New("panic")})
	}()
	c.Next()
}

// headers are on every answer. The content policy lets pages load from here alone.
func (s *Server) headers(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	c.Next()
}

// requestID takes the caller's id when it is a plain word, so that it can be found in both logs, else makes one.
func requestID(given string) string {
	if len(given) < 8 || len(given) > 64 {
		return rand.Text()
	}
	for _, b := range []byte(given) {
		letter := b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
		if !letter && b != '-' && b != '_' && b != '.' {
			return rand.Text()
		}
	}
	return given
}

func peerOf(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // a unix socket has no address
	}
	return ap.Addr().Unmap().WithZone("")
}

// clientOf finds the address that a call comes from. X-Forwarded-For is read from its end: every trusted proxy has
// appended who called it, and the first address from the right that is no trusted proxy is the client; what stands left
// of it is the client's own claim. X-Real-IP counts only where the former is missing, as proxies that set the former pass
// a client's own X-Real-IP on.
func (s *Server) clientOf(r *http.Request, peer netip.Addr) netip.Addr {
	if !s.isTrusted(peer) {
		return peer
	}
	client := peer
	if given := r.Header.Values("X-Forwarded-For"); len(given) > 0 {
		hops := strings.Split(strings.Join(given, ","), ",")
		for i := len(hops) - 1; i >= 0; i-- {
			a, ok := parseHop(hops[i])
			if !ok {
				return client
			}
			client = a
			if !s.isTrusted(a) {
				break
			}
		}
		return client
	}
	if a, ok := parseHop(r.Header.Get("X-Real-IP")); ok {
		return a
	}
	return client
}

func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return a.Unmap().WithZone(""), true
	}
	if ap, err := netip.ParseAddrPort(text); err == nil { // some balancers append the port
		return ap.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}

// isTrusted reports whether a is a proxy of ours. No address means a unix socket, whose permissions are the trust.
func (s *Server) isTrusted(a netip.Addr) bool {
	if !a.IsValid() {
		return true
	}
	for _, p := range s.trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
