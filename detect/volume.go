package detect

import "math"

const (
	volumeWatched   = 12 // hours' worth of watching before a record means anything
	volumeMinimum   = 30 // requests in the hour; for bytes and units fewer will do
	volumeBulk      = 10
	volumeFactor    = 5 // launches and busy days stay under this multiple of the record
	volumeTailP     = 1e-3
	volumeRequired  = 5.0
	concentratedBy  = 0.6 // share of one route from which an hour is called one-sided
	rhythmWeight    = 0.7
	rhythmRemainder = 0.05
	restFactor      = 2   // enough, where the key usually rests at this hour
	restingFrom     = 0.8 // evidence of rhythm
)

// Share of answers 429: of ordinary clients, and of those that run away.
var (
	usualLate   = beta{1, 60}
	runawayLate = beta{2, 8}
)

// The same of other refusals (4xx). A bad release has many of them as well, but makes no more calls than the one before.
var (
	usualRefused   = beta{1, 8}
	runawayRefused = beta{4, 2}
)

const (
	maxRefused  = 2.5
	refusedFrom = 1.5 // evidence of refusals from which twice the busiest hour is enough to look at
)

// spike is the evidence about the running hour of a key.
type spike struct {
	meter                      int
	volume, oneSided, offHours float64
	throttled, refused         float64 // it is told to slow down, or refused otherwise, and goes on
	share, usual               float64 // of the most frequent route, now and before
}

func (s *spike) total() float64 {
	return s.volume + s.oneSided + s.offHours + max(s.throttled, s.refused)
}

// ordinary says that the running hour is nothing to look at.
func (h *hours) ordinary() bool {
	return h.seen < volumeWatched || h.cur[meterRequests] < volumeBulk || !h.busier(restFactor)
}

// spike looks at the running hour: more than ever, on one route, at a time of rest. The hour is not over, so that counts can
// only grow: an early alarm stays true.
func (e *Engine) spike(k *keyState) (s spike) {
	h := k.hours
	if h.ordinary() {
		return s
	}
	if rec := float64(h.record[meterRequests]); rec > 0 {
		s.offHours = max(0, rhythmWeight*log10(rec/(float64(h.usually())+rhythmRemainder*rec+1)))
	}
	factor := float64(volumeFactor)
	s.throttled, s.refused = h.refusals()
	if s.offHours >= restingFrom || max(s.throttled, s.refused) >= refusedFrom {
		factor = restFactor
	}
	known, least := k.acquainted(), 1.0
	if rec := float64(h.record[meterRequests]); rec > 0 { // the hour of a key that makes three calls is judged as one that makes ten
		least = max(1, volumeBulk/rec)
	}
	for m := range meters {
		if m == meterRequests && h.cur[m] < volumeMinimum {
			continue
		}
		x := float64(h.cur[m])
		rec := least * float64(h.record[m])
		if rec <= 0 || x <= factor*rec || e.hourTail(h, m, x) > volumeTailP {
			continue
		}
		// The chance that one of the next hours is x times the record of n: 1/(n+1), with the record's tail beyond.
		if v := known * (math.Log10(float64(h.seen)+1) + paceSlope*math.Log10(x/rec)); v > s.volume {
			s.volume, s.meter = v, m
		}
	}
	if s.volume == 0 {
		return s
	}
	if s.share = float64(h.routeN / h.cur[meterRequests]); s.share > concentratedBy {
		s.usual = k.routeShare(h.route, float64(h.routeN), float64(h.cur[meterRequests]))
		s.oneSided = max(0, known*2*math.Log10(s.share/s.usual))
	}
	return s
}

// refusals bets on "it is refused and goes on": told to slow down, or asking for what it cannot have.
func (h *hours) refusals() (throttled, refused float64) {
	n := float64(h.cur[meterRequests])
	if h.late > 0 {
		throttled = max(0, min(maxRefused, logBayes(float64(h.late), n, usualLate, runawayLate)))
	}
	if h.refused > 0 {
		refused = max(0, min(maxRefused, logBayes(float64(h.refused), n, usualRefused, runawayRefused)))
	}
	return throttled, refused
}

// acquainted is how far a key's past is believed, up to 1: the hours of one day are one sample of what the key does. One that worked on
// a day or two may do anything on the third.
func (k *keyState) acquainted() float64 {
	const half = 1.0
	d := max(0, float64(k.days)-1)
	return min(1, 1.1*d/(d+half))
}

// busier says that some meter of the running hour is beyond that multiple of its record.
func (h *hours) busier(factor float64) bool {
	for m, rec := range h.record {
		if rec > 0 && float64(h.cur[m]) > factor*float64(rec) {
			return true
		}
	}
	return false
}

// hourTail is the chance of an hour like that by the key's own active hours. Until they are enough to tell, calls are judged by what is
// expected of the key at that hour, its cohort's habits included.
func (e *Engine) hourTail(h *hours, meter int, x float64) float64 {
	if meter == meterRequests && !h.tail(meter).Fitted() {
		mean, _ := e.expected(h, h.hour)
		return e.law(h, max(mean, leastExpected)).Above(x)
	}
	return e.tails.P(h.tail(meter), x)
}

// routeShare is the share of a route in the key's requests, without those of the running hour.
func (k *keyState) routeShare(route uint32, now, all float64) float64 {
	const least = 0.02
	i := k.routes().find(route)
	if i < 0 {
		return least
	}
	total := 0.0
	for j := range k.routes() {
		total += float64(k.routes()[j].count())
	}
	return max(least, (float64(k.routes()[i].count())-now)/max(1, total-all))
}
