package series

import "math"

// alerts turns the evidence of value after value into the beginnings of episodes.
type alerts struct {
	at, escalation, habituation float64
	fade                        float64 // what is left of the habit after one value
	refractory, warmup          int

	seen      int
	sinceLast int
	last      float64 // evidence of the last alert
	any       bool
	habit     float64
}

func newAlerts(s Settings) alerts {
	return alerts{
		at: s.AlertAt, escalation: s.Escalation, habituation: s.Habituation,
		fade:       math.Exp2(-1 / s.HabituationHalfLife),
		refractory: s.Refractory, warmup: s.Warmup,
	}
}

// bar is what the next value's evidence has to reach.
func (a *alerts) bar() float64 { return a.at + a.habit }

// next takes the evidence of the next value and says whether it raises an alert.
func (a *alerts) next(evidence float64) bool {
	bar := a.bar()
	a.habit *= a.fade
	a.seen++
	a.sinceLast++
	silent := a.any && a.sinceLast <= a.refractory && evidence < a.last+a.escalation
	if a.seen <= a.warmup || evidence < bar || silent {
		return false
	}
	a.any, a.last, a.sinceLast = true, evidence, 0
	a.habit += a.habituation
	return true
}

// score maps an alert to [0.5, 1), halfway to 1 for every two decades above its bar, and everything else below 0.5.
func score(v Verdict) float64 {
	if v.Alert {
		return min(1-0.5*math.Exp2(-(v.Evidence-v.Bar)/2), 1-1e-9)
	}
	return 0.49 * v.Evidence / (1 + v.Evidence)
}
