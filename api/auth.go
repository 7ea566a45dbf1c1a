package api

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

const (
	sessionCookie = "tollkeeper_session"
	// Roles of operations that no token has: everybody, and whoever may ask /v1/authorize.
	rolePublic  = "public"
	roleGateway = "gateway"
	// failuresPerMinute bounds how often one address may present a login code that is none: each costs a transaction.
	failuresPerMinute = 30
)

// describe looks the operation up; a route that the description lacks is nobody's.
func (s *Server) describe(c *gin.Context) {
	op := s.spec.find(c.Request.Method, c.FullPath())
	if op == nil {
		s.fail(c, &Error{Code: CodeForbidden})
		return
	}
	requestOf(c).op = op
}

func (s *Server) describeAs(method, path string) gin.HandlerFunc {
	return func(c *gin.Context) { requestOf(c).op = s.spec.find(method, path) }
}

// open marks the routes outside the description that everybody may read: pages without data.
func (s *Server) open(c *gin.Context) { c.Next() }

// authenticate finds out who calls and whether the operation has that role. It comes before anything that looks at the
// request's content: a stranger learns nothing about it.
func (s *Server) authenticate(c *gin.Context) {
	r := requestOf(c)
	if slices.Contains(r.op.roles, roleGateway) {
		return // authorize has its own rule
	}
	if slices.Contains(r.op.roles, rolePublic) {
		if err := s.origin.Check(c.Request); err != nil {
			s.fail(c, &Error{Code: CodeCrossOrigin, Cause: err})
		}
		return
	}
	who, err := s.principal(c.Request, r, "Authorization")
	if err != nil {
		s.fail(c, err)
		return
	}
	r.who = who
	if who.Session {
		if err := s.origin.Check(c.Request); err != nil {
			s.fail(c, &Error{Code: CodeCrossOrigin, Cause: err})
			return
		}
	}
	if !r.op.allows(who.Role) {
		s.fail(c, &Error{Code: CodeForbidden, Detail: "This operation is for " + r.op.roleText() + "; the caller's role is " + string(who.Role) + "."})
	}
}

// principal returns who sent the request: the bearer token wins over the cookie.
func (s *Server) principal(req *http.Request, r *request, header string) (Principal, error) {
	secret, cookie := "", false
	if h := req.Header.Get(header); h != "" {
		scheme, rest, ok := strings.Cut(h, " ")
		if header == "Authorization" {
			if !ok || !strings.EqualFold(scheme, "Bearer") {
				return Principal{}, &Error{Code: CodeUnauthenticated, Detail: "The Authorization header must be `Bearer TOKEN`."}
			}
			secret = strings.TrimSpace(rest)
		} else {
			secret = h
		}
	} else if ck, err := req.Cookie(sessionCookie); err == nil && header == "Authorization" {
		secret, cookie = ck.Value, true
	}
	if secret == "" || len(secret) > 512 {
		return Principal{}, &Error{Code: CodeUnauthenticated}
	}
	who, err := s.cfg.Sessions.Authenticate(req.Context(), secret, cookie)
	switch {
	case errors.Is(err, ErrUnauthenticated):
		// Guessing is not slowed down: a token has 160 random bits and is checked in memory. It is counted.
		s.metrics.refused.Inc()
		detail := ""
		if cookie {
			detail = "The session has ended: open a new login link."
		}
		return Principal{}, &Error{Code: CodeUnauthenticated, Detail: detail, Cause: err}
	case err != nil:
		return Principal{}, &Error{Code: CodeUnavailable, Detail: "The token cannot be checked now.", Cause: err}
	case !who.Role.Valid(), who.Role == gen.RoleCustomer && who.AccountID == "":
		return Principal{}, &Error{Code: CodeForbidden, Detail: "The token has no role that this version knows."}
	}
	who.Session = cookie
	return who, nil
}

// throttle bounds each caller and says how much is left (draft-ietf-httpapi-ratelimit-headers).
func (s *Server) throttle(c *gin.Context) {
	r := requestOf(c)
	if r.op.unlimited {
		return
	}
	who := r.who.ID
	if who == "" {
		who = "address " + r.client.String()
	}
	v := s.limits.take(who, s.cfg.Now())
	h := c.Writer.Header()
	limitHeaders(h, "caller", int64(s.limits.burst), s.limits.per, v.remaining, v.reset)
	if !v.ok {
		h.Set("Retry-After", itoa(seconds(v.retry)))
		s.fail(c, &Error{Code: CodeRateLimited})
	}
}

// confine narrows a filter by account to what the caller may see. An empty result with ok false means that the caller
// asked for another's account, which to it does not exist.
func (r *request) confine(accountID string) (string, bool) {
	if r.who.Role != gen.RoleCustomer {
		return accountID, true
	}
	if accountID != "" && accountID != r.who.AccountID {
		return "", false
	}
	return r.who.AccountID, true
}

// mayRead reports whether what belongs to accountID exists for the caller.
func (r *request) mayRead(accountID string) bool {
	return r.who.Role != gen.RoleCustomer || (accountID != "" && accountID == r.who.AccountID)
}
