package dashboard_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/keys"
	"github.com/tollkeeper/tollkeeper/keys/tokens"
	"github.com/tollkeeper/tollkeeper/quotas"
	"github.com/tollkeeper/tollkeeper/quotas/meter"
)

// ledger stands in for ClickHouse: what each key used, by hour.
type ledger struct{ rows []meter.KeyUsage }

func (l *ledger) UsageByKey(_ context.Context, ids []string, from, to time.Time, _ meter.Granularity) ([]meter.KeyUsage, error) {
	var out []meter.KeyUsage
	for _, r := range l.rows {
		for _, id := range ids {
			if r.KeyID == id && !r.Bucket.Before(from) && r.Bucket.Before(to) {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

func (l *ledger) EachKey(context.Context, time.Time, time.Time, func(meter.KeyUsage) error) error {
	return nil
}

func (l *ledger) SealedThrough(context.Context) (time.Time, error) {
	return time.Now().UTC().Truncate(time.Hour), nil
}

// owners tells the quota service which keys belong to whom.
type owners struct {
	store    *keys.Store
	verifier *keys.Verifier
}

func (o owners) KeysOfAccount(ctx context.Context, id string) ([]string, error) {
	list, _, err := o.store.List(ctx, keys.Filter{AccountID: id, IncludeDeleted: true, Limit: 500})
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	return ids, err
}

func (o owners) AccountOfKey(id string) string {
	info, _ := o.verifier.KeyInfo(id)
	return info.AccountID
}

const growth = `{"name": "Growth", "currency": "EUR", "charges": [
 {"model": "flat", "price": "25", "name": "Base fee"},
 {"meter": "requests", "name": "Calls", "model": "graduated", "tiers": [{"up_to": "1000", "unit_price": "0"}, {"up_to": "5000", "unit_price": "0.0025"}, {"unit_price": "0.001"}]}],
 "quotas": [{"meter": "requests", "per": "account", "limit": 10000, "enforcement": "hard"}]}`

// bill puts acc_northwind on a plan of three tiers, with a statement of two months ago that late records have corrected, and
// 9,000 of 10,000 calls used this month.
func (s *site) bill(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	now := time.Now().UTC()
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	past := month.AddDate(0, -2, 0)
	p := quotas.Plan{ID: "growth"}
	require.NoError(t, json.Unmarshal([]byte(growth), &p))
	_, err := s.billing.CreateDraft(ctx, p, "user:bill")
	require.NoError(t, err)
	_, err = s.billing.PublishPlan(ctx, "growth", 1, "user:bill")
	require.NoError(t, err)
	_, err = s.billing.Subscribe(ctx, quotas.Subscription{AccountID: "acc_northwind", PlanID: "growth", StartsAt: past}, "user:bill")
	require.NoError(t, err)
	use := func(at time.Time, calls int64) {
		s.ledger.rows = append(s.ledger.rows, meter.KeyUsage{KeyID: s.victim, Bucket: at, Amounts: meter.Amounts{Requests: calls, ResponseBytes: calls * 900}})
	}
	use(past.Add(30*time.Hour), 6000)
	st, err := s.billing.Issue(ctx, "acc_northwind", past, "user:bill")
	require.NoError(t, err)
	use(past.Add(50*time.Hour), 1234)
	_, changed, err := s.billing.Correct(ctx, st.ID, "user:bill")
	require.NoError(t, err)
	require.True(t, changed)
	use(now.Truncate(time.Hour), 9000)
}

// unnamed lists what can be worked with, or is a picture, and of which a screen reader could say nothing.
const unnamed = `[...document.querySelectorAll("button, a, input, select, summary, [role=meter], [role=img]")].filter((e) =>
 !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length)).map((e) => e.outerHTML)`

func text(t *testing.T, ctx context.Context, selector string) string {
	t.Helper()
	got, err := chromedp.Run(ctx, chromedp.Text(selector))
	require.NoError(t, err, selector)
	return got
}

// evaluate asks the page.
func evaluate[T any](t *testing.T, ctx context.Context, script string) T {
	t.Helper()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	require.NoError(t, err, script)
	return got
}

func TestBillingReadsWhatAnAccountOwesAndSuspendsTheOneThatDoesNotPay(t *testing.T) {
	s := newSite(t, false)
	s.bill(t)
	ctx, complaints := browser(t, 1440, 1000, false)
	steps(t, ctx,
		chromedp.Navigate(s.linkFor(t, tokens.New{Name: "bill", Role: tokens.Billing})),
		chromedp.WaitVisible(`[data-account="acc_northwind"]`),
	)
	require.Contains(t, text(t, ctx, `[data-account="acc_wingtip"]`), "suspended")
	steps(t, ctx,
		chromedp.Click(`[data-account="acc_northwind"] a`),
		chromedp.WaitVisible(`.quotas [role=meter]`),
		chromedp.WaitVisible(`.bill.corrected`),
		chromedp.WaitVisible(`.bill.preview`),
	)
	require.Equal(t, "/accounts/acc_northwind", evaluate[string](t, ctx, `location.pathname`), "the address names the account")
	require.Regexp(t, `(?s)Growth.*version 1.*up to 1,000.*0\.0025.*above 5,000.*0\.001`, text(t, ctx, `.plan`))
	require.Regexp(t, `(?s)hard.*9,000 of 10,000.*1,000 left`, text(t, ctx, `.quotas`))
	require.Equal(t, "90", evaluate[string](t, ctx, `document.querySelector(".quotas [role=meter]").getAttribute("aria-valuenow")`))
	require.Contains(t, text(t, ctx, `.usage`), "9,000")
	// 25 + 4,000 x 0.0025 + 4,000 x 0.001, and it may still grow.
	require.Regexp(t, `(?s)draft.*EUR 39\.00`, text(t, ctx, `.bill.preview summary`))
	require.Regexp(t, `(?s)corrected.*EUR 36\.00`, text(t, ctx, `.bill.corrected summary`))
	require.Regexp(t, `(?s)correction.*EUR 1\.23`, text(t, ctx, `.bill.correction summary`))

	// A statement opens by the keyboard, shows its arithmetic by tier, and goes into a spreadsheet.
	steps(t, ctx,
		chromedp.Focus(`.bill.corrected summary`),
		chromedp.KeyEvent("\r"),
		chromedp.WaitVisible(`.bill.corrected table`),
	)
	require.Regexp(t, `(?s)Base fee.*EUR 25\.00.*Calls.*6,000.*EUR 11\.00.*tier 2.*4,000.*0\.0025.*10.*tier 3.*1,000.*0\.001.*Total.*EUR 36\.00`, text(t, ctx, `.bill.corrected`))
	for _, link := range []string{`.bill.corrected a[download]`, `.usage a[download]`} {
		got := evaluate[string](t, ctx, `(() => { const x = new XMLHttpRequest(); x.open("GET", document.querySelector("`+link+`").href, false); x.send(); return x.status + x.getResponseHeader("Content-Type") })()`)
		require.Contains(t, got, "200text/csv", link)
	}
	require.Empty(t, evaluate[[]string](t, ctx, unnamed))
	shoot(t, ctx, "account-light")

	steps(t, ctx,
		chromedp.Click(`.account button.danger`),
		chromedp.WaitVisible(`dialog[open]`),
	)
	require.Regexp(t, `1 active key`, text(t, ctx, `dialog`))
	require.True(t, evaluate[bool](t, ctx, `document.querySelector("dialog button[type=submit]").disabled`), "nothing is suspended without a reason")
	require.True(t, s.verifier.Verify(keys.Request{Key: s.secret}).Valid, "to ask is not to suspend")
	steps(t, ctx,
		chromedp.SendKeys(`dialog input`, "invoice 7 is overdue"),
		chromedp.Click(`dialog button[type=submit]`),
		chromedp.WaitVisible(`.account .suspension`),
	)
	require.Regexp(t, `invoice 7 is overdue`, text(t, ctx, `.account .suspension`))
	require.Equal(t, keys.CodeAccountSuspended, s.verifier.Verify(keys.Request{Key: s.secret}).Code)
	steps(t, ctx,
		chromedp.Click(`.account .suspension button`),
		chromedp.SendKeys(`dialog[open] input`, "paid"),
		chromedp.Click(`dialog button[type=submit]`),
		chromedp.WaitNotPresent(`.account .suspension`),
	)
	require.True(t, s.verifier.Verify(keys.Request{Key: s.secret}).Valid)
	require.Empty(t, complaints.all(), "nothing is asked for that billing may not see")
}

func TestACustomerSeesItsOwnAccountAloneAlsoInTheDarkAndOnAPhone(t *testing.T) {
	s := newSite(t, false)
	s.bill(t)
	ctx, complaints := browser(t, 1440, 1000, true)
	steps(t, ctx,
		chromedp.Navigate(s.linkFor(t, tokens.New{Name: "grace", Role: tokens.Customer, AccountID: "acc_northwind"})),
		chromedp.WaitVisible(`.quotas [role=meter]`),
		chromedp.WaitVisible(`.bill.preview`),
	)
	require.Empty(t, evaluate[[]string](t, ctx, `[...document.querySelectorAll(".account button")].map((b) => b.textContent)`), "a customer suspends nobody")
	steps(t, ctx, chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile), chromedp.Click(`.bill.preview summary`), chromedp.WaitVisible(`.bill.preview table`))
	require.False(t, evaluate[bool](t, ctx, `document.documentElement.scrollWidth > document.documentElement.clientWidth`), "the page must not scroll sideways on a phone")
	shoot(t, ctx, "account-phone-dark")
	steps(t, ctx, chromedp.Click(`//nav//a[. = "Keys"]`), chromedp.WaitVisible(`tr[data-key="`+s.victim+`"]`))
	page := text(t, ctx, `body`)
	for _, other := range []string{"contoso", "fabrikam", "wingtip"} {
		require.NotContains(t, page, other)
	}
	require.Empty(t, complaints.all(), "nothing is asked for that a customer may not see")

	// Of another's account it does not even learn that there is one.
	steps(t, ctx, chromedp.Navigate(s.url+"/accounts/acc_contoso"), chromedp.WaitVisible(`.account .error`))
	require.Regexp(t, `(?i)not found|no such`, text(t, ctx, `.account .error`))
	for _, c := range complaints.all() {
		require.True(t, strings.Contains(c, "404"), c)
	}
}
