package api

import (
	"context"
	"io"
	"net/netip"
	"time"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// The ports: what the API asks of the domain packages. Package api/bind implements them with keys, internal/alerts and
// quotas. They return errors that wrap [ErrNotFound], [ErrVersion], [ErrUnavailable] or are an [*Error]; anything else is
// answered with 500. All are called from many goroutines at once. Lists come newest first, with the cursor of the next
// page or "".

// Change says who changes something, why, and on what condition.
type Change struct {
	Actor     string // user:<name> or token:<id>
	Reason    string
	RequestID string
	AlertID   string
	IfVersion int64 // 0: any
}

// Page asks for part of a list.
type Page struct {
	Limit  int // 1 to 200
	Cursor string
}

// KeyFilter selects keys; zero fields select all.
type KeyFilter struct {
	AccountID, Tag, Query string
	Status                gen.KeyStatus
	Page
}

// KeyReader reads keys.
type KeyReader interface {
	ListKeys(ctx context.Context, f KeyFilter) (items []gen.Key, next string, err error)
	GetKey(ctx context.Context, id string) (gen.Key, error)
}

// KeyEditor issues and changes keys. Secrets are returned once, here.
type KeyEditor interface {
	CreateKey(ctx context.Context, by Change, k gen.KeyCreate) (key gen.Key, secret string, err error)
	// ImportKeys takes keys over that were made elsewhere. What is wrong with one is told in its result and is no error.
	ImportKeys(ctx context.Context, by Change, list []gen.KeyImport, dryRun bool) ([]gen.KeyImportResult, error)
	PatchKey(ctx context.Context, by Change, id string, p gen.KeyPatch) (gen.Key, error)
	// DeleteKey revokes a key and takes it out of lists.
	DeleteKey(ctx context.Context, by Change, id string) error
	RotateKey(ctx context.Context, by Change, id string, grace time.Duration) (key gen.Key, secret string, err error)
}

// KeySwitch changes whether a key passes. until may be zero.
type KeySwitch interface {
	SuspendKey(ctx context.Context, by Change, id string, until time.Time) (gen.Key, error)
	RevokeKey(ctx context.Context, by Change, id string) (gen.Key, error)
	// ReinstateKey undoes suspension, throttle and quarantines: those that by.AlertID led to, or all when it is "".
	ReinstateKey(ctx context.Context, by Change, id string) (gen.Key, error)
	QuarantineKey(ctx context.Context, by Change, id string, d Denied, until time.Time) (gen.Key, error)
	// ReleaseQuarantine lifts one quarantine, or all of the key when d is zero.
	ReleaseQuarantine(ctx context.Context, by Change, id string, d Denied) (gen.Key, error)
}

// Denied names the clients that a quarantine refuses; Agent narrows a network down to one client family.
type Denied struct {
	Kind  gen.QuarantineKind
	Value string
	Agent string
}

// Keys is the key store.
type Keys interface {
	KeyReader
	KeyEditor
	KeySwitch
}

// VerifyQuery is the question whether a key may pass.
type VerifyQuery struct {
	Key         string // the secret; not kept
	KeyID       string // instead of Key, for a gateway that checked the secret itself
	ClientIP    netip.Addr
	UserAgent   string
	Environment gen.Environment // "": both
	Scopes      []string
}

// Verifier answers from memory; only for a key that is throttled it may wait for the bounded time of the limiter that all nodes share. Code says why; a VALID answer has counted the call against its limits.
type Verifier interface {
	Verify(ctx context.Context, q VerifyQuery) gen.VerifyData
}

// AlertFilter selects alerts; zero fields select all.
type AlertFilter struct {
	AccountID, KeyID string
	Status           gen.AlertStatus
	Severity         gen.Severity
	Assignee, Query  string
	Page
}

// Alerts is what detection found.
type Alerts interface {
	ListAlerts(ctx context.Context, f AlertFilter) (items []gen.Alert, next string, err error)
	GetAlert(ctx context.Context, id string) (gen.Alert, error)
	AlertTimeline(ctx context.Context, id string) ([]gen.TimelineEntry, error)
	// SimilarAlerts returns those with most in common first.
	SimilarAlerts(ctx context.Context, id string, limit int) ([]gen.SimilarAlert, error)
	AssignAlert(ctx context.Context, by Change, id, assignee string) (gen.Alert, error)
	CommentAlert(ctx context.Context, by Change, id, text string) (gen.Alert, error)
	// NoteAction tells in the alert's timeline what was done to the key.
	NoteAction(ctx context.Context, by Change, id, what string) error
	// SetAlertStatus moves an alert to acknowledged, confirmed, dismissed or closed, or, taking all of it back, to open.
	SetAlertStatus(ctx context.Context, by Change, id string, to gen.AlertStatus) (gen.Alert, error)
}

// Accounts are the customers.
type Accounts interface {
	ListAccounts(ctx context.Context, p Page) (items []gen.Account, next string, err error)
	GetAccount(ctx context.Context, id string) (gen.Account, error)
	CreateAccount(ctx context.Context, by Change, a gen.AccountCreate) (gen.Account, error)
	// SuspendAccount refuses all keys of an account, ReinstateAccount lifts that. With dryRun both only say what would come of it.
	SuspendAccount(ctx context.Context, by Change, id string, dryRun bool) (gen.AccountSwitched, error)
	ReinstateAccount(ctx context.Context, by Change, id string, dryRun bool) (gen.AccountSwitched, error)
}

// UsageQuery asks for the usage of one key, or of an account when KeyID is "". From and To are on bucket borders.
type UsageQuery struct {
	KeyID, AccountID string
	From, To         time.Time
	Granularity      gen.Granularity
}

// Usage answers what was used and what is left.
type Usage interface {
	Usage(ctx context.Context, q UsageQuery) (gen.Usage, error)
	// UsageCSV writes the same as a table.
	UsageCSV(ctx context.Context, q UsageQuery, w io.Writer) error
	// Quotas of a key, or of an account when keyID is "".
	Quotas(ctx context.Context, keyID, accountID string) (gen.QuotaList, error)
}

// Billing keeps plans and statements.
type Billing interface {
	ListPlans(ctx context.Context, p Page) (items []gen.Plan, next string, err error)
	// GetPlan returns the newest version when version is 0.
	GetPlan(ctx context.Context, id string, version int32) (gen.Plan, error)
	// PlanOfAccount returns the version that the account is on now.
	PlanOfAccount(ctx context.Context, accountID string) (gen.Plan, error)
	CreatePlanVersion(ctx context.Context, by Change, id string, d gen.PlanDraft) (gen.Plan, error)
	PublishPlanVersion(ctx context.Context, by Change, id string, version int32) (gen.Plan, error)
	ListStatements(ctx context.Context, accountID, period string, p Page) (items []gen.Statement, next string, err error)
	GetStatement(ctx context.Context, id string) (gen.Statement, error)
	PreviewStatement(ctx context.Context, accountID, period string) (gen.Statement, error)
	// IssueStatement returns what was issued before when there is a statement of the period already.
	IssueStatement(ctx context.Context, by Change, accountID, period string) (gen.Statement, error)
	CorrectStatement(ctx context.Context, by Change, id string) (gen.StatementCorrection, error)
	// CheckStatements reads all of them. That one is not what was issued is an answer and no error.
	CheckStatements(ctx context.Context) (gen.StatementsCheck, error)
	ListSubscriptions(ctx context.Context, accountID string) ([]gen.Subscription, error)
	Subscribe(ctx context.Context, by Change, accountID string, s gen.SubscriptionCreate) (gen.Subscription, error)
	// EndSubscription returns the subscription that ends then; at may be zero: tomorrow.
	EndSubscription(ctx context.Context, by Change, accountID string, at time.Time) (gen.Subscription, error)
	ListCredits(ctx context.Context, accountID string) ([]gen.Credit, error)
	GiveCredit(ctx context.Context, by Change, accountID string, c gen.CreditCreate) (gen.Credit, error)
	VoidCredit(ctx context.Context, by Change, id string) (gen.Credit, error)
	ListNotifications(ctx context.Context, accountID string) ([]gen.Notification, error)
	StatementCSV(ctx context.Context, id string, w io.Writer) error
}

// AuditFilter selects entries of the audit trail; zero fields select all.
type AuditFilter struct {
	TargetID, Actor, Action string
	From, To                time.Time // [From, To)
	Page
}

// Audit reads the audit trail.
type Audit interface {
	ListAudit(ctx context.Context, f AuditFilter) (items []gen.AuditEntry, next string, err error)
	// CheckAudit reads all of it; noted may be empty. That an entry is not intact, or not as noted, is an answer and no error.
	CheckAudit(ctx context.Context, noted string) (gen.AuditCheck, error)
}

// Principal is the caller.
type Principal struct {
	ID        string // of the credential: names are given twice, and what one caller does is nothing to its namesake
	Subject   string // user:<name>: the actor in the audit trail
	Role      gen.Role
	AccountID string    // of a customer
	ExpiresAt time.Time // zero: never
	Session   bool      // came by cookie
}

// Sessions recognises callers. Authenticate takes what came as bearer token or as cookie; an error that wraps
// [ErrUnauthenticated] means that it is none, any other that it could not be checked.
type Sessions interface {
	Authenticate(ctx context.Context, secret string, cookie bool) (Principal, error)
	// Exchange makes a session from the code of a one-time link. The code is spent.
	Exchange(ctx context.Context, code, requestID string) (cookie string, p Principal, err error)
	// Logout ends the session of a cookie.
	Logout(ctx context.Context, cookie, requestID string) error
}

// Tokens administers API tokens and login links.
type Tokens interface {
	// CreateLink makes the code of a one-time link.
	CreateLink(ctx context.Context, by Change, l gen.LoginLinkCreate) (code string, expires time.Time, err error)
	ListTokens(ctx context.Context, p Page) (items []gen.Token, next string, err error)
	CreateToken(ctx context.Context, by Change, t gen.TokenCreate) (token gen.Token, secret string, err error)
	RevokeToken(ctx context.Context, by Change, id string) error
}

// Stats are the figures of the dashboard's first screen.
type Stats interface {
	Stats(ctx context.Context) (gen.Stats, error)
}

// DeadLetters reads the log lines that could not be decoded, and says whether all others are counted once.
type DeadLetters interface {
	// ReplayDeadLetters reads a page of them again from the log.
	ReplayDeadLetters(ctx context.Context, q gen.ReplayRequest) (gen.ReplayResult, error)
	// AuditIngest compares offsets, events and sealed usage, of the days in [from, to); zero times are no bound.
	AuditIngest(ctx context.Context, from, to time.Time) (gen.IngestAudit, error)
	ListDeadLetters(ctx context.Context, reason string, p Page) (items []gen.DeadLetter, next string, err error)
}

// Policies reads the policy files that were in force.
type Policies interface {
	ListPolicies(ctx context.Context) (gen.PolicyList, error)
	GetPolicy(ctx context.Context, revision string) (gen.PolicyRevision, error)
}

// Receivers tells who is told of alerts, and whether it arrives.
type Receivers interface {
	ListReceivers(ctx context.Context) ([]gen.Receiver, error)
}

// Check is one named part of readiness. Run returns nil when the part works; its error is shown by /readyz?verbose to those who may read metrics.
type Check struct {
	Name     string
	Run      func(ctx context.Context) error
	Optional bool // without the part the program does its work less well: it is shown as degraded, and the program stays ready
}

// StoredAnswer is the answer of a request that carried an Idempotency-Key.
type StoredAnswer struct {
	Status int
	Header map[string]string // Content-Type, ETag, Location
	Body   []byte            // without secrets
}

// Idempotency remembers answers, per caller and key.
type Idempotency interface {
	// Begin claims (scope, key) for a request whose content has hash. It returns the stored answer of an earlier request
	// with the same hash, or an error of code idempotency_in_progress or idempotency_key_reused.
	Begin(ctx context.Context, scope, key, hash string) (*StoredAnswer, error)
	// Finish stores the answer; a nil answer gives the claim back, so that the request may be repeated.
	Finish(ctx context.Context, scope, key string, a *StoredAnswer) error
}
