package detect

import (
	"math"

	"github.com/tollkeeper/tollkeeper/detect/fdr"
)

// DefaultFalseAlertShare is the share of the alerts that may be false.
const DefaultFalseAlertShare = 0.2

// How much evidence an alert needs depends on how many suspects there are: every client that is new to a key is one, and every
// busy hour and every day of a key. Each gets its level when it comes, from a budget for false alerts, so that a platform of a million keys is
// asked for more than one of a hundred, and one that is under attack for less. Required.Flag of the policy is the floor under it.
// History that is replayed into an engine takes part: what was spent before a restart stays spent.
//
// Suspensions don't come from this budget: they have their own evidence, far beyond it, and caps.
const (
	// An idle platform's level for new clients is 0.9*share*idleAlerts/(1.44*clientsMemory): 2.9 at the default share.
	clientsMemory = 1000
	hoursMemory   = 50_000
	daysMemory    = 20_000
	idleAlerts    = 10
)

// budgets for alerts, by what is suspected.
type budgets struct {
	clients, hours, days *fdr.Budget
}

func newBudgets() (b budgets, err error) {
	if b.clients, err = fdr.New(fdr.Settings{Level: DefaultFalseAlertShare, Memory: clientsMemory, Idle: idleAlerts}); err != nil {
		return b, err
	}
	if b.hours, err = fdr.New(fdr.Settings{Level: DefaultFalseAlertShare, Memory: hoursMemory, Idle: idleAlerts}); err != nil {
		return b, err
	}
	b.days, err = fdr.New(fdr.Settings{Level: DefaultFalseAlertShare, Memory: daysMemory, Idle: idleAlerts})
	return b, err
}

func (b *budgets) share(level float64) {
	b.clients.SetLevel(level)
	b.hours.SetLevel(level)
	b.days.SetLevel(level)
}

// suspect takes up a suspect and returns the evidence, as -log10, that an alert about it needs.
func suspect(b *fdr.Budget) float32 {
	return float32(min(50, -math.Log10(b.Begin())))
}

// charged tells the budget that a suspect became an alert.
func (b *budgets) charged(kind episodeKind) {
	switch kind {
	case episodeHour:
		b.hours.Discover()
	case episodeShift:
		b.days.Discover()
	default:
		b.clients.Discover()
	}
}
