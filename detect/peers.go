package detect

import "math"

// platform sees what moves many keys at once: an outage, a launch, a new proxy in front of everybody. That is not abuse.
type platform struct {
	hour     int32
	active   int32               // keys with a record in this hour
	elevated int32               // of these, keys far above their usual
	last     int32               // active keys of the hour before
	troubled [errorClasses]int32 // keys whose own clients get answers of that class all of a sudden, in this hour
	day      int32
	rising   map[uint32]int32 // keys per network that is new to them, today
	hostile  map[uint32]int64 // networks behind alerts, with the time

	breaks ratio // natural logarithm of how far honest silences went beyond the longest one before

	late lateness // on all routes

	paced, clockwork float64 // established clients whose intervals were looked at, and those of them that are regular
}

const (
	manyKeys        = 5
	elevatedShare   = 0.08
	movingKeys      = 10
	movingShare     = 0.25
	troubledAnswers = 5 // in an hour, from which a key counts as troubled
	troubledShare   = 0.2
	hostileMillis   = 7 * 86400e3
	maxHostileNets  = 4096
	elevatedFactor  = 3
	elevatedMinimum = 20
)

func (p *platform) roll(hour int32) {
	if hour > p.hour {
		if p.active > 0 {
			p.last = p.active
		}
		p.hour, p.active, p.elevated, p.troubled = hour, 0, 0, [errorClasses]int32{}
	}
	if d := hour / 24; d > p.day {
		p.day = d
		clear(p.rising)
	}
}

// incident says that so many keys are busier than usual that it is the platform, not the keys.
func (p *platform) incident() bool {
	return p.elevated >= manyKeys && float64(p.elevated) >= elevatedShare*float64(max(p.active, p.last))
}

// broken says that the own clients of so many keys get answers of that class that it must be the platform: its authentication is down,
// or a route has gone.
func (p *platform) broken(class int) bool {
	n := p.troubled[class]
	return n >= manyKeys && float64(n) >= elevatedShare*float64(max(p.active, p.last))
}

// trouble counts an answer to an established client in its key's hour.
func (p *platform) trouble(h *hours, class int) {
	if h.hour != p.hour || h.bad[class] == math.MaxUint8 { // history that is read late says nothing of now
		return
	}
	h.bad[class]++
	if h.bad[class] == troubledAnswers && float32(h.bad[class]) >= troubledShare*h.cur[meterRequests] {
		p.troubled[class]++
	}
}

// moving says that a network has become new to so many keys today that it must be a proxy in front of them, or a change of the
// address data.
func (e *Engine) moving(net uint32) bool {
	n := e.all.rising[net]
	return n >= movingKeys && float64(n) >= movingShare*float64(max(e.all.active, e.all.last))
}

func (e *Engine) wasHostile(net uint32, t int64) bool {
	at, ok := e.all.hostile[net]
	return ok && t-at < hostileMillis && e.unpopular(net) > 0.2
}

func (e *Engine) markHostile(net uint32, t int64) {
	if net == 0 {
		return
	}
	if len(e.all.hostile) >= maxHostileNets {
		for n, at := range e.all.hostile {
			if t-at >= hostileMillis {
				delete(e.all.hostile, n)
			}
		}
		if len(e.all.hostile) >= maxHostileNets {
			return
		}
	}
	e.all.hostile[net] = t
}
