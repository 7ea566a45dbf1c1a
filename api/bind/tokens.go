package bind

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/keys/tokens"
)

// Tokens implements api.Sessions and api.Tokens.
type Tokens struct{ store *tokens.Store }

var (
	_ api.Sessions = Tokens{}
	_ api.Tokens   = Tokens{}
)

// NewTokens binds store.
func NewTokens(store *tokens.Store) Tokens { return Tokens{store} }

// Authenticate implements api.Sessions. A session counts only as a cookie and a token only as a bearer: a cookie that was
// stolen from a browser must not work from a script that no CSRF check sees, nor the other way round.
func (b Tokens) Authenticate(_ context.Context, secret string, cookie bool) (api.Principal, error) {
	r, err := b.store.Authenticate(secret)
	if err != nil {
		return api.Principal{}, tokenError(err)
	}
	if cookie != (r.Kind == tokens.Session) {
		return api.Principal{}, api.ErrUnauthenticated
	}
	return toPrincipal(&r), nil
}

// Exchange implements api.Sessions.
func (b Tokens) Exchange(ctx context.Context, code, requestID string) (string, api.Principal, error) {
	r, secret, err := b.store.Exchange(ctx, code, requestID)
	if err != nil {
		return "", api.Principal{}, tokenError(err)
	}
	return secret, toPrincipal(&r), nil
}

// Logout implements api.Sessions.
func (b Tokens) Logout(ctx context.Context, cookie, requestID string) error {
	r, err := b.store.Authenticate(cookie)
	if errors.Is(err, tokens.ErrUnauthenticated) {
		return nil // it has ended already
	}
	if err != nil {
		return tokenError(err)
	}
	return tokenError(b.store.Revoke(ctx, r.ID, r.Actor(), requestID))
}

// ListTokens implements api.Tokens: bearer tokens, not the sessions of people.
func (b Tokens) ListTokens(ctx context.Context, p api.Page) ([]gen.Token, string, error) {
	list, next, err := b.store.List(ctx, tokens.Token, p.Cursor, p.Limit)
	if err != nil {
		return nil, "", tokenError(err)
	}
	out := make([]gen.Token, len(list))
	for i := range list {
		out[i] = toToken(&list[i])
	}
	return out, next, nil
}

// CreateLink implements api.Tokens.
func (b Tokens) CreateLink(ctx context.Context, by api.Change, l gen.LoginLinkCreate) (string, time.Time, error) {
	r, code, err := b.store.CreateLink(ctx, tokens.New{Name: l.Name, Role: tokens.Role(l.Role), AccountID: l.AccountId}, by.Actor)
	if err != nil {
		return "", time.Time{}, tokenError(err)
	}
	return code, r.ExpiresAt, nil
}

// CreateToken implements api.Tokens.
func (b Tokens) CreateToken(ctx context.Context, by api.Change, t gen.TokenCreate) (gen.Token, string, error) {
	r, secret, err := b.store.Create(ctx, tokens.New{
		Name: t.Name, Role: tokens.Role(t.Role), AccountID: t.AccountId, ExpiresAt: t.ExpiresAt,
	}, by.Actor, by.RequestID)
	if err != nil {
		return gen.Token{}, "", tokenError(err)
	}
	return toToken(&r), secret, nil
}

// RevokeToken implements api.Tokens.
func (b Tokens) RevokeToken(ctx context.Context, by api.Change, id string) error {
	return tokenError(b.store.Revoke(ctx, id, by.Actor, by.RequestID))
}

func toPrincipal(r *tokens.Record) api.Principal {
	return api.Principal{ID: r.ID, Subject: r.Actor(), Role: gen.Role(r.Role), AccountID: r.AccountID, ExpiresAt: r.ExpiresAt}
}

func toToken(r *tokens.Record) gen.Token {
	return gen.Token{
		Id: r.ID, Name: r.Name, Role: gen.Role(r.Role), AccountId: r.AccountID, Last4: r.Last4, CreatedBy: r.CreatedBy,
		CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, RevokedAt: r.RevokedAt,
	}
}

func tokenError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, tokens.ErrUnauthenticated):
		return errors.Join(api.ErrUnauthenticated, err)
	case errors.Is(err, tokens.ErrNotFound):
		return errors.Join(api.ErrNotFound, err)
	case errors.Is(err, sqlstore.ErrCursor):
		return badCursor
	case errors.Is(err, tokens.ErrInput):
		field, problem, _ := strings.Cut(err.Error(), ": ")
		problem = strings.TrimSuffix(problem, ": "+tokens.ErrInput.Error())
		return &api.Error{Code: api.CodeInvalidRequest, Fields: []gen.FieldProblem{{Pointer: "#/" + field, Detail: problem}}, Cause: err}
	}
	return err
}
