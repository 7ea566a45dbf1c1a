// Package fdr decides which of an endless stream of p-values become alerts, so that among the alerts of recent memory the share of
// false ones stays under a level: a budget for alerts instead of one threshold.
//
// Online control of the false discovery rate (LORD, Javanmard and Montanari 2018; SAFFRON, Ramdas et al. 2018) spends a wealth on
// each test and earns with each discovery. Where discoveries are rare the wealth runs dry ("alpha-death"), and an old
// burst of true discoveries pays for a later burst of false ones. Rebjock et al. (2021) cure both by letting the memory
// decay. Here the same guarantee is kept by a rule that needs no list of past discoveries. With decay d per test, keep
//
//	S = decayed sum of the thresholds that were spent     (SAFFRON: of tests with p above Candidate, over 1-Candidate)
//	R = decayed number of discoveries
//
// and spend on the next test the share Spend of what is left of Level*(Idle + R) - S. Then S <= Level*(Idle + R) always.
// Since a true null's chance of becoming a discovery is at most its threshold, the false discoveries V within memory obey
//
//	E[V] <= Level * (Idle + E[R])
//
// at every time, if each null p-value is at least uniform given the past (p-values may otherwise depend on each other in
// any way, thresholds too). With nothing to find, that is at most Level*Idle/(1-Level) false alerts per memory; with many
// things to find, a share Level of the alerts.
//
// It is no protection against p-values that are too small: calibrate them first (package tail). For suspensions a hard cap stays
// necessary.
package fdr

import (
	"fmt"
	"math"
)

// Settings of a budget.
type Settings struct {
	// Level is the share of false alerts among the alerts, in (0, 1).
	Level float64
	// Memory is the number of tests after which a test counts half. At least 1.
	Memory float64
	// Idle is the number of alerts that the budget behaves as if it always remembered; with none to remember it still
	// allows about Level*Idle false alerts per 1.44*Memory tests. Above 0.
	Idle float64
	// Candidate is SAFFRON's lambda in [0, 1): tests with p up to it are taken for true and cost nothing. Use 0.5 where many tests
	// are not null; 0 is LORD.
	Candidate float64
	// Spend is the share of the remaining wealth that one test may cost, in (0, 1]. 0 means 10/(1.44*Memory), with which nine tenths
	// of the idle wealth are in use, and an alert's gain is spent within a tenth of the memory.
	Spend float64
}

// Budget decides test after test. It takes 72 bytes, does no I/O and belongs to one goroutine.
type Budget struct {
	s     Settings
	decay float64
	state State
}

// State is what a budget remembers; it can be stored and given to Restore.
type State struct {
	// Spent and Discoveries are S and R above.
	Spent, Discoveries float64
}

// New checks the settings. The error names the field and its bounds.
func New(s Settings) (*Budget, error) {
	switch {
	case !(s.Level > 0 && s.Level < 1):
		return nil, fmt.Errorf("fdr: Level is %v, must be between 0 and 1", s.Level)
	case !(s.Memory >= 1) || math.IsInf(s.Memory, 0):
		return nil, fmt.Errorf("fdr: Memory is %v tests, must be at least 1", s.Memory)
	case !(s.Idle > 0) || math.IsInf(s.Idle, 0):
		return nil, fmt.Errorf("fdr: Idle is %v alerts, must be above 0", s.Idle)
	case !(s.Candidate >= 0 && s.Candidate < 1):
		return nil, fmt.Errorf("fdr: Candidate is %v, must be at least 0 and below 1", s.Candidate)
	case !(s.Spend >= 0 && s.Spend <= 1):
		return nil, fmt.Errorf("fdr: Spend is %v, must be between 0 and 1", s.Spend)
	}
	decay := math.Exp2(-1 / s.Memory)
	if s.Spend == 0 {
		s.Spend = min(1, 10*(1-decay))
	}
	return &Budget{s: s, decay: decay}, nil
}

// Threshold is what the next p-value has to stay at or under to become a discovery. It depends on the past only.
func (b *Budget) Threshold() float64 {
	free := b.s.Level*(b.s.Idle+b.decay*b.state.Discoveries) - b.decay*b.state.Spent
	return min(1, b.s.Spend*max(0, free)*(1-b.s.Candidate))
}

// Test says whether p becomes a discovery. NaN is taken for 1.
func (b *Budget) Test(p float64) bool {
	threshold := b.Threshold()
	b.state.Spent *= b.decay
	b.state.Discoveries *= b.decay
	if !(p <= b.s.Candidate) || b.s.Candidate == 0 {
		b.state.Spent += threshold / (1 - b.s.Candidate)
	}
	if p <= threshold {
		b.state.Discoveries++
		return true
	}
	return false
}

// Forget lets time pass as if so many tests had been made: for budgets whose memory is a span of time. It does not loosen the
// guarantee, since spending and discoveries fade alike.
func (b *Budget) Forget(tests float64) {
	if tests > 0 {
		fade := math.Exp2(-tests / b.s.Memory)
		b.state.Spent *= fade
		b.state.Discoveries *= fade
	}
}

// State returns what to store.
func (b *Budget) State() State { return b.state }

// Restore goes on from a stored state under the same settings. A state that overspends, which settings may have changed to do, is
// taken as spent up to the limit.
func (b *Budget) Restore(s State) error {
	if !(s.Spent >= 0 && s.Discoveries >= 0) || math.IsInf(s.Spent, 0) || math.IsInf(s.Discoveries, 0) {
		return fmt.Errorf("fdr: stored state %+v must hold numbers of at least 0", s)
	}
	s.Spent = min(s.Spent, b.s.Level*(b.s.Idle+s.Discoveries))
	b.state = s
	return nil
}
