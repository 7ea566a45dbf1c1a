package api

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// handlers implements the generated strict interface. Requests have been authenticated and checked when they arrive here.
type handlers struct{ *Server }

var _ gen.StrictServerInterface = (*handlers)(nil)

func page(limit int32, cursor string) Page {
	if limit == 0 {
		limit = DefaultPage
	}
	return Page{Limit: int(limit), Cursor: cursor}
}

func (h *handlers) ListKeys(ctx context.Context, q gen.ListKeysRequestObject) (gen.ListKeysResponseObject, error) {
	r, std := of(ctx)
	out := gen.ListKeys200JSONResponse{Body: gen.KeyPage{Items: []gen.Key{}}}
	account, ok := r.confine(q.Params.AccountId)
	if !ok {
		return out, nil
	}
	items, next, err := h.cfg.Keys.ListKeys(std, KeyFilter{
		AccountID: account, Tag: q.Params.Tag, Query: q.Params.Q, Status: q.Params.Status, Page: page(q.Params.Limit, q.Params.Cursor),
	})
	if err != nil {
		return nil, err
	}
	out.Body.Items, out.Body.NextCursor = append(out.Body.Items, items...), next
	out.Headers.Link = nextLink(ctx, next)
	return out, nil
}

func (h *handlers) CreateKey(ctx context.Context, q gen.CreateKeyRequestObject) (gen.CreateKeyResponseObject, error) {
	r, std := of(ctx)
	if err := checkNetworks(q.Body.AllowedCidrs); err != nil {
		return nil, err
	}
	key, secret, err := h.cfg.Keys.CreateKey(std, r.change(""), *q.Body)
	if err != nil {
		return nil, err
	}
	out := gen.CreateKey201JSONResponse{Body: gen.KeySecret{Key: key, Secret: secret}}
	out.Headers.ETag, out.Headers.Location = etag(key.Version), "/v1/keys/"+key.Id
	return out, nil
}

func (h *handlers) ImportKeys(ctx context.Context, q gen.ImportKeysRequestObject) (gen.ImportKeysResponseObject, error) {
	r, std := of(ctx)
	items, err := h.cfg.Keys.ImportKeys(std, r.change(""), q.Body.Keys, q.Body.DryRun)
	if err != nil {
		return nil, err
	}
	out := gen.ImportKeys200JSONResponse{Items: items}
	for _, item := range items {
		switch item.Outcome {
		case gen.KeyImportOutcomeImported:
			out.Imported++
		case gen.KeyImportOutcomeKnown:
			out.Known++
		case gen.KeyImportOutcomeRefused:
			out.Refused++
		}
	}
	return out, nil
}

func (h *handlers) GetKey(ctx context.Context, q gen.GetKeyRequestObject) (gen.GetKeyResponseObject, error) {
	r, std := of(ctx)
	key, err := h.readableKey(std, r, q.KeyId)
	if err != nil {
		return nil, err
	}
	if tag := etag(key.Version); q.Params.IfNoneMatch != "" && matches(q.Params.IfNoneMatch, tag) {
		return gen.GetKey304Response{}, nil
	}
	return gen.GetKey200JSONResponse{KeyJSONResponse: keyResponse(key)}, nil
}

// readableKey reads a key that exists for the caller.
func (h *handlers) readableKey(ctx context.Context, r *request, id string) (gen.Key, error) {
	key, err := h.cfg.Keys.GetKey(ctx, id)
	if err != nil {
		return gen.Key{}, err
	}
	if !r.mayRead(key.AccountId) {
		return gen.Key{}, ErrNotFound
	}
	return key, nil
}

func (h *handlers) PatchKey(ctx context.Context, q gen.PatchKeyRequestObject) (gen.PatchKeyResponseObject, error) {
	if err := checkNetworks(q.Body.AllowedCidrs); err != nil {
		return nil, err
	}
	std, by, err := h.keyChange(ctx, "", q.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	key, err := h.cfg.Keys.PatchKey(std, by, q.KeyId, *q.Body)
	if err != nil {
		return nil, err
	}
	return gen.PatchKey200JSONResponse{KeyJSONResponse: keyResponse(key)}, nil
}

func (h *handlers) SuspendKey(ctx context.Context, q gen.SuspendKeyRequestObject) (gen.SuspendKeyResponseObject, error) {
	if err := h.checkFuture("/until", q.Body.Until); err != nil {
		return nil, err
	}
	std, by, err := h.keyChange(ctx, q.Body.Reason, q.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	by.AlertID = q.Body.AlertId
	key, err := h.switchKey(std, by, q.KeyId, until("suspended", q.Body.Until), func(ctx context.Context, by Change) (gen.Key, error) {
		return h.cfg.Keys.SuspendKey(ctx, by, q.KeyId, q.Body.Until)
	})
	if err != nil {
		return nil, err
	}
	return gen.SuspendKey200JSONResponse{KeyJSONResponse: keyResponse(key)}, nil
}

func (h *handlers) RevokeKey(ctx context.Context, q gen.RevokeKeyRequestObject) (gen.RevokeKeyResponseObject, error) {
	std, by, err := h.keyChange(ctx, q.Body.Reason, q.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	key, err := h.switchKey(std, by, q.KeyId, "revoked", func(ctx context.Context, by Change) (gen.Key, error) {
		return h.cfg.Keys.RevokeKey(ctx, by, q.KeyId)
	})
	if err != nil {
		return nil, err
	}
	return gen.RevokeKey200JSONResponse{KeyJSONResponse: keyResponse(key)}, nil
}

func (h *handlers) ReinstateKey(ctx context.Context, q gen.ReinstateKeyRequestObject) (gen.ReinstateKeyResponseObject, error) {
	std, by, err := h.keyChange(ctx, q.Body.Reason, q.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	key, err := h.switchKey(std, by, q.KeyId, "reinstated", func(ctx context.Context, by Change) (gen.Key, error) {
		return h.cfg.Keys.ReinstateKey(ctx, by, q.KeyId)
	})
	if err != nil {
		return nil, err
	}
	return gen.ReinstateKey200JSONResponse{KeyJSONResponse: keyResponse(key)}, nil
}

func (h *handlers) RotateKey(ctx context.Context, q gen.RotateKeyRequestObject) (gen.RotateKeyResponseObject, error) {
	std, by, err := h.keyChange(ctx, q.Body.Reason, q.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	key, secret, err := h.cfg.Keys.RotateKey(std, by, q.KeyId, time.Duration(q.Body.GraceSeconds)*time.Second)
	if err != nil {
		return nil, err
	}
	out := gen.RotateKey201JSONResponse{Body: gen.KeySecret{Key: key, Secret: secret}}
	out.Headers.ETag, out.Headers.Location = etag(key.Version), "/v1/keys/"+key.Id
	return out, nil
}

func (h *handlers) DeleteKey(ctx context.Context, q gen.DeleteKeyRequestObject) (gen.DeleteKeyResponseObject, error) {
	std, by, err := h.keyChange(ctx, q.Params.Reason, q.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	if err := h.cfg.Keys.DeleteKey(std, by, q.KeyId); err != nil {
		return nil, err
	}
	return gen.DeleteKey204Response{}, nil
}

func (h *handlers) QuarantineKey(ctx context.Context, q gen.QuarantineKeyRequestObject) (gen.QuarantineKeyResponseObject, error) {
	if err := h.checkFuture("/until", q.Body.Until); err != nil {
		return nil, err
	}
	std, by, err := h.keyChange(ctx, q.Body.Reason, q.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	clients := Denied{Kind: q.Body.Kind, Value: q.Body.Value, Agent: q.Body.Agent}
	key, err := h.switchKey(std, by, q.KeyId, until("refuses "+clients.clients(), q.Body.Until), func(ctx context.Context, by Change) (gen.Key, error) {
		return h.cfg.Keys.QuarantineKey(ctx, by, q.KeyId, clients, q.Body.Until)
	})
	if err != nil {
		return nil, err
	}
	return gen.QuarantineKey200JSONResponse{KeyJSONResponse: keyResponse(key)}, nil
}

func (h *handlers) ReleaseQuarantine(ctx context.Context, q gen.ReleaseQuarantineRequestObject) (gen.ReleaseQuarantineResponseObject, error) {
	if (q.Body.Kind == "") != (q.Body.Value == "") {
		return nil, Invalid("/kind", "must come together with value")
	}
	r, std := of(ctx)
	clients := Denied{Kind: q.Body.Kind, Value: q.Body.Value, Agent: q.Body.Agent}
	key, err := h.switchKey(std, r.change(q.Body.Reason), q.KeyId, "serves "+clients.clients()+" again", func(ctx context.Context, by Change) (gen.Key, error) {
		return h.cfg.Keys.ReleaseQuarantine(ctx, by, q.KeyId, clients)
	})
	if err != nil {
		return nil, err
	}
	return gen.ReleaseQuarantine200JSONResponse{KeyJSONResponse: keyResponse(key)}, nil
}

// keyChange makes the Change of an operation that honours If-Match.
func (h *handlers) keyChange(ctx context.Context, reason, ifMatch string) (context.Context, Change, error) {
	r, std := of(ctx)
	by := r.change(reason)
	if ifMatch == "" || ifMatch == "*" {
		return std, by, nil
	}
	version, err := strconv.ParseInt(strings.Trim(ifMatch, `"`), 10, 64)
	if err != nil || version < 1 {
		return std, by, InvalidParameter("If-Match", "must be an ETag as it came with the key")
	}
	by.IfVersion = version
	return std, by, nil
}

func (h *handlers) checkFuture(pointer string, t time.Time) error {
	if !t.IsZero() && !t.After(h.cfg.Now()) {
		return Invalid(pointer, "must be in the future")
	}
	return nil
}

func checkNetworks(list []string) error {
	for i, text := range list {
		if _, err := netip.ParsePrefix(text); err == nil {
			continue
		}
		if _, err := netip.ParseAddr(text); err != nil {
			return Invalid("/allowed_cidrs/"+strconv.Itoa(i), "must be an address or a network such as 203.0.113.0/24")
		}
	}
	return nil
}

func keyResponse(k gen.Key) gen.KeyJSONResponse {
	return gen.KeyJSONResponse{Body: k, Headers: gen.KeyResponseHeaders{ETag: etag(k.Version)}}
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// matches reports whether an If-None-Match header names tag; weak comparison (RFC 9110, 8.8.3.2).
func matches(header, tag string) bool {
	for _, t := range strings.Split(header, ",") {
		if t = strings.TrimPrefix(strings.TrimSpace(t), "W/"); t == tag || t == "*" {
			return true
		}
	}
	return false
}
