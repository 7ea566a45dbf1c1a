package detect

// platform sees what moves many keys at once: an outage, a launch, a new proxy in front of everybody. That is not abuse.
type platform struct {
	hour     int32
	active   int32 // keys with a record in this hour
	elevated int32 // of these, keys far above their usual
	last     int32 // active keys of the hour before
	day      int32
	rising   map[uint32]int32 // keys per network that is new to them, today
	hostile  map[uint32]int64 // networks behind alerts, with the time
}

const (
	manyKeys        = 5
	elevatedShare   = 0.08
	movingKeys      = 10
	movingShare     = 0.25
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
		p.hour, p.active, p.elevated = hour, 0, 0
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
