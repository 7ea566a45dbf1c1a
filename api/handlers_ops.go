package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

func (h *handlers) ListAccounts(ctx context.Context, q gen.ListAccountsRequestObject) (gen.ListAccountsResponseObject, error) {
	r, std := of(ctx)
	out := gen.ListAccounts200JSONResponse{Body: gen.AccountPage{Items: []gen.Account{}}}
	if r.who.Role == gen.RoleCustomer { // there is one
		a, err := h.cfg.Accounts.GetAccount(std, r.who.AccountID)
		if err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, a)
		return out, nil
	}
	items, next, err := h.cfg.Accounts.ListAccounts(std, page(q.Params.Limit, q.Params.Cursor))
	if err != nil {
		return nil, err
	}
	out.Body.Items, out.Body.NextCursor = append(out.Body.Items, items...), next
	out.Headers.Link = nextLink(ctx, next)
	return out, nil
}

func (h *handlers) CreateAccount(ctx context.Context, q gen.CreateAccountRequestObject) (gen.CreateAccountResponseObject, error) {
	r, std := of(ctx)
	a, err := h.cfg.Accounts.CreateAccount(std, r.change(""), *q.Body)
	if err != nil {
		return nil, err
	}
	out := gen.CreateAccount201JSONResponse{Body: a}
	out.Headers.Location = "/v1/accounts/" + a.Id
	return out, nil
}

func (h *handlers) GetAccount(ctx context.Context, q gen.GetAccountRequestObject) (gen.GetAccountResponseObject, error) {
	r, std := of(ctx)
	if !r.mayRead(q.AccountId) {
		return nil, ErrNotFound
	}
	a, err := h.cfg.Accounts.GetAccount(std, q.AccountId)
	if err != nil {
		return nil, err
	}
	return gen.GetAccount200JSONResponse(a), nil
}

func (h *handlers) ListAudit(ctx context.Context, q gen.ListAuditRequestObject) (gen.ListAuditResponseObject, error) {
	_, std := of(ctx)
	from, to, err := span(q.Params.From, q.Params.To)
	if err != nil {
		return nil, err
	}
	items, next, err := h.cfg.Audit.ListAudit(std, AuditFilter{
		TargetID: q.Params.TargetId, Actor: q.Params.Actor, Action: q.Params.Action, From: from, To: to, Page: page(q.Params.Limit, q.Params.Cursor),
	})
	if err != nil {
		return nil, err
	}
	out := gen.ListAudit200JSONResponse{Body: gen.AuditPage{Items: append([]gen.AuditEntry{}, items...), NextCursor: next}}
	out.Headers.Link = nextLink(ctx, next)
	return out, nil
}

func (h *handlers) CheckAudit(ctx context.Context, q gen.CheckAuditRequestObject) (gen.CheckAuditResponseObject, error) {
	_, std := of(ctx)
	res, err := h.cfg.Audit.CheckAudit(std, q.Params.Noted)
	if err != nil {
		return nil, err
	}
	return gen.CheckAudit200JSONResponse(res), nil
}

func (h *handlers) ListTokens(ctx context.Context, q gen.ListTokensRequestObject) (gen.ListTokensResponseObject, error) {
	_, std := of(ctx)
	items, next, err := h.cfg.Tokens.ListTokens(std, page(q.Params.Limit, q.Params.Cursor))
	if err != nil {
		return nil, err
	}
	out := gen.ListTokens200JSONResponse{Body: gen.TokenPage{Items: append([]gen.Token{}, items...), NextCursor: next}}
	out.Headers.Link = nextLink(ctx, next)
	return out, nil
}

// checkAccount refuses what would let somebody in who then finds nothing.
func (h *handlers) checkAccount(ctx context.Context, role gen.Role, accountID string) error {
	switch customer := role == gen.RoleCustomer; {
	case customer && accountID == "":
		return Invalid("/account_id", "is missing: a customer belongs to an account")
	case !customer && accountID != "":
		return Invalid("/account_id", "only a customer belongs to an account")
	case !customer:
		return nil
	}
	_, err := h.cfg.Accounts.GetAccount(ctx, accountID)
	if errors.Is(err, ErrNotFound) {
		return Invalid("/account_id", "there is no such account")
	}
	return err
}

func (h *handlers) CreateLoginLink(ctx context.Context, q gen.CreateLoginLinkRequestObject) (gen.CreateLoginLinkResponseObject, error) {
	r, std := of(ctx)
	if err := h.checkAccount(std, q.Body.Role, q.Body.AccountId); err != nil {
		return nil, err
	}
	code, expires, err := h.cfg.Tokens.CreateLink(std, r.change(""), *q.Body)
	if err != nil {
		return nil, err
	}
	return gen.CreateLoginLink201JSONResponse{Path: "/login#" + code, ExpiresAt: expires}, nil
}

func (h *handlers) CreateToken(ctx context.Context, q gen.CreateTokenRequestObject) (gen.CreateTokenResponseObject, error) {
	r, std := of(ctx)
	if err := h.checkFuture("/expires_at", q.Body.ExpiresAt); err != nil {
		return nil, err
	}
	if err := h.checkAccount(std, q.Body.Role, q.Body.AccountId); err != nil {
		return nil, err
	}
	token, secret, err := h.cfg.Tokens.CreateToken(std, r.change(""), *q.Body)
	if err != nil {
		return nil, err
	}
	return gen.CreateToken201JSONResponse{Token: token, Secret: secret}, nil
}

func (h *handlers) RevokeToken(ctx context.Context, q gen.RevokeTokenRequestObject) (gen.RevokeTokenResponseObject, error) {
	r, std := of(ctx)
	if err := h.cfg.Tokens.RevokeToken(std, r.change(""), q.TokenId); err != nil {
		return nil, err
	}
	return gen.RevokeToken204Response{}, nil
}

func (h *handlers) ListReceivers(ctx context.Context, _ gen.ListReceiversRequestObject) (gen.ListReceiversResponseObject, error) {
	_, std := of(ctx)
	list, err := h.cfg.Receivers.ListReceivers(std)
	if err != nil {
		return nil, err
	}
	return gen.ListReceivers200JSONResponse{Items: append([]gen.Receiver{}, list...)}, nil
}

func (h *handlers) ListPolicies(ctx context.Context, _ gen.ListPoliciesRequestObject) (gen.ListPoliciesResponseObject, error) {
	_, std := of(ctx)
	list, err := h.cfg.Policies.ListPolicies(std)
	if err != nil {
		return nil, err
	}
	list.Items = append([]gen.PolicyRevision{}, list.Items...)
	return gen.ListPolicies200JSONResponse(list), nil
}

func (h *handlers) GetPolicy(ctx context.Context, q gen.GetPolicyRequestObject) (gen.GetPolicyResponseObject, error) {
	_, std := of(ctx)
	p, err := h.cfg.Policies.GetPolicy(std, q.Revision)
	if err != nil {
		return nil, err
	}
	return gen.GetPolicy200JSONResponse(p), nil
}

func (h *handlers) GetStats(ctx context.Context, _ gen.GetStatsRequestObject) (gen.GetStatsResponseObject, error) {
	_, std := of(ctx)
	st, err := h.cfg.Stats.Stats(std)
	if err != nil {
		return nil, err
	}
	st.RequestsPerSecond = append([]gen.Point{}, st.RequestsPerSecond...)
	st.RefusedPerSecond = append([]gen.Point{}, st.RefusedPerSecond...)
	st.Keys, st.Alerts = notNil(st.Keys), notNil(st.Alerts)
	return gen.GetStats200JSONResponse(st), nil
}

func (h *handlers) ListDeadLetters(ctx context.Context, q gen.ListDeadLettersRequestObject) (gen.ListDeadLettersResponseObject, error) {
	_, std := of(ctx)
	items, next, err := h.cfg.DeadLetters.ListDeadLetters(std, q.Params.Reason, page(q.Params.Limit, q.Params.Cursor))
	if err != nil {
		return nil, err
	}
	out := gen.ListDeadLetters200JSONResponse{Body: gen.DeadLetterPage{Items: append([]gen.DeadLetter{}, items...), NextCursor: next}}
	out.Headers.Link = nextLink(ctx, next)
	return out, nil
}

func (h *handlers) ReplayDeadLetters(ctx context.Context, q gen.ReplayDeadLettersRequestObject) (gen.ReplayDeadLettersResponseObject, error) {
	_, std := of(ctx)
	res, err := h.cfg.DeadLetters.ReplayDeadLetters(std, *q.Body)
	if err != nil {
		return nil, err
	}
	return gen.ReplayDeadLetters200JSONResponse(res), nil
}

func (h *handlers) GetIngestAudit(ctx context.Context, q gen.GetIngestAuditRequestObject) (gen.GetIngestAuditResponseObject, error) {
	_, std := of(ctx)
	from, to, err := span(q.Params.From, q.Params.To)
	if err != nil {
		return nil, err
	}
	res, err := h.cfg.DeadLetters.AuditIngest(std, from, to)
	if err != nil {
		return nil, err
	}
	return gen.GetIngestAudit200JSONResponse(res), nil
}

// span returns the times [from, to) of a question, either of them open where it is zero.
func span(from, to time.Time) (time.Time, time.Time, error) {
	if !to.IsZero() && !from.Before(to) {
		return from, to, InvalidParameter("to", "must be after from")
	}
	return from.UTC(), to.UTC(), nil
}

func session(p Principal) gen.Session {
	return gen.Session{Subject: p.Subject, Role: p.Role, AccountId: p.AccountID, ExpiresAt: p.ExpiresAt}
}

func (h *handlers) GetSession(ctx context.Context, _ gen.GetSessionRequestObject) (gen.GetSessionResponseObject, error) {
	r, _ := of(ctx)
	return gen.GetSession200JSONResponse(session(r.who)), nil
}

// CreateSession spends the code of a login link. The code came in the fragment of the link's address, which browsers send
// to nobody, so it is in no log.
func (h *handlers) CreateSession(ctx context.Context, q gen.CreateSessionRequestObject) (gen.CreateSessionResponseObject, error) {
	r, std := of(ctx)
	from := r.client.String()
	if h.failures.wait(from, h.cfg.Now()) > 0 {
		return nil, &Error{Code: CodeRateLimited, Detail: "Too many invalid credentials came from this address; wait a minute."}
	}
	cookie, who, err := h.cfg.Sessions.Exchange(std, q.Body.Code, r.id)
	if err != nil {
		if e := public(err); e.Code == CodeUnauthenticated {
			h.failures.take(from, h.cfg.Now())
			e.Detail = "The link was used before or is too old: an administrator can make a new one with POST /v1/login-links, and every start of the program prints one."
			return nil, e
		}
		return nil, err
	}
	r.who = who
	if c, ok := ctx.(*gin.Context); ok {
		h.setCookie(c.Writer, cookie, who.ExpiresAt)
	}
	return gen.CreateSession200JSONResponse(session(who)), nil
}

func (h *handlers) DeleteSession(ctx context.Context, _ gen.DeleteSessionRequestObject) (gen.DeleteSessionResponseObject, error) {
	r, std := of(ctx)
	c, ok := ctx.(*gin.Context)
	if ok && r.who.Session {
		if ck, err := c.Request.Cookie(sessionCookie); err == nil {
			if err := h.cfg.Sessions.Logout(std, ck.Value, r.id); err != nil {
				return nil, err
			}
		}
		h.setCookie(c.Writer, "", time.Unix(1, 0))
	}
	return gen.DeleteSession204Response{}, nil
}

func (h *handlers) setCookie(w http.ResponseWriter, value string, expires time.Time) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", Expires: expires, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: h.cfg.SecureCookie,
	})
}

// nextLink is the value of the Link header for the next page (RFC 8288), "" at the end.
func nextLink(ctx context.Context, next string) string {
	c, ok := ctx.(*gin.Context)
	if !ok || next == "" {
		return ""
	}
	u := url.URL{Path: c.Request.URL.Path}
	q := c.Request.URL.Query()
	q.Set("cursor", next)
	u.RawQuery = q.Encode()
	return "<" + u.String() + `>; rel="next"`
}

// Authorize and StreamEvents are served by routes, outside the strict handlers: their answers are not JSON bodies.
func (h *handlers) Authorize(context.Context, gen.AuthorizeRequestObject) (gen.AuthorizeResponseObject, error) {
	return nil, &Error{Code: CodeInternal}
}

func (h *handlers) StreamEvents(context.Context, gen.StreamEventsRequestObject) (gen.StreamEventsResponseObject, error) {
	return nil, &Error{Code: CodeInternal}
}

// routes puts the two operations that write their answer themselves in front of the strict handlers.
type routes struct {
	gen.ServerInterface
	s *Server
}

func (r *routes) Authorize(c *gin.Context, _ gen.AuthorizeParams) { r.s.authorize(c) }

func (r *routes) StreamEvents(c *gin.Context, p gen.StreamEventsParams) {
	r.s.streamEvents(c, p.LastEventID)
}
