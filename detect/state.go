package detect

import "math"

// keyState is everything that is remembered about one key: 256 bytes, four cache lines, and what they point to. That lies in
// the engine's arena, except for the file; what only some keys need is there when they need it. Each block of fields is a line; the last one is not
// needed for most calls.
type keyState struct {
	born      int64 // first record, Unix milliseconds
	last      int64 // latest record
	awoke     int64
	lastKnown int64 // latest record of an established address
	n         uint32
	day       int32
	maxGapSec uint32  // longest silence that ended well
	gapSec    uint32  // the silence before awoke
	churn     float32 // share of requests from addresses not seen before
	errN      float32 // answers to established clients
	knownIDs  float32 // share of the ids of established clients that were seen before
	lastCC    uint16  // country of the latest record of an established address

	money  ratio   // log of units over what the platform spends on the same route
	size   ratio   // the same for response bytes
	body   ratio   // and for request bytes
	took   ratio   // and for how long calls take
	slowN  float32 // calls of established clients with a known duration
	slow   float32 // of these, far longer than usual
	actors []actor

	sets  sets
	ids   *idMemory
	hours *hours
	file  *file        // nil while there is nothing to be said against any of its clients
	today [kinds]uint8 // of arrived; a crowd that comes at once is one event, not a habit

	id string

	// Arrivals of new things per day of activity, after the key's first days: what Good and Turing (1953) would call the
	// mass of the unseen, by day, with a memory of two weeks.
	days    float32
	arrived [kinds]float32
	errK    [errorClasses]float32 // of the answers to established clients, with such a status
}

// file is what only keys under some suspicion need.
type file struct {
	pool        *pool
	episodes    []episode
	examples    [][]example // by number of the actor
	tolerance   float32     // more evidence that is required since a person dismissed an alert
	toleranceAt int64
}

// keep takes up a record as an example of what an actor did, of which there are less than maxExamples.
func (f *file) keep(actor int, o *obs) {
	if actor >= len(f.examples) {
		f.examples = append(f.examples, make([][]example, actor+1-len(f.examples))...)
	}
	f.examples[actor] = addExample(f.examples[actor], o)
}

func (f *file) of(actor int) []example {
	if actor >= len(f.examples) {
		return nil
	}
	return f.examples[actor]
}

// forget drops the examples of an actor. Their memory is for those of the next: behind an app new clients come all the time.
func (f *file) forget(actor int) {
	if actor < len(f.examples) {
		f.examples[actor] = f.examples[actor][:0]
	}
}

// nothing is the file of keys without one; it is only read.
var nothing file

// read returns the key's file for reading.
func (k *keyState) read() *file {
	if k.file == nil {
		return &nothing
	}
	return k.file
}

// write returns the key's file, opened if need be.
func (k *keyState) write() *file {
	if k.file == nil {
		k.file = &file{}
	}
	return k.file
}

func (k *keyState) nets() known      { return k.sets.of(kindNet) }
func (k *keyState) addrs() known     { return k.sets.of(kindAddr) }
func (k *keyState) agents() known    { return k.sets.of(kindAgent) }
func (k *keyState) routes() known    { return k.sets.of(kindRoute) }
func (k *keyState) countries() known { return k.sets.of(kindCountry) }

// kinds of things that can be new.
const (
	kindNet = iota
	kindAddr
	kindAgent
	kindRoute
	kindCountry
	setKinds            // the kinds up to here have a set of what is known
	kindLeap = iota - 1 // a call from where the customer cannot be
	kinds
)

// newPerDay is how often a key of no history of its own shows something new, and priorWeight how many such arrivals that
// belief is worth.
var newPerDay = [kinds]float64{kindNet: 0.02, kindAddr: 0.05, kindAgent: 0.02, kindRoute: 0.05, kindCountry: 0.01, kindLeap: 0.01}

const (
	keepDaily      = 1 - 1.0/14 // of what was seen, a day later
	priorArrivals  = 0.1
	arrivalsPerDay = 2
)

// newRate is the chance that something new of that kind shows up on a day when nothing is wrong.
func (k *keyState) newRate(kind int) float64 { return k.rateOf(kind, k.arrived[kind]) }

func (k *keyState) rateOf(kind int, arrived float32) float64 {
	p := (float64(arrived) + priorArrivals) / (float64(k.days) + priorArrivals/newPerDay[kind])
	return min(p, 1)
}

// rateBut is that chance without the thing itself: what comes from a new network by a second program is no more usual for the first having been there.
func (k *keyState) rateBut(kind int, is *entry) float64 {
	arrived := k.arrived[kind]
	if is.again() {
		arrived = max(0, arrived-agedBy(k.day-int32(is.first/(24*60))))
	}
	return k.rateOf(kind, arrived)
}

// agedBy is what is left of one arrival after so many days.
func agedBy(days int32) float32 { return float32(math.Pow(keepDaily, float64(days))) }

// limits of the sets of a key: 200 entries in all.
var setLimit = [setKinds]int{kindNet: 48, kindAddr: 64, kindAgent: 16, kindRoute: 48, kindCountry: 24}

const (
	hourMillis      = 3600e3
	fillMillis      = 48 * 3600e3 // in its first two days a key is what it shows
	addrProbation   = 24 * 60     // minutes until a new address counts as the customer's
	netProbation    = 48 * 60
	addrMinRequests = 10
	netMinRequests  = 20
)

func (k *keyState) filling(t int64) bool { return t-k.born < fillMillis }

// advanceDay ages the arrival counts when a day of the key's has begun, and tells so.
func (k *keyState) advanceDay(t int64) bool {
	d := int32(t / 86400e3)
	if d <= k.day {
		return false
	}
	if k.day != 0 {
		// Silent days neither count nor age: a key that sleeps learns nothing about itself.
		k.days *= keepDaily
		for i := range k.arrived {
			k.arrived[i] *= keepDaily
		}
	}
	if !k.filling(t) || k.days < 2 {
		k.days++
	}
	k.day = d
	k.today = [kinds]uint8{}
	return true
}
