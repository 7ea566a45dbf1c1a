package api

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// VerifyKey answers whether a key may pass; 200 for every verdict.
func (h *handlers) VerifyKey(ctx context.Context, q gen.VerifyKeyRequestObject) (gen.VerifyKeyResponseObject, error) {
	r, std := of(ctx)
	r.quiet = true
	if (q.Body.Key == "") == (q.Body.KeyId == "") {
		return nil, Invalid("/key", "either key or key_id is needed")
	}
	query := VerifyQuery{
		Key: q.Body.Key, KeyID: q.Body.KeyId, UserAgent: q.Body.UserAgent, Environment: q.Body.Environment, Scopes: q.Body.Scopes,
	}
	if q.Body.ClientIp != "" {
		a, err := netip.ParseAddr(q.Body.ClientIp)
		if err != nil {
			return nil, Invalid("/client_ip", "must be an address such as 203.0.113.7")
		}
		query.ClientIP = a.Unmap().WithZone("")
	}
	verdict := h.cfg.Verifier.Verify(std, query)
	h.metrics.verdict("verify", string(verdict.Code))
	if c, ok := ctx.(*gin.Context); ok {
		c.Header("Cache-Control", "no-store")
		verdictHeaders(c.Writer.Header(), &verdict)
	}
	out := gen.VerifyKey200JSONResponse{Data: verdict}
	out.Meta.RequestId = r.id
	return out, nil
}

// verdictCodes says what a gateway's client gets for each verdict that is not VALID.
var verdictCodes = map[gen.VerifyCode]Code{
	gen.VerifyCodeMALFORMED:         CodeKeyUnknown,
	gen.VerifyCodeNOTFOUND:          CodeKeyUnknown,
	gen.VerifyCodeREVOKED:           CodeKeyRevoked,
	gen.VerifyCodeEXPIRED:           CodeKeyExpired,
	gen.VerifyCodeSUSPENDED:         CodeKeySuspended,
	gen.VerifyCodeACCOUNTSUSPENDED:  CodeAccountSuspended,
	gen.VerifyCodeWRONGENVIRONMENT:  CodeKeyEnvironment,
	gen.VerifyCodeIPNOTALLOWED:      CodeClientForbidden,
	gen.VerifyCodeQUARANTINED:       CodeClientForbidden,
	gen.VerifyCodeINSUFFICIENTSCOPE: CodeKeyScope,
	gen.VerifyCodeQUOTAEXCEEDED:     CodeQuotaExceeded,
	gen.VerifyCodeRATELIMITED:       CodeRateLimited,
	gen.VerifyCodeSTALEFEED:         CodeUnavailable,
}

// authorize answers a gateway's sub-request. The status is the verdict, the body is empty or a problem.
func (s *Server) authorize(c *gin.Context) {
	r := requestOf(c)
	r.quiet = true
	h := c.Writer.Header()
	h.Set("Cache-Control", "no-store")
	if err := s.mayAsk(c.Request, r); err != nil {
		s.fail(c, err)
		return
	}
	query := c.Request.URL.Query()
	if query.Get("limit_status") == "403" {
		r.statusOverride = http.StatusForbidden
	}
	key := s.presentedKey(c.Request, query)
	if key == "" {
		h.Set("WWW-Authenticate", `Bearer realm="api"`)
		h.Set("X-Tollkeeper-Code", codeMissingKey)
		s.metrics.verdict("authorize", codeMissingKey)
		s.fail(c, &Error{Code: CodeKeyMissing})
		return
	}
	v := s.cfg.Verifier.Verify(c.Request.Context(), VerifyQuery{
		Key: key, ClientIP: r.client, UserAgent: c.GetHeader("User-Agent"), Scopes: c.Request.Header.Values("X-Tollkeeper-Scope"),
	})
	s.metrics.verdict("authorize", string(v.Code))
	h.Set("X-Tollkeeper-Code", string(v.Code))
	// The id goes with a refusal too: the gateway's log can then name the key that it turned away.
	for name, value := range map[string]string{"X-Tollkeeper-Key-Id": v.KeyId, "X-Tollkeeper-Account": v.AccountId, "X-Tollkeeper-Plan": v.PlanId} {
		if value != "" {
			h.Set(name, value)
		}
	}
	verdictHeaders(h, &v)
	if v.Valid {
		c.Status(http.StatusOK)
		c.Writer.WriteHeaderNow()
		return
	}
	code, known := verdictCodes[v.Code]
	if !known {
		code = CodeInternal
	}
	if code == CodeKeyUnknown {
		h.Set("WWW-Authenticate", `Bearer realm="api", error="invalid_token"`)
	}
	s.fail(c, &Error{Code: code}) // v.Reason is for the operator, not for whoever holds the key
}

// mayAsk reports whether the peer is a gateway: the answer tells whether a key is good, so not everybody may ask.
func (s *Server) mayAsk(req *http.Request, r *request) error {
	if req.Header.Get(gatewayTokenHeader) != "" {
		who, err := s.principal(req, r, gatewayTokenHeader)
		if err != nil {
			return err
		}
		if who.Role != gen.RoleAdmin && who.Role != gen.RolePlatform {
			return &Error{Code: CodeForbidden}
		}
		r.who = who
		return nil
	}
	if s.cfg.OpenAuthorize && (!r.peer.IsValid() || r.peer.IsLoopback()) {
		return nil
	}
	return &Error{
		Code:   CodeUnauthenticated,
		Detail: "Send a platform token in X-Tollkeeper-Token, or call from this machine with the setting open-authorize.",
	}
}

const gatewayTokenHeader = "X-Tollkeeper-Token"

// presentedKey finds the key where clients put it.
func (s *Server) presentedKey(r *http.Request, query map[string][]string) string {
	if key := r.Header.Get("X-Api-Key"); key != "" {
		return key
	}
	if scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(rest)
	}
	if s.cfg.AuthorizeQuery == "" {
		return ""
	}
	if values := query[s.cfg.AuthorizeQuery]; len(values) == 1 {
		return values[0]
	}
	// nginx, Traefik and Caddy tell the original URI in a header.
	for _, name := range []string{"X-Original-Uri", "X-Forwarded-Uri"} {
		if u, err := parseQuery(r.Header.Get(name)); err == nil {
			if values := u[s.cfg.AuthorizeQuery]; len(values) == 1 {
				return values[0]
			}
		}
	}
	return ""
}

func verdictHeaders(h http.Header, v *gen.VerifyData) {
	if l := v.Limit; l.Name != "" {
		limitHeaders(h, l.Name, l.Limit, time.Duration(l.WindowSeconds)*time.Second, l.Remaining, time.Duration(l.ResetSeconds)*time.Second)
	}
	if v.RetryAfterSeconds > 0 {
		h.Set("Retry-After", itoa(v.RetryAfterSeconds))
	}
}

// parseQuery reads the query of a URI that a header holds.
func parseQuery(uri string) (url.Values, error) {
	_, query, ok := strings.Cut(uri, "?")
	if !ok {
		return nil, nil
	}
	return url.ParseQuery(query)
}
