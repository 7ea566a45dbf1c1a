package detect

import (
	"runtime"
)

// HoursOfWeek is how many there are. The first is that from midnight to one on a Monday, UTC.
const HoursOfWeek = 7 * 24

// Profile is what is expected of a key's requests, for people.
type Profile struct {
	Week [HoursOfWeek]Band
	High float64 // requests that one active hour in a hundred goes beyond, at whatever time; 0 where too little is known
}

// Band is what is expected of one hour: 98 of 100 lie in it, or a few more, bounds included. It is the law by which silence and drops are judged, what all of the key's cohort do at
// once left away.
type Band struct {
	Low      float32 `json:"low"`
	Expected float32 `json:"expected"`
	High     float32 `json:"high"`
}

const bandTail = 0.01 // of hours below, and above

// Profile says what is expected of the key as things stand; ok is false for a key that has no hours yet. It takes some hundred microseconds.
func (e *Engine) Profile(keyID string) (p Profile, ok bool) {
	defer runtime.KeepAlive(e) // and with it the arena
	k := e.key(keyID)
	if k == nil || k.hours == nil {
		return p, false
	}
	h := k.hours
	for i := range p.Week {
		p.Week[i] = e.band(h, 4*24+int32(i)) // the fifth day of 1970 was the first Monday
	}
	p.High = e.tails.Quantile(h.tail(meterRequests), bandTail)
	return p, true
}

func (e *Engine) band(h *hours, hour int32) Band {
	_, plain := e.expected(h, hour)
	if plain <= 0 {
		return Band{}
	}
	law := e.law(h, plain)
	return Band{float32(law.Low(bandTail)), float32(plain), float32(law.High(bandTail))}
}

// HourOfWeek is the place of an hour since 1970 in a [Profile].
func HourOfWeek(hour int32) int { return weekday(hour/24)*24 + int(hour%24) }
