package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/bind"
	page "github.com/tollkeeper/tollkeeper/api/dashboard"
	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/keys/tokens"
	"github.com/tollkeeper/tollkeeper/quotas"
)

func (a *App) openAPI(context.Context) error {
	verifier := bind.NewVerifier(a.Verifier)
	verifier.Headroom, verifier.Now = a.Counter.Tightest, a.now
	billing := bind.NewBilling(a.Quotas, a.Keys, a.Verifier, a.now)
	var trusted []netip.Prefix
	for _, s := range a.cfg.TrustedProxies {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			addr, err := netip.ParseAddr(s)
			if err != nil {
				return fmt.Errorf("trusted-proxies: %q is neither an address nor a CIDR", s)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		trusted = append(trusted, p)
	}
	var dashboard fs.FS
	if files, ok := page.Files(); ok {
		dashboard = files
	}
	var err error
	a.API, err = api.New(api.Config{
		Logger: a.Log, Now: a.now, Registerer: a.Registry, Metrics: promhttp.HandlerFor(a.Registry, promhttp.HandlerOpts{}),
		Sessions: bind.NewTokens(a.Tokens), Tokens: bind.NewTokens(a.Tokens), Keys: bind.NewKeys(a.Keys, a.Verifier), Audit: bind.NewKeys(a.Keys, a.Verifier),
		Verifier: verifier, Alerts: bind.NewAlerts(a.Alerts), Accounts: billing, Usage: billing, Billing: billing,
		Stats: newFigures(a), DeadLetters: deadLetters{a.Events, a}, Policies: a.policies, Receivers: a, Idempotency: bind.NewIdempotency(a.SQL, a.now),
		Checks: a.checks(), Events: a.liveEvents, Dashboard: dashboard, TrustedProxies: trusted, OpenAuthorize: a.cfg.OpenAuthorize,
		SecureCookie: strings.HasPrefix(a.cfg.PublicURL, "https://"),
	})
	return err
}

// AdminLink makes a one-time link that opens the dashboard as an administrator.
func (a *App) AdminLink(ctx context.Context) (string, error) {
	_, code, err := a.Tokens.CreateLink(ctx, tokens.New{Name: "first administrator", Role: tokens.Admin}, "system:start")
	if err != nil {
		return "", err
	}
	// Behind the # it never reaches a server's log.
	return a.URL() + "/login#" + code, nil
}

// Tell puts on the live feed what happened to a key outside of the program, such as what the demo's thief does.
func (a *App) Tell(kind, keyID, text string) {
	a.liveEvents.Publish(gen.Event{Type: kind, KeyId: keyID, At: a.now().UTC(), Text: text})
}

func (a *App) thresholdReached(_ context.Context, n quotas.Notification) {
	if a.liveEvents == nil {
		return
	}
	event := gen.Event{
		Type: "quota.threshold", AccountId: n.AccountID, At: n.At,
		Text: fmt.Sprintf("%s %s has used %d of %d (%d %%) of quota %s", n.Per, n.Subject, n.Used, n.Limit, n.Percent, n.QuotaID),
	}
	if string(n.Per) == "key" {
		event.KeyId = n.Subject
	}
	a.liveEvents.Publish(event)
}

// AuditIngest implements api.DeadLetters.
func (d deadLetters) AuditIngest(ctx context.Context, from, to time.Time) (gen.IngestAudit, error) {
	r, err := d.a.Audit(ctx, from, to)
	if err != nil {
		return gen.IngestAudit{}, errors.Join(api.ErrUnavailable, err)
	}
	return auditAnswer(r), nil
}
