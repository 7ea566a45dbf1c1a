package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// Code is the stable name of an error. Clients may branch on it; its title may change, the code never does.
type Code string

// All codes. problems has what they mean.
const (
	CodeInvalidRequest       Code = "invalid_request"
	CodeUnauthenticated      Code = "unauthenticated"
	CodeForbidden            Code = "forbidden"
	CodeCrossOrigin          Code = "cross_origin"
	CodeNotFound             Code = "not_found"
	CodeMethodNotAllowed     Code = "method_not_allowed"
	CodeConflict             Code = "conflict"
	CodeExists               Code = "already_exists"
	CodeIdempotencyRunning   Code = "idempotency_in_progress"
	CodeIdempotencyReused    Code = "idempotency_key_reused"
	CodeVersionMismatch      Code = "version_mismatch"
	CodeBodyTooLarge         Code = "body_too_large"
	CodeUnsupportedMediaType Code = "unsupported_media_type"
	CodeRateLimited          Code = "rate_limited"
	CodeInternal             Code = "internal"
	CodeUnavailable          Code = "unavailable"
	CodeTimeout              Code = "timeout"
	CodeOutcomeUnknown       Code = "outcome_unknown"

	CodeKeyMissing       Code = "key_missing"
	CodeKeyUnknown       Code = "key_unknown"
	CodeKeySuspended     Code = "key_suspended"
	CodeAccountSuspended Code = "account_suspended"
	CodeKeyRevoked       Code = "key_revoked"
	CodeKeyExpired       Code = "key_expired"
	CodeKeyScope         Code = "key_scope"
	CodeKeyEnvironment   Code = "key_environment"
	CodeClientForbidden  Code = "client_not_allowed"
	CodeQuotaExceeded    Code = "quota_exceeded"
)

// Meaning is what a code means, for HTTP and for people.
type Meaning struct {
	Status int
	Title  string
	// Advice is what the caller can do.
	Advice string
}

// problems is the only place that maps codes to HTTP. The documentation page is made from it.
var problems = map[Code]Meaning{
	CodeInvalidRequest:       {http.StatusBadRequest, "Invalid request", "Correct what `errors` names."},
	CodeUnauthenticated:      {http.StatusUnauthorized, "Not authenticated", "Send a token that is valid: `Authorization: Bearer TOKEN`."},
	CodeForbidden:            {http.StatusForbidden, "Not allowed", "Use a token with one of the operation's roles."},
	CodeCrossOrigin:          {http.StatusForbidden, "Request from another site", "Call with a bearer token instead of the dashboard's cookie."},
	CodeNotFound:             {http.StatusNotFound, "Not found", "Check the id; what belongs to another account is not shown either."},
	CodeMethodNotAllowed:     {http.StatusMethodNotAllowed, "Method not allowed", "Use a method that the `Allow` header names."},
	CodeConflict:             {http.StatusConflict, "Not possible in the present state", "Read it again; `detail` says what stands in the way."},
	CodeExists:               {http.StatusConflict, "Exists already", "Use the one that exists, or another id."},
	CodeIdempotencyRunning:   {http.StatusConflict, "The first request is still running", "Wait a moment and repeat."},
	CodeIdempotencyReused:    {http.StatusUnprocessableEntity, "Idempotency key was used for another request", "Take a new key for a new request."},
	CodeVersionMismatch:      {http.StatusPreconditionFailed, "Changed by somebody else", "Read it again and repeat the change with the new `ETag`."},
	CodeBodyTooLarge:         {http.StatusRequestEntityTooLarge, "Body too large", "Send less; the limit is in `detail`."},
	CodeUnsupportedMediaType: {http.StatusUnsupportedMediaType, "Unsupported media type", "Send JSON with `Content-Type: application/json`."},
	CodeRateLimited:          {http.StatusTooManyRequests, "Too many requests", "Wait as long as `Retry-After` says."},
	CodeInternal:             {http.StatusInternalServerError, "Internal error", "Tell the operator the `instance`; the log has the cause."},
	CodeUnavailable:          {http.StatusServiceUnavailable, "Not available now", "Repeat later; `/readyz` says what is missing."},
	CodeTimeout:              {http.StatusServiceUnavailable, "Took too long", "Repeat with a smaller range."},
	CodeOutcomeUnknown:       {http.StatusInternalServerError, "Whether it was done is not known", "Read it again, and repeat the request with a new `Idempotency-Key` if it was not done."},

	CodeKeyMissing:       {http.StatusUnauthorized, "No API key", "Send the key in `X-Api-Key` or as a bearer token."},
	CodeKeyUnknown:       {http.StatusUnauthorized, "Unknown API key", "Check the key."},
	CodeKeySuspended:     {http.StatusForbidden, "API key suspended", "Ask the provider of the API."},
	CodeAccountSuspended: {http.StatusForbidden, "Account suspended", "Ask the provider of the API."},
	CodeKeyRevoked:       {http.StatusForbidden, "API key revoked", "Ask for a new key."},
	CodeKeyExpired:       {http.StatusForbidden, "API key expired", "Ask for a new key."},
	CodeKeyScope:         {http.StatusForbidden, "API key lacks a scope", "Use a key with the scope that the call needs."},
	CodeKeyEnvironment:   {http.StatusForbidden, "API key of another environment", "Use a live key in production and a test key elsewhere."},
	CodeClientForbidden:  {http.StatusForbidden, "Client not allowed", "Call from a network that the key allows."},
	CodeQuotaExceeded:    {http.StatusTooManyRequests, "Quota used up", "Wait for the next period or ask for a larger plan."},
}

// Sentinels that the implementations of the ports wrap to say what kind of failure it was. Anything else is an internal
// error: the caller learns nothing about it, the log everything.
var (
	ErrNotFound        = errors.New("not found")
	ErrVersion         = errors.New("changed by somebody else")
	ErrUnauthenticated = errors.New("not authenticated")
	ErrUnavailable     = errors.New("not available")
)

// Error is an error that a caller may see. Cause, which it may not, goes to the log.
type Error struct {
	Code   Code
	Detail string // for people: what happened and what to do; never a value that may be a secret
	Fields []gen.FieldProblem
	Cause  error
}

func (e *Error) Error() string {
	text := string(e.Code)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Invalid is an error about one field of the body; pointer is a JSON Pointer such as /allowed_cidrs/2.
func Invalid(pointer, message string) error {
	return &Error{Code: CodeInvalidRequest, Fields: []gen.FieldProblem{{Pointer: "#" + pointer, Detail: message}}}
}

// InvalidParameter is an error about one parameter of the path, the query or the header.
func InvalidParameter(name, message string) error {
	return &Error{Code: CodeInvalidRequest, Fields: []gen.FieldProblem{{Parameter: name, Detail: message}}}
}

// Conflict says that the present state does not allow the change; detail says what to do instead.
func Conflict(detail string) error { return &Error{Code: CodeConflict, Detail: detail} }

// Exists says that a thing with that id or name exists already.
func Exists(detail string) error { return &Error{Code: CodeExists, Detail: detail} }

// outcomeUnknown is an error of a change that was made or was not: the database went away while it was being made.
type outcomeUnknown interface {
	error
	OutcomeUnknown() bool
}

// public turns any error into the one that the caller sees.
func public(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[outcomeUnknown](err); ok && e.OutcomeUnknown() {
		return &Error{Code: CodeOutcomeUnknown, Cause: err}
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return &Error{Code: CodeNotFound, Cause: err}
	case errors.Is(err, ErrVersion):
		return &Error{Code: CodeVersionMismatch, Cause: err}
	case errors.Is(err, ErrUnauthenticated):
		return &Error{Code: CodeUnauthenticated, Cause: err}
	case errors.Is(err, ErrUnavailable):
		return &Error{Code: CodeUnavailable, Cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: CodeTimeout, Cause: err}
	}
	return &Error{Code: CodeInternal, Cause: err}
}

// fail ends the request with a problem. The first call wins: a response that was begun is left as it is.
func (s *Server) fail(c *gin.Context, err error) {
	c.Abort()
	e := public(err)
	r := requestOf(c)
	r.failure = e
	if c.Writer.Written() {
		return
	}
	m, known := problems[e.Code]
	if !known {
		m = problems[CodeInternal]
	}
	if m.Status == http.StatusUnauthorized && c.Writer.Header().Get("WWW-Authenticate") == "" {
		c.Header("WWW-Authenticate", `Bearer realm="tollkeeper"`)
	}
	detail := e.Detail
	if detail == "" {
		detail = m.Advice
	}
	status := m.Status
	if r.statusOverride != 0 && (status == http.StatusTooManyRequests) {
		status = r.statusOverride
	}
	writeProblem(c.Writer, status, gen.Problem{
		Type: "/docs#code-" + string(e.Code), Title: m.Title, Status: int32(status), Code: string(e.Code),
		Detail: detail, Instance: r.id, Errors: e.Fields,
	})
}

func writeProblem(w http.ResponseWriter, status int, p gen.Problem) {
	body, err := json.Marshal(p)
	if err != nil { // a Problem holds strings and numbers only
		body = []byte(`{"type":"about:blank","title":"Internal error","status":500,"code":"internal","instance":""}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}

// seconds rounds d up to whole seconds, for Retry-After.
func seconds(d time.Duration) int64 {
	return int64((max(d, 0) + time.Second - 1) / time.Second)
}
