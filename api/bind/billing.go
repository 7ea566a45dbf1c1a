package bind

import (
	"context"
	"errors"
	"time"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/quotas"
)

// exists answers 404 for an account that there is not.
func (b Billing) exists(ctx context.Context, accountID string) error {
	_, err := b.store.GetAccount(ctx, accountID)
	return keyError(err)
}

// PlanOfAccount implements api.Billing.
func (b Billing) PlanOfAccount(ctx context.Context, accountID string) (gen.Plan, error) {
	if err := b.exists(ctx, accountID); err != nil {
		return gen.Plan{}, err
	}
	p, err := b.service.PlanOf(ctx, accountID, b.now())
	if err != nil {
		return gen.Plan{}, quotaError(err, "")
	}
	return convert[gen.Plan](p)
}

// ListSubscriptions implements api.Billing.
func (b Billing) ListSubscriptions(ctx context.Context, accountID string) ([]gen.Subscription, error) {
	if err := b.exists(ctx, accountID); err != nil {
		return nil, err
	}
	list, err := b.service.Subscriptions(ctx, accountID)
	if err != nil {
		return nil, quotaError(err, "")
	}
	return convert[[]gen.Subscription](list)
}

// Subscribe implements api.Billing.
func (b Billing) Subscribe(ctx context.Context, by api.Change, accountID string, n gen.SubscriptionCreate) (gen.Subscription, error) {
	if err := b.exists(ctx, accountID); err != nil {
		return gen.Subscription{}, err
	}
	sub, err := convert[quotas.Subscription](n)
	if err != nil {
		return gen.Subscription{}, api.Invalid("", "a value is out of range")
	}
	sub.AccountID = accountID
	sub, err = b.service.Subscribe(ctx, sub, by.Actor)
	if errors.Is(err, quotas.ErrNotFound) { // of the account, which is there, the answer would say the same
		return gen.Subscription{}, api.Invalid("/plan_id", "there is no such plan, or no such published version of it")
	}
	if err != nil {
		return gen.Subscription{}, quotaError(err, "#/")
	}
	return convert[gen.Subscription](sub)
}

// EndSubscription implements api.Billing.
func (b Billing) EndSubscription(ctx context.Context, by api.Change, accountID string, at time.Time) (gen.Subscription, error) {
	if err := b.exists(ctx, accountID); err != nil {
		return gen.Subscription{}, err
	}
	sub, err := b.service.EndSubscription(ctx, accountID, at, by.Actor)
	if err != nil {
		return gen.Subscription{}, quotaError(err, "#/")
	}
	return convert[gen.Subscription](sub)
}

// ListCredits implements api.Billing.
func (b Billing) ListCredits(ctx context.Context, accountID string) ([]gen.Credit, error) {
	if err := b.exists(ctx, accountID); err != nil {
		return nil, err
	}
	list, err := b.service.Credits(ctx, accountID)
	if err != nil {
		return nil, quotaError(err, "")
	}
	return convert[[]gen.Credit](list)
}

// GiveCredit implements api.Billing.
func (b Billing) GiveCredit(ctx context.Context, by api.Change, accountID string, n gen.CreditCreate) (gen.Credit, error) {
	if err := b.exists(ctx, accountID); err != nil {
		return gen.Credit{}, err
	}
	g, err := convert[quotas.Grant](n)
	if err != nil {
		return gen.Credit{}, api.Invalid("", "a number is too large")
	}
	g.AccountID = accountID
	if g, err = b.service.GiveCredit(ctx, g, by.Actor); err != nil {
		return gen.Credit{}, quotaError(err, "#/")
	}
	return convert[gen.Credit](g)
}

// VoidCredit implements api.Billing.
func (b Billing) VoidCredit(ctx context.Context, by api.Change, id string) (gen.Credit, error) {
	g, err := b.service.VoidCredit(ctx, id, by.Actor)
	if err != nil {
		return gen.Credit{}, quotaError(err, "")
	}
	return convert[gen.Credit](g)
}

// ListNotifications implements api.Billing.
func (b Billing) ListNotifications(ctx context.Context, accountID string) ([]gen.Notification, error) {
	if err := b.exists(ctx, accountID); err != nil {
		return nil, err
	}
	list, err := b.service.Notifications(ctx, accountID)
	if err != nil {
		return nil, quotaError(err, "")
	}
	return convert[[]gen.Notification](list)
}
