// Package fdr is a budget for alerts: of an endless stream of suspects it says for each how much evidence must be asked, so
// that among the alerts of recent memory the share of false ones stays under a level. One fixed threshold cannot do that: what is
// one false alert a week for a hundred keys is hundreds a day for a million.
//
// Online control of the false discovery rate (LORD, Javanmard and Montanari 2018; for evidence that is watched over time
// e-LOND, Xu and Ramdas 2024) spends a wealth on each hypothesis and earns with each discovery. Where discoveries are rare the
// wealth runs dry ("alpha-death"), and an old burst of true discoveries pays for a later burst of false ones. Rebjock et al. (2021)
// cure both by letting the memory decay. Here that is kept by a rule that needs no list of past discoveries. With decay d for each
// hypothesis begun, keep
//
//	S = decayed sum of the levels that were given out
//	R = decayed number of discoveries
//
// and give the next hypothesis the share Spend of what is left of Level*(Idle + R) - S. Then S <= Level*(Idle + R) always.
// A hypothesis is a discovery when its p-value is at most its level, or when its bet against "nothing is wrong" reaches 1/level,
// whenever that is: both happen with a chance of at most the level while nothing is wrong (Ville 1939). So the false discoveries V, each
// faded since its hypothesis began, obey
//
//	E[V] <= Level * (Idle + E[R])
//
// at every time, if that holds given the past (evidence may otherwise depend on each other in any way, levels too). With nothing to
// find, that is at most Level*Idle/(1-Level) false alerts per memory; with many things to find, a share Level of the alerts.
//
// It is no protection against evidence that claims too much: calibrate it first. For suspensions a hard cap stays necessary.
package fdr

import (
	"fmt"
	"math"
)

// Settings of a budget.
type Settings struct {
	// Level is the share of false alerts among the alerts, in (0, 1).
	Level float64
	// Memory is the number of hypotheses after which one counts half. At least 1.
	Memory float64
	// Idle is the number of alerts that the budget behaves as if it always remembered; with none to remember it still
	// allows about Level*Idle false alerts per 1.44*Memory hypotheses. Above 0.
	Idle float64
	// Spend is the share of the remaining wealth that one hypothesis may cost, in (0, 1]. 0 means 10/(1.44*Memory), with which nine
	// tenths of the idle wealth are in use, and an alert's gain is spent within a tenth of the memory.
	Spend float64
}

// Budget gives out levels. It takes 64 bytes, does no I/O and belongs to one goroutine.
type Budget struct {
	s     Settings
	decay float64
	spent float64 // S above
	found float64 // R above
}

// New checks the settings. The error names the field and its bounds.
func New(s Settings) (*Budget, error) {
	switch {
	case !(s.Level > 0 && s.Level < 1):
		return nil, fmt.Errorf("fdr: Level is %v, must be between 0 and 1", s.Level)
	case !(s.Memory >= 1) || math.IsInf(s.Memory, 0):
		return nil, fmt.Errorf("fdr: Memory is %v hypotheses, must be at least 1", s.Memory)
	case !(s.Idle > 0) || math.IsInf(s.Idle, 0):
		return nil, fmt.Errorf("fdr: Idle is %v alerts, must be above 0", s.Idle)
	case !(s.Spend >= 0 && s.Spend <= 1):
		return nil, fmt.Errorf("fdr: Spend is %v, must be between 0 and 1", s.Spend)
	}
	decay := math.Exp2(-1 / s.Memory)
	if s.Spend == 0 {
		s.Spend = min(1, 10*(1-decay))
	}
	return &Budget{s: s, decay: decay}, nil
}

// Begin takes up a hypothesis and returns its level: what its p-value has to stay at or under to become a discovery, in [0, 1].
// It depends on the past only, and is paid for now, whatever comes of it.
func (b *Budget) Begin() float64 {
	b.spent *= b.decay
	b.found *= b.decay
	level := min(1, b.s.Spend*max(0, b.s.Level*(b.s.Idle+b.found)-b.spent))
	b.spent += level
	return level
}

// Discover says that a hypothesis of this budget became a discovery: once for each.
func (b *Budget) Discover() { b.found++ }

// SetLevel changes the share of false alerts from the next hypothesis on. What was spent beyond the new level is owed: until it has faded
// hypotheses get nothing. Values outside (0, 1) change nothing.
func (b *Budget) SetLevel(level float64) {
	if level > 0 && level < 1 {
		b.s.Level = level
	}
}
