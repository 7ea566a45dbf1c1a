package api

import (
	"context"
	"io"
	"time"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// absent stands in for ports that belong to another process (serve --role). Every call says so.
type absent struct{}

var errAbsent error = &Error{Code: CodeUnavailable, Detail: "This process does not serve it: ask one with that role."}

func fillAbsent(cfg *Config) {
	a := absent{}
	if cfg.Keys == nil {
		cfg.Keys = a
	}
	if cfg.Verifier == nil {
		cfg.Verifier = a
	}
	if cfg.Alerts == nil {
		cfg.Alerts = a
	}
	if cfg.Accounts == nil {
		cfg.Accounts = a
	}
	if cfg.Usage == nil {
		cfg.Usage = a
	}
	if cfg.Billing == nil {
		cfg.Billing = a
	}
	if cfg.Audit == nil {
		cfg.Audit = a
	}
	if cfg.Tokens == nil {
		cfg.Tokens = a
	}
	if cfg.Stats == nil {
		cfg.Stats = a
	}
	if cfg.DeadLetters == nil {
		cfg.DeadLetters = a
	}
	if cfg.Policies == nil {
		cfg.Policies = a
	}
	if cfg.Receivers == nil {
		cfg.Receivers = a
	}
	if cfg.Idempotency == nil {
		cfg.Idempotency = newMemoryIdempotency(cfg.Now)
	}
	if cfg.Events == nil {
		cfg.Events = NewEvents(0, cfg.Now)
	}
	if cfg.RequestsPerMinute == 0 {
		cfg.RequestsPerMinute = 6000
	}
}

func (absent) Verify(context.Context, VerifyQuery) gen.VerifyData {
	return gen.VerifyData{Code: gen.VerifyCodeSTALEFEED, Reason: "this process does not verify keys"}
}

func (absent) ListKeys(context.Context, KeyFilter) ([]gen.Key, string, error) {
	return nil, "", errAbsent
}

func (absent) GetKey(context.Context, string) (gen.Key, error) {
	return gen.Key{}, errAbsent
}

func (absent) ImportKeys(context.Context, Change, []gen.KeyImport, bool) ([]gen.KeyImportResult, error) {
	return nil, errAbsent
}

func (absent) CreateKey(context.Context, Change, gen.KeyCreate) (gen.Key, string, error) {
	return gen.Key{}, "", errAbsent
}

func (absent) PatchKey(context.Context, Change, string, gen.KeyPatch) (gen.Key, error) {
	return gen.Key{}, errAbsent
}

func (absent) RotateKey(context.Context, Change, string, time.Duration) (gen.Key, string, error) {
	return gen.Key{}, "", errAbsent
}

func (absent) SuspendKey(context.Context, Change, string, time.Time) (gen.Key, error) {
	return gen.Key{}, errAbsent
}

func (absent) RevokeKey(context.Context, Change, string) (gen.Key, error) {
	return gen.Key{}, errAbsent
}

func (absent) ReinstateKey(context.Context, Change, string) (gen.Key, error) {
	return gen.Key{}, errAbsent
}

func (absent) QuarantineKey(context.Context, Change, string, Denied, time.Time) (gen.Key, error) {
	return gen.Key{}, errAbsent
}

func (absent) ReleaseQuarantine(context.Context, Change, string, Denied) (gen.Key, error) {
	return gen.Key{}, errAbsent
}

func (absent) ListAlerts(context.Context, AlertFilter) ([]gen.Alert, string, error) {
	return nil, "", errAbsent
}

func (absent) GetAlert(context.Context, string) (gen.Alert, error) {
	return gen.Alert{}, errAbsent
}

func (absent) AlertTimeline(context.Context, string) ([]gen.TimelineEntry, error) {
	return nil, errAbsent
}

func (absent) DeleteKey(context.Context, Change, string) error { return errAbsent }

func (absent) ListPolicies(context.Context) (gen.PolicyList, error) {
	return gen.PolicyList{}, errAbsent
}

func (absent) GetPolicy(context.Context, string) (gen.PolicyRevision, error) {
	return gen.PolicyRevision{}, errAbsent
}

func (absent) ListReceivers(context.Context) ([]gen.Receiver, error) { return nil, errAbsent }

func (absent) SimilarAlerts(context.Context, string, int) ([]gen.SimilarAlert, error) {
	return nil, errAbsent
}

func (absent) AssignAlert(context.Context, Change, string, string) (gen.Alert, error) {
	return gen.Alert{}, errAbsent
}

func (absent) NoteAction(context.Context, Change, string, string) error { return errAbsent }

func (absent) CommentAlert(context.Context, Change, string, string) (gen.Alert, error) {
	return gen.Alert{}, errAbsent
}

func (absent) SetAlertStatus(context.Context, Change, string, gen.AlertStatus) (gen.Alert, error) {
	return gen.Alert{}, errAbsent
}

func (absent) ListSubscriptions(context.Context, string) ([]gen.Subscription, error) {
	return nil, errAbsent
}

func (absent) Subscribe(context.Context, Change, string, gen.SubscriptionCreate) (gen.Subscription, error) {
	return gen.Subscription{}, errAbsent
}

func (absent) EndSubscription(context.Context, Change, string, time.Time) (gen.Subscription, error) {
	return gen.Subscription{}, errAbsent
}

func (absent) ListCredits(context.Context, string) ([]gen.Credit, error) { return nil, errAbsent }

func (absent) GiveCredit(context.Context, Change, string, gen.CreditCreate) (gen.Credit, error) {
	return gen.Credit{}, errAbsent
}

func (absent) VoidCredit(context.Context, Change, string) (gen.Credit, error) {
	return gen.Credit{}, errAbsent
}

func (absent) ListNotifications(context.Context, string) ([]gen.Notification, error) {
	return nil, errAbsent
}

func (absent) ListAccounts(context.Context, Page) ([]gen.Account, string, error) {
	return nil, "", errAbsent
}

func (absent) GetAccount(context.Context, string) (gen.Account, error) {
	return gen.Account{}, errAbsent
}

func (absent) SuspendAccount(context.Context, Change, string, bool) (gen.AccountSwitched, error) {
	return gen.AccountSwitched{}, errAbsent
}

func (absent) ReinstateAccount(context.Context, Change, string, bool) (gen.AccountSwitched, error) {
	return gen.AccountSwitched{}, errAbsent
}

func (absent) CreateAccount(context.Context, Change, gen.AccountCreate) (gen.Account, error) {
	return gen.Account{}, errAbsent
}

func (absent) Usage(context.Context, UsageQuery) (gen.Usage, error) {
	return gen.Usage{}, errAbsent
}

func (absent) Quotas(context.Context, string, string) (gen.QuotaList, error) {
	return gen.QuotaList{}, errAbsent
}

func (absent) ListPlans(context.Context, Page) ([]gen.Plan, string, error) {
	return nil, "", errAbsent
}

func (absent) GetPlan(context.Context, string, int32) (gen.Plan, error) {
	return gen.Plan{}, errAbsent
}

func (absent) PlanOfAccount(context.Context, string) (gen.Plan, error) {
	return gen.Plan{}, errAbsent
}

func (absent) CreatePlanVersion(context.Context, Change, string, gen.PlanDraft) (gen.Plan, error) {
	return gen.Plan{}, errAbsent
}

func (absent) PublishPlanVersion(context.Context, Change, string, int32) (gen.Plan, error) {
	return gen.Plan{}, errAbsent
}

func (absent) ListStatements(context.Context, string, string, Page) ([]gen.Statement, string, error) {
	return nil, "", errAbsent
}

func (absent) GetStatement(context.Context, string) (gen.Statement, error) {
	return gen.Statement{}, errAbsent
}

func (absent) PreviewStatement(context.Context, string, string) (gen.Statement, error) {
	return gen.Statement{}, errAbsent
}

func (absent) ListAudit(context.Context, AuditFilter) ([]gen.AuditEntry, string, error) {
	return nil, "", errAbsent
}

func (absent) CheckAudit(context.Context, string) (gen.AuditCheck, error) {
	return gen.AuditCheck{}, errAbsent
}

func (absent) CreateLink(context.Context, Change, gen.LoginLinkCreate) (string, time.Time, error) {
	return "", time.Time{}, errAbsent
}

func (absent) ListTokens(context.Context, Page) ([]gen.Token, string, error) {
	return nil, "", errAbsent
}

func (absent) CreateToken(context.Context, Change, gen.TokenCreate) (gen.Token, string, error) {
	return gen.Token{}, "", errAbsent
}

func (absent) RevokeToken(context.Context, Change, string) error {
	return errAbsent
}

func (absent) Stats(context.Context) (gen.Stats, error) {
	return gen.Stats{}, errAbsent
}

func (absent) ListDeadLetters(context.Context, string, Page) ([]gen.DeadLetter, string, error) {
	return nil, "", errAbsent
}

func (absent) ReplayDeadLetters(context.Context, gen.ReplayRequest) (gen.ReplayResult, error) {
	return gen.ReplayResult{}, errAbsent
}

func (absent) AuditIngest(context.Context, time.Time, time.Time) (gen.IngestAudit, error) {
	return gen.IngestAudit{}, errAbsent
}

func (absent) UsageCSV(context.Context, UsageQuery, io.Writer) error { return errAbsent }
func (absent) IssueStatement(context.Context, Change, string, string) (gen.Statement, error) {
	return gen.Statement{}, errAbsent
}

func (absent) CorrectStatement(context.Context, Change, string) (gen.StatementCorrection, error) {
	return gen.StatementCorrection{}, errAbsent
}

func (absent) CheckStatements(context.Context) (gen.StatementsCheck, error) {
	return gen.StatementsCheck{}, errAbsent
}

func (absent) StatementCSV(context.Context, string, io.Writer) error { return errAbsent }
