package detect

import "math"

// cohort is the keys of one plan and one kind. It lends a young key a daily rhythm and a scatter until it has its own, and says what all
// of them do at once: on a public holiday, after a launch, while the platform is down, a single key's change is none of its own.
type cohort struct {
	cohortHour
	members int32
	usual   dayOf     // sum a member
	taking  dayOf     // active a member
	shape   [48]ratio // an hour of a member beside its average hour
	known   [2]uint8  // days behind each half of the week
	moved   [movedHours]float32
	factors [movedHours]float64 // exp of moved, which is asked for with every hour of every key
	scatter ratio               // of hours around what is expected: variance over mean squared, less Poisson's
	days    ratio               // the same of whole days
}

// cohortHour is the running hour of a cohort.
type cohortHour struct {
	hour   int32
	active int32 // members with a call in this hour
	sum    int64 // of the harmonic numbers of their calls in this hour, in 2^-16: a logarithm that is exact in any order
}

type dayOf [48]float32

// ratio is a mean of bounded values with a long memory.
type ratio struct{ n, mean float32 }

func (r *ratio) add(x, limit float32) { r.weighted(x, 1, limit) }

// weighted adds a value that counts for that much of one.
func (r *ratio) weighted(x, weight, limit float32) {
	if r.n += weight; r.n > limit {
		r.n = limit
	}
	r.mean += weight * (x - r.mean) / r.n
}

const (
	movedHours     = 64
	maxCohorts     = 512
	movedPrior     = 10  // members whose move is believed half
	maxMoved       = 4.0 // natural logarithm
	cohortMemory   = 20000
	usualScatter   = 1.0 // before anything is known: an hour is as often half or twice what is expected as not
	usualDays      = 0.15
	scatterPrior   = 24 // hours or days after which a key's own scatter counts half
	hourSumUnit    = 1 << 16
	daysToBelieve  = 3 // of a cohort's rhythm
	profileBorrows = 2 // days' worth of the cohort's rhythm in a key's
)

// kindOf tells keys apart by what stands behind them: one place, a fleet in few networks, a public; with or without units.
func (k *keyState) kindOf() (kind uint32) {
	addrs, nets := 0, 0
	for i := range k.addrs() {
		if k.addrs()[i].established() {
			addrs++
		}
	}
	for i := range k.nets() {
		if k.nets()[i].established() {
			nets++
		}
	}
	switch {
	case nets > 3:
		kind = 2
	case addrs > 4:
		kind = 1
	}
	if k.hours.record[meterUnits] > 0 {
		kind += 3
	}
	return kind
}

// keyKinds is how many kinds there are.
const keyKinds = 6

// everybody is the cohort of all keys. A key that is in no other is not counted in it either.
const everybody = 0

// assign puts the key into the cohort that it belongs to by now.
func (e *Engine) assign(k *keyState) {
	plan := ""
	if e.cfg.Attributes != nil {
		plan = e.cfg.Attributes(k.id).Plan
	}
	is := &e.cohortOf[e.plans.number(plan)][k.kindOf()]
	if *is == everybody {
		if len(e.cohorts) == maxCohorts {
			return
		}
		*is = uint16(len(e.cohorts))
		e.cohorts = append(e.cohorts, newCohort(e.all.hour))
	}
	n := *is
	h := k.hours
	if h.cohort == n {
		return
	}
	if h.cohort == everybody {
		e.cohorts[everybody].members++
	} else {
		e.cohorts[h.cohort].members--
	}
	e.cohorts[n].members++
	h.cohort = n
}

func newCohort(hour int32) cohort {
	c := cohort{cohortHour: cohortHour{hour: hour}, scatter: ratio{1, usualScatter}, days: ratio{1, usualDays}}
	for i := range c.shape {
		c.shape[i] = ratio{1, 1}
	}
	for i := range c.factors {
		c.factors[i] = 1
	}
	return c
}

// countIn notes the n-th call of a key in the hour, in its cohort and in everybody's. History that is read late is no part of it.
func (e *Engine) countIn(cohort uint16, hour int32, n float32) {
	all := &e.cohorts[everybody].cohortHour
	if cohort == everybody || hour != all.hour || n < 1 {
		return
	}
	own := &e.cohorts[cohort].cohortHour
	if n == 1 {
		all.active++
		own.active++
	}
	each := int64(hourSumUnit / uint32(n))
	all.sum += each
	own.sum += each
}

// roll closes the hours before that. all is everybody's cohort, which is believed where this one is small; nil for itself.
func (c *cohort) roll(hour int32, all *cohort) {
	for at := max(c.hour, hour-7*24); at < hour; at++ {
		s := slotOf(at)
		half := s / 24
		members := float32(max(1, c.members))
		u, act := float32(c.sum)/hourSumUnit/members, float32(c.active)/members
		f := float32(0)
		if all != nil {
			f = all.moved[at%movedHours] * movedPrior
		}
		n := members * max(act, c.taking[s])
		if c.known[half] >= daysToBelieve {
			f += (u - c.usual[s]) * members
		} else {
			n = 0
		}
		f /= n + movedPrior
		f = max(-maxMoved, min(maxMoved, f))
		c.moved[at%movedHours], c.factors[at%movedHours] = f, math.Exp(float64(f))
		if c.members == 0 { // nobody's hour teaches nothing
			continue
		}
		if at%24 == 23 && c.known[half] < 255 {
			c.known[half]++
		}
		a := 1 / (min(float32(c.known[half]), 6) + 1)
		c.usual[s] += a * (u - c.usual[s])
		c.taking[s] += a * (act - c.taking[s])
		c.sum, c.active = 0, 0
	}
	c.hour = hour
}

// factor is how the cohort moved as a whole in a closed hour: 1 as usual.
func (c *cohort) factor(hour int32) float64 {
	if uint32(c.hour-1-hour) >= movedHours { // not over, or long gone
		return 1
	}
	return c.factors[uint32(hour)%movedHours]
}

// leastShape is the share of the average hour below which an hour is one in which nobody calls. A mean that shrinks on and on becomes a number so small
// that the processor takes a hundred times as long over it.
const leastShape = 1e-12

// shapes adds an hour of a member, beside its average hour, to what is usual in the cohort.
func (r *ratio) shapes(x float32) {
	if r.add(x, cohortMemory); r.mean < leastShape {
		r.mean = 0
	}
}

func (e *Engine) rollCohorts(hour int32) {
	all := &e.cohorts[everybody]
	all.roll(hour, nil)
	for i := everybody + 1; i < len(e.cohorts); i++ {
		e.cohorts[i].roll(hour, all)
	}
}
