package detect

import "math"

// What a stranger's requests take, on the natural log scale above what is usual: around twelve times (e^2.5), give or
// take. Customers' clients differ among themselves by a factor of two (e^0.7),
// and one of them from what it did before by a factor of one and a half.
const (
	abuseShift    = 2.5
	abuseVariance = 1.0
	clientSpread  = 0.5 // variance
	ownSpread     = 0.2 // variance
	excessWindow  = 32  // calls of a client from which on older ones fade: a change is noticed within fifty
)

// excess is how much more a client's calls take than is usual: the number of calls, the sum of what each was beyond, on the natural log
// scale, and the sum of the variances of what is usual.
type excess struct{ n, sum, variance float32 }

// add tells whether the calls before were halved, in number and weight.
func (x *excess) add(beyond, variance float64) (halved bool) {
	if halved = x.n >= excessWindow; halved {
		x.n, x.sum, x.variance = x.n/2, x.sum/2, x.variance/2
	}
	x.n++
	x.sum += float32(beyond)
	x.variance += float32(variance)
	return halved
}

// times is how many times the usual its calls take.
func (x *excess) times() float64 { return math.Exp(float64(x.sum / x.n)) }

// bet on "takes far more each time" against "a client like others", which differ by that variance.
func (x *excess) bet(spread float64) float64 {
	if x.n < 2 || x.sum <= x.n { // nearer to the clients' mean, whatever the variances are
		return 0
	}
	v := max(float64(x.variance/x.n), 0.1) / float64(x.n)
	return max(0, logNormalRatio(float64(x.sum/x.n), abuseShift, abuseVariance+v, 0, spread+v))
}

// paceSlope turns "x times the busiest hour so far" into evidence: records of heavy-tailed hours are broken by x with a chance of
// x^-1.67 (a Pareto tail of shape 0.6). A key that was hardly used has no busy hour worth the name, and what a few calls weigh depends
// on what they happen to ask for.
const (
	paceSlope  = 1.67
	paceCalls  = 20
	bytesCalls = 12 // calls of which the weight is believed half
)

// pace is the evidence of an hour that is x times the key's busiest.
func (h *hours) pace(x float64) float64 {
	if x <= 1 {
		return 0
	}
	seen := float64(h.seen)
	return min(maxPace, paceSlope*seen/(seen+volumeWatched)*log10(x))
}

func (e *Engine) moneyEvidence(k *keyState, a *actor) float64 {
	spread := a.spread()
	each := max(a.money.bet(spread), a.size.bet(spread), a.body.bet(spread))
	return together(each, e.spending(k, a))
}

// spread is how much what a client's calls take may differ from what is usual for its key: an established one has made most of what is usual.
func (a *actor) spread() float64 {
	if a.fresh {
		return clientSpread
	}
	return ownSpread
}

// spending compares a fresh actor's units an hour with the busiest hour of the key, or where the key never used any, with that
// of other keys.
func (e *Engine) spending(k *keyState, a *actor) float64 {
	if a.units == 0 || !a.fresh || k.hours == nil {
		return 0
	}
	x := max(float64(a.units)/a.hours(), float64(a.busiest(meterUnits)))
	minutes, _ := k.burst(a)
	return max(k.hours.pace(x/e.unitsReference(k, a)), minutes)
}

// burst compares the most units of a fresh actor in five minutes with what the key may have used in its busiest. That is not remembered: it is taken for the same
// share of the busiest hour as its calls are.
func (k *keyState) burst(a *actor) (evidence, most float64) {
	hour, calls, minutes := float64(k.record(a, meterUnits)), float64(k.record(a, meterRequests)), float64(a.yardstick(a.minutes, k.hours.minutes.record))
	if hour <= 0 || calls <= 0 || minutes <= 0 {
		return 0, 0
	}
	most = hour * min(1, max(paceCalls, minutes)/calls)
	n := float64(max(a.most[0], a.most[1]))
	return k.hours.pace(a.units5.peak()/most) * n / (n + bytesCalls), most
}

func (e *Engine) unitsReference(k *keyState, a *actor) float64 {
	if r := float64(k.record(a, meterUnits)); r > 0 {
		return r
	}
	if e.unitsHour.n >= 5 {
		return math.Exp(e.unitsHour.mean)
	}
	return math.MaxFloat64
}

// hours is for how long the actor has been there, at least one.
func (a *actor) hours() float64 { return max(1, float64(a.last-a.first)/hourMillis) }

// take counts what the client takes in the running hour.
func (a *actor) take(o *obs) {
	if hour := int32(o.t / hourMillis); hour > a.hour {
		next := hour == a.hour+1
		a.past, a.most[1], a.seldom[1] = [meters]float32{}, 0, 0
		if next {
			a.past, a.most[1], a.seldom[1] = a.used, a.most[0], a.seldom[0]
		}
		a.hour, a.used, a.most[0], a.seldom[0] = hour, [meters]float32{}, 0, 0
		if a.fresh {
			a.units5.roll(next)
		}
	}
	if at := int32(o.t / minutesMillis); at > a.minutesAt {
		a.minutesAt, a.inMinutes = at, 0
		if a.fresh {
			a.units5.running = 0
		}
	}
	a.inMinutes++
	a.most[0] = max(a.most[0], a.inMinutes)
	a.used[meterRequests]++
	a.used[meterBytes] += o.bytes
	a.used[meterUnits] += o.units
	if a.fresh && o.units > 0 {
		a.units5.add(o.units)
	}
}

// minutesUnits are the units of a new client by five minutes.
type minutesUnits struct {
	running float32
	most    [2]float32 // in any of the running hour, and of the hour before
}

func (m *minutesUnits) add(units float32) {
	m.running += units
	m.most[0] = max(m.most[0], m.running)
}

// peak is the most in five minutes of the running hour and the one before.
func (m *minutesUnits) peak() float64 { return float64(max(m.most[0], m.most[1])) }

// roll begins an hour, which may be the next one.
func (m *minutesUnits) roll(next bool) {
	m.most[1] = 0
	if next {
		m.most[1] = m.most[0]
	}
	m.most[0] = 0
}

// busiest is what the client took in the busier of the running hour and the one before: what it did does not cease to be with the hour.
func (a *actor) busiest(meter int) float32 { return max(a.used[meter], a.past[meter]) }

// record is the busiest hour of the key that a new client is measured by.
func (k *keyState) record(a *actor, meter int) float32 {
	return a.yardstick(a.mark[meter], k.hours.record[meter])
}

// yardstick is what of the key's a new client is measured by: what the key had done when it came, since what it does itself soon is the key's record. From its
// second day on it is the record as it stands.
func (a *actor) yardstick(mark, record float32) float32 {
	if mark > 0 && a.last-a.first < 24*hourMillis {
		return min(mark, record)
	}
	return record
}

// meterMinutes stands for the calls of five minutes, beside the meters of an hour.
const meterMinutes = meters

// outpaced is what a new client takes beside the most that the whole key took before.
type outpaced struct {
	evidence         float64
	meter            int
	observed, record float64
}

// outpace compares what a new client takes in an hour, in calls, bytes or calls of a kind that is seldom for the key, and how many calls it makes in five
// minutes, with the most of the whole key: what it takes is its own doing, not the key's. Units are the money detector's.
func (k *keyState) outpace(a *actor) (p outpaced) {
	if k.hours == nil || !a.fresh || k.hours.record[meterRequests] == 0 {
		return p
	}
	// The hour of a key that makes three calls is judged as one that makes twenty.
	least := max(1, paceCalls/float64(k.record(a, meterRequests)))
	for m := meterRequests; m <= meterBytes; m++ {
		observed, rec := float64(a.busiest(m)), float64(k.record(a, m))
		if rec <= 0 {
			continue
		}
		s := k.hours.pace(observed / (rec * least))
		if m == meterBytes {
			calls := float64(a.busiest(meterRequests))
			s *= calls / (calls + bytesCalls)
		}
		if s > p.evidence {
			p = outpaced{s, m, observed, rec}
		}
	}
	observed, rec := float64(max(a.most[0], a.most[1])), float64(a.yardstick(a.minutes, k.hours.minutes.record))
	if s := k.hours.pace(observed / max(paceCalls, rec)); s > p.evidence {
		p = outpaced{s, meterMinutes, observed, rec}
	}
	observed, rec = float64(max(a.seldom[0], a.seldom[1])), float64(a.yardstick(a.seldoms, k.hours.seldom.record))
	if s := k.hours.pace(observed / max(paceCalls, rec)); s > p.evidence && a.cadence.score() < clockwork { // what watches or polls has a pace of its own
		p = outpaced{s, meterSeldom, observed, rec}
	}
	return p
}

// meterSeldom stands for the calls of an hour that are seldom for the key: on routes that it hardly uses, or for objects that its own clients never asked
// for. Refunds by the hundred where there were three a day, an archive that nobody opens, all customers where six were looked at. How often a key's own
// clients do such things all at once, a monthly job among them, is the key's record of it.
const (
	meterSeldom = meterDay + 1
	seldomShare = 0.02 // of the key's calls, at most, is a route that it hardly uses
)
