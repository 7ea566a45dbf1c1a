// Package bind implements the ports of package api with the domain packages. It translates types and errors, and decides
// nothing.
package bind

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
	"github.com/tollkeeper/tollkeeper/keys"
	"github.com/tollkeeper/tollkeeper/quotas/counter"
)

// Keys implements api.Keys and api.Audit with a key store.
type Keys struct {
	store    *keys.Store
	verifier *keys.Verifier
}

var (
	_ api.Keys  = Keys{}
	_ api.Audit = Keys{}
)

// NewKeys binds store; verifier knows which accounts are suspended.
func NewKeys(store *keys.Store, verifier *keys.Verifier) Keys { return Keys{store, verifier} }

// ListKeys implements api.KeyReader.
func (b Keys) ListKeys(ctx context.Context, f api.KeyFilter) ([]gen.Key, string, error) {
	filter := keys.Filter{AccountID: f.AccountID, Tag: f.Tag, Text: f.Query, Cursor: f.Cursor, Limit: f.Limit}
	if f.Status != "" {
		filter.Statuses = []keys.Status{keys.Status(f.Status)}
	}
	list, next, err := b.store.List(ctx, filter)
	if err != nil {
		return nil, "", keyError(err)
	}
	out := make([]gen.Key, len(list))
	for i := range list {
		out[i] = b.toKey(&list[i])
	}
	return out, next, nil
}

// GetKey implements api.KeyReader.
func (b Keys) GetKey(ctx context.Context, id string) (gen.Key, error) {
	k, err := b.store.Get(ctx, id)
	return b.toKey(&k), keyError(err)
}

// CreateKey implements api.KeyEditor.
func (b Keys) CreateKey(ctx context.Context, by api.Change, n gen.KeyCreate) (gen.Key, string, error) {
	cidrs, err := parseCIDRs(n.AllowedCidrs)
	if err != nil {
		return gen.Key{}, "", err
	}
	k, secret, err := b.store.Issue(ctx, keys.New{
		Name: n.Name, AccountID: n.AccountId, PlanID: n.PlanId, Environment: keys.Environment(n.Environment), Tags: n.Tags,
		Scopes: n.Scopes, AllowedCIDRs: cidrs, ExpiresAt: n.ExpiresAt, Metadata: n.Metadata, Secret: n.Secret,
	}, toBy(by))
	if n.Secret != "" {
		secret = "" // who imports a key knows it
	}
	return b.toKey(&k), secret, keyError(err)
}

// ImportKeys implements api.KeyEditor.
func (b Keys) ImportKeys(ctx context.Context, by api.Change, list []gen.KeyImport, dryRun bool) ([]gen.KeyImportResult, error) {
	out := make([]gen.KeyImportResult, len(list))
	var places []int
	var news []keys.New
	for i := range list {
		n := &list[i]
		cidrs, err := parseCIDRs(n.AllowedCidrs)
		if err != nil {
			out[i] = gen.KeyImportResult{Outcome: gen.KeyImportOutcomeRefused, Problem: "allowed_cidrs: must be addresses or networks such as 203.0.113.0/24"}
			continue
		}
		places = append(places, i)
		news = append(news, keys.New{
			Name: n.Name, AccountID: n.AccountId, PlanID: n.PlanId, Environment: keys.Environment(n.Environment), Tags: n.Tags,
			Scopes: n.Scopes, AllowedCIDRs: cidrs, ExpiresAt: n.ExpiresAt, Metadata: n.Metadata, Secret: n.Secret,
		})
	}
	if len(news) == 0 {
		return out, nil
	}
	results, err := b.store.Import(ctx, news, toBy(by), dryRun)
	if err != nil {
		return nil, keyError(err)
	}
	for i := range results {
		r := &results[i]
		out[places[i]] = gen.KeyImportResult{Outcome: gen.KeyImportOutcome(r.Outcome), KeyId: r.KeyID, Status: gen.KeyStatus(r.Status)}
		if r.Problem != nil {
			out[places[i]].Problem = r.Problem.Error()
		}
	}
	return out, nil
}

// PatchKey implements api.KeyEditor.
func (b Keys) PatchKey(ctx context.Context, by api.Change, id string, p gen.KeyPatch) (gen.Key, error) {
	var patch keys.Patch
	if p.Name != "" {
		patch.Name = &p.Name
	}
	if p.AccountId != "" {
		patch.AccountID = &p.AccountId
	}
	if p.PlanId.IsSpecified() {
		plan := ""
		if !p.PlanId.IsNull() {
			plan = p.PlanId.MustGet()
		}
		patch.PlanID = &plan
	}
	if p.ExpiresAt.IsSpecified() {
		var at time.Time
		if !p.ExpiresAt.IsNull() {
			at = p.ExpiresAt.MustGet()
		}
		patch.ExpiresAt = &at
	}
	if p.Tags != nil {
		patch.Tags = (*[]string)(&p.Tags)
	}
	if p.Scopes != nil {
		patch.Scopes = (*[]string)(&p.Scopes)
	}
	if p.AllowedCidrs != nil {
		cidrs, err := parseCIDRs(p.AllowedCidrs)
		if err != nil {
			return gen.Key{}, err
		}
		patch.AllowedCIDRs = &cidrs
	}
	if p.Metadata != nil {
		patch.Metadata = (*map[string]string)(&p.Metadata)
	}
	k, err := b.store.Update(ctx, id, patch, toBy(by))
	return b.toKey(&k), keyError(err)
}

// RotateKey implements api.KeyEditor.
func (b Keys) RotateKey(ctx context.Context, by api.Change, id string, grace time.Duration) (gen.Key, string, error) {
	r, err := b.store.Rotate(ctx, id, grace, toBy(by))
	return b.toKey(&r.Key), r.Secret, keyError(err)
}

// DeleteKey implements api.KeyEditor.
func (b Keys) DeleteKey(ctx context.Context, by api.Change, id string) error {
	return keyError(b.store.Delete(ctx, id, toBy(by)))
}

// SuspendKey implements api.KeySwitch.
func (b Keys) SuspendKey(ctx context.Context, by api.Change, id string, until time.Time) (gen.Key, error) {
	k, _, err := b.store.Suspend(ctx, id, until, toBy(by))
	return b.toKey(&k), keyError(err)
}

// RevokeKey implements api.KeySwitch.
func (b Keys) RevokeKey(ctx context.Context, by api.Change, id string) (gen.Key, error) {
	k, _, err := b.store.Revoke(ctx, id, toBy(by))
	return b.toKey(&k), keyError(err)
}

// ReinstateKey implements api.KeySwitch.
func (b Keys) ReinstateKey(ctx context.Context, by api.Change, id string) (gen.Key, error) {
	k, _, err := b.store.Reinstate(ctx, id, toBy(by))
	return b.toKey(&k), keyError(err)
}

// QuarantineKey implements api.KeySwitch.
func (b Keys) QuarantineKey(ctx context.Context, by api.Change, id string, d api.Denied, until time.Time) (gen.Key, error) {
	k, _, err := b.store.Quarantine(ctx, id, []keys.Denied{{
		Kind: keys.DenyKind(d.Kind), Value: d.Value, Agent: d.Agent, Until: until, Reason: by.Reason, AlertID: by.AlertID, Actor: by.Actor,
	}}, toBy(by))
	return b.toKey(&k), keyError(err)
}

// ReleaseQuarantine implements api.KeySwitch.
func (b Keys) ReleaseQuarantine(ctx context.Context, by api.Change, id string, d api.Denied) (gen.Key, error) {
	if d.Kind != "" {
		k, _, err := b.store.LiftQuarantine(ctx, id, keys.Denied{Kind: keys.DenyKind(d.Kind), Value: d.Value, Agent: d.Agent}, toBy(by))
		return b.toKey(&k), keyError(err)
	}
	k, err := b.store.Get(ctx, id)
	if err != nil {
		return gen.Key{}, keyError(err)
	}
	for _, d := range k.Quarantine {
		if k, _, err = b.store.LiftQuarantine(ctx, id, d, toBy(by)); err != nil {
			return gen.Key{}, keyError(err)
		}
	}
	return b.toKey(&k), nil
}

// ListAudit implements api.Audit.
func (b Keys) ListAudit(ctx context.Context, f api.AuditFilter) ([]gen.AuditEntry, string, error) {
	list, next, err := b.store.Audit().List(ctx, b.store.DB().Read(), audit.Filter{
		TargetID: f.TargetID, Actor: f.Actor, Action: f.Action, Since: f.From, Until: f.To, Cursor: f.Cursor, Limit: f.Limit,
	})
	if err != nil {
		return nil, "", keyError(err)
	}
	out := make([]gen.AuditEntry, len(list))
	for i := range list {
		out[i] = toAudit(&list[i])
	}
	return out, next, nil
}

// CheckAudit implements api.Audit.
func (b Keys) CheckAudit(ctx context.Context, noted string) (gen.AuditCheck, error) {
	var heads []audit.Head
	if noted != "" {
		h, err := audit.ParseHead(noted)
		if err != nil {
			return gen.AuditCheck{}, api.InvalidParameter("noted", err.Error())
		}
		heads = append(heads, h)
	}
	got, err := b.store.Audit().Verify(ctx, b.store.DB().Read(), heads...)
	out := gen.AuditCheck{Intact: err == nil, First: got.First, Entries: got.Rows}
	if got.Rows > 0 {
		out.Head = got.Head.String()
	}
	switch {
	case err == nil:
	case errors.Is(err, audit.ErrBroken):
		out.Problem = err.Error()
	case errors.Is(err, audit.ErrExpired):
		return gen.AuditCheck{}, api.InvalidParameter("noted", err.Error())
	default:
		return gen.AuditCheck{}, keyError(err)
	}
	return out, nil
}

// Verifier implements api.Verifier with a node's memory of all keys.
type Verifier struct {
	verifier *keys.Verifier
	// Headroom tells the hard quota of a key that is closest to its end, from memory; nil: answers carry no quota.
	Headroom func(keyID string) (counter.Headroom, bool)
	// Now is needed with Headroom.
	Now func() time.Time
}

// NewVerifier binds v.
func NewVerifier(v *keys.Verifier) Verifier { return Verifier{verifier: v} }

// Verify implements api.Verifier.
func (b Verifier) Verify(_ context.Context, q api.VerifyQuery) gen.VerifyData {
	v := b.verifier.Verify(keys.Request{
		Key: q.Key, KeyID: q.KeyID, ClientIP: q.ClientIP, UserAgent: q.UserAgent, RequiredScopes: q.Scopes,
		Environment: keys.Environment(q.Environment),
	})
	out := gen.VerifyData{
		Valid: v.Valid, Code: gen.VerifyCode(v.Code), KeyId: v.KeyID, AccountId: v.AccountID, PlanId: v.PlanID,
		Environment: gen.Environment(v.Environment), Reason: v.Reason, SuspendedUntil: v.SuspendedUntil, Version: v.Version, Stale: v.Stale,
		RetryAfterSeconds: ceilSeconds(v.RetryAfter),
	}
	if b.Headroom == nil || (v.Code != keys.CodeValid && v.Code != keys.CodeQuota) {
		return out
	}
	if h, ok := b.Headroom(v.KeyID); ok {
		out.Limit = gen.LimitState{
			Name: h.QuotaID, Limit: h.Max, Remaining: h.Remaining, WindowSeconds: ceilSeconds(h.ResetAt.Sub(h.From)),
			ResetSeconds: ceilSeconds(h.ResetAt.Sub(b.Now())),
		}
		if v.Code == keys.CodeQuota {
			out.RetryAfterSeconds = out.Limit.ResetSeconds
		}
	}
	return out
}

func ceilSeconds(d time.Duration) int64 { return int64((max(d, 0) + time.Second - 1) / time.Second) }

func toBy(c api.Change) keys.By {
	return keys.By{Actor: c.Actor, Reason: c.Reason, RequestID: c.RequestID, AlertID: c.AlertID, IfVersion: c.IfVersion}
}

func (b Keys) toKey(k *keys.Key) gen.Key {
	out := gen.Key{
		Id: k.ID, Name: k.Name, AccountId: k.AccountID, PlanId: k.PlanID, Environment: gen.Environment(k.Environment),
		Source: gen.KeySource(k.Source), Prefix: k.Prefix, Last4: k.Last4, Status: gen.KeyStatus(k.Status), StatusReason: k.Reason,
		StatusActor: k.Actor, StatusAlertId: k.AlertID, StatusChangedAt: k.StatusAt, SuspendedUntil: k.SuspendedUntil,
		ExpiresAt: k.ExpiresAt, GraceUntil: k.GraceUntil, RotatedFrom: k.RotatedFrom, RotatedTo: k.RotatedTo, Tags: k.Tags,
		Scopes: k.Scopes, Metadata: k.Metadata, Version: k.Version, CreatedAt: k.CreatedAt, UpdatedAt: k.UpdatedAt,
	}
	for _, c := range k.AllowedCIDRs {
		out.AllowedCidrs = append(out.AllowedCidrs, c.String())
	}
	if t := k.Throttle; t != nil {
		out.Throttle = gen.Throttle{PerMinute: t.PerMinute, Until: t.Until, Reason: t.Reason, AlertId: t.AlertID, Actor: t.Actor, At: t.At}
	}
	if since, suspended := b.verifier.AccountSuspended(k.AccountID); suspended {
		out.AccountSuspension = toSuspension(&since)
	}
	for _, d := range k.Quarantine {
		out.Quarantines = append(out.Quarantines, gen.Quarantine{
			Kind: gen.QuarantineKind(d.Kind), Value: d.Value, Agent: d.Agent, Reason: d.Reason, Actor: d.Actor, AlertId: d.AlertID, At: d.At, Until: d.Until,
		})
	}
	return out
}

func parseCIDRs(list []string) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, len(list))
	for i, text := range list {
		p, err := keys.ParseCIDR(text)
		if err != nil {
			return nil, api.Invalid("/allowed_cidrs", "must be addresses or networks such as 203.0.113.0/24")
		}
		out[i] = p
	}
	return out, nil
}

func toAudit(e *audit.Entry) gen.AuditEntry {
	out := gen.AuditEntry{
		Id: "aud_" + itoa(e.Seq), At: e.At, Actor: e.Actor, Action: e.Action, TargetType: e.TargetType, TargetId: e.TargetID,
		AccountId: e.AccountID, Before: e.Before, After: e.After, Reason: e.Reason, RequestId: e.RequestID,
	}
	out.Details = details(e.Details)
	return out
}

// keyError translates the errors of the key store.
func keyError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, keys.ErrNotFound):
		return errors.Join(api.ErrNotFound, err)
	case errors.Is(err, keys.ErrVersion):
		return errors.Join(api.ErrVersion, err)
	case errors.Is(err, sqlstore.ErrCursor):
		return badCursor
	case errors.Is(err, keys.ErrDuplicate):
		return &api.Error{Code: api.CodeExists, Detail: "This key is in the store already.", Cause: err}
	}
	if e, ok := errors.AsType[*keys.StateError](err); ok {
		return &api.Error{Code: api.CodeConflict, Detail: sentence(e.Error()), Cause: err}
	}
	if e, ok := errors.AsType[*keys.InputError](err); ok {
		if e.Field == "cursor" {
			return badCursor
		}
		return &api.Error{Code: api.CodeInvalidRequest, Fields: []gen.FieldProblem{{Pointer: "#/" + toPointer(e.Field), Detail: e.Problem}}, Cause: err}
	}
	return err
}

// toPointer turns allowed_cidrs[2] and metadata.name into allowed_cidrs/2 and metadata/name.
func toPointer(field string) string {
	return strings.NewReplacer("[", "/", "]", "", ".", "/").Replace(field)
}

// sentence makes an error's text one that may stand alone.
func sentence(s string) string {
	return cmp.Or(strings.ToUpper(s[:min(1, len(s))])+s[min(1, len(s)):]+".", "")
}
