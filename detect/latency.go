package detect

import (
	"fmt"
	"math"
)

// Latency: how long calls take beside what is usual on their routes and for their key. Costly queries, pages far down a list and statements that
// sleep take the platform's time and show nowhere else. Where the log has no durations there is no evidence.
//
// A slow backend is nobody's theft: what other keys wait for on the same routes at the same time is taken off, and what is left is an alert at
// most, or joins what else there is against a stranger.

const (
	slowBy     = 2.0794415 // ln 8: beyond what customers' clients differ by (e^0.7 is a standard deviation of theirs)
	slowMemory = 500       // calls of a key, or of a client
	slowShare  = 0.1       // of slow calls that is no evidence against an established client; while more are, each counts as oddCounts
	slowLeast  = 10        // slow calls before it is told of one
	lateFrom   = 0.69      // natural logarithm: a call of less than twice the usual time needs no excuse
	lateMillis = 10 * 60e3
	mostLate   = 5              // natural logarithm: one value counts for no more
	latePeers  = 3              // other keys that must be late, or not, to know
	nobody     = math.MaxUint32 // the number of no key
	maxLatency = 5.0            // beyond ownFlag

	// Of one in a hundred honest clients the backend is slow: its records grew, its shard is ill. More than that against one is no certainty
	// about a thief.
	maxBesideLatency = 2.0
)

// slowClient is the share of slow calls of a client that makes the platform work: all of them, or every other one where a condition that it
// tries holds.
var slowClient = beta{1.5, 1.5}

// lateness is how late the calls of some keys were that came last, each key by its latest call: what a platform's trouble looks like.
// A key has one place, so that a busy one does not speak for all. A place is taken by whom it falls to.
type lateness [8]struct {
	key   uint32
	sec   uint32
	later float32 // natural logarithm, above what is usual for that key there
}

func (l *lateness) note(key uint32, t int64, later float64) {
	s := &l[mix(uint64(key))%uint64(len(l))]
	if sec := uint32(t / 1000); sec >= s.sec {
		s.key, s.sec, s.later = key, sec, float32(later)
	}
}

// others is the median lateness of the three keys that called last, within the last minutes, without the one named; n is how many there are.
func (l *lateness) others(key uint32, t int64) (later float64, n int) {
	var latest [latePeers]int // by recency
	for i := range l {
		s := &l[i]
		if s.sec == 0 || s.key == key || t-int64(s.sec)*1000 >= lateMillis {
			continue
		}
		at := min(n, latePeers)
		for ; at > 0 && l[latest[at-1]].sec < s.sec; at-- {
			if at < latePeers {
				latest[at] = latest[at-1]
			}
		}
		if at < latePeers {
			latest[at] = i
		}
		n++
	}
	if n < latePeers {
		return 0, n
	}
	a, b, c := l[latest[0]].later, l[latest[1]].later, l[latest[2]].later
	return float64(max(min(a, b), min(max(a, b), c))), n
}

// incidental is how much of a call's lateness others share: other keys on the same route. A new client is measured by the clients of its own key
// as well, and where there are too few, by keys anywhere. An established one without company is not judged, since a route that is slow
// for all who use it now and then is nobody's doing; ok is false then.
func (e *Engine) incidental(a *actor, r *routeState, key uint32, t int64) (later float64, ok bool) {
	if a.fresh {
		key = nobody
	}
	later, n := r.late.others(key, t)
	if n < latePeers && a.fresh {
		later, n = e.all.late.others(key, t)
	}
	return max(0, later), a.fresh || n >= latePeers
}

// waited is how much longer a call took than usual, on the natural log scale: by its route, its key, and an established client's own habit.
// ok is false while that is not known.
func (e *Engine) waited(k *keyState, a *actor, o *obs, is *reading) (later float64, ok bool) {
	r := &e.routes[o.route]
	if o.took <= 0 || r.took.n < routeSeen {
		return 0, false
	}
	later = is.took - float64(r.took.mean) - trusted(k.took, 20)
	if !a.fresh {
		later -= trusted(a.usual, 20)
	}
	return within(later, mostLate), true
}

// trusted is a mean, shrunk to 0 by the weight of so many values.
func trusted(r ratio, weight float32) float64 { return float64(r.mean * r.n / (r.n + weight)) }

// noteLatency adds a call to what the client did, and to the reading how late it was.
func (e *Engine) noteLatency(k *keyState, a *actor, o *obs, is *reading) {
	later, ok := e.waited(k, a, o, is)
	if !ok {
		return
	}
	r := &e.routes[o.route]
	if !a.fresh {
		waits := later
		if o.status >= 500 { // gives up at once, and waits for its answer all the same
			waits = mostLate
		}
		r.late.note(o.key, o.t, waits)
		e.all.late.note(o.key, o.t, waits)
	}
	if later > lateFrom {
		others, ok := e.incidental(a, r, o.key, o.t)
		if !ok {
			return
		}
		later -= min(later, others)
	}
	is.later, is.timed = later, true
	if a.took.add(later, float64(r.tookVar.mean)) {
		a.slow /= 2
	}
	if later > slowBy {
		if a.slow < 1 {
			a.slowAt = uint32(o.t / 1000)
		}
		a.slow++
	}
}

// learnLatency takes the call of an established client into the baselines. Only answers that succeeded count: refusals are quick. The means
// are Huber's (1964), with values cut at e times more or less than the mean so far: streams are full of freak values.
func (e *Engine) learnLatency(k *keyState, a *actor, o *obs, is *reading) {
	if o.took <= 0 || o.status >= 400 {
		return
	}
	r := &e.routes[o.route]
	if is.timed {
		// While many of its calls are slow they count less: the change is to be noticed before it is usual.
		each := float32(1)
		if a.slow > slowShare*a.took.n {
			each = oddCounts
		}
		k.slowN += each
		if is.later > slowBy {
			k.slow += each
		}
		if k.slowN >= errMemory {
			k.slowN, k.slow = k.slowN/2, k.slow/2
		}
		d := float32(is.took) - r.took.mean
		r.tookVar.add(min(25, d*d), 20000)
		k.took.huber(d, each, slowMemory)
		a.usual.huber(d-float32(trusted(k.took, 20)), each, slowMemory)
	}
	r.took.huber(float32(is.took), 1, 20000)
}

// huber moves the mean towards x, which counts that much of a value, by no more than for a value one off.
func (r *ratio) huber(x, weight, limit float32) {
	if r.n > 0 {
		x = r.mean + within(x-r.mean, 1)
	}
	r.weighted(x, weight, limit)
}

// expectedSlow is the distribution over customers' clients of the share of slow calls, moved towards the key's own.
func (e *Engine) expectedSlow(k *keyState) beta {
	return towards(spreadOf(&e.slowAll), float64(k.slow), float64(k.slowN))
}

// latencyEvidence bets on "its calls take far longer each time" and on "many of its calls take far longer", half each: a statement that
// sleeps where a guess is right is quick where it is wrong.
func (e *Engine) latencyEvidence(k *keyState, a *actor) float64 {
	each, some := e.slowBets(k, a)
	if each <= 0 && some <= 0 {
		return 0
	}
	return max(0, log10((pow10(each)+pow10(some))/2))
}

func (e *Engine) slowBets(k *keyState, a *actor) (each, some float64) {
	each = a.took.bet(clientSpread)
	if a.slow > 0 {
		some = logBayes(float64(a.slow), float64(a.took.n), e.expectedSlow(k), slowClient)
	}
	return each, some
}

// slowly says that an established client's calls are worth a look: they have been slow for so long that what others last waited dates from then, too.
func (a *actor) slowly() bool {
	return a.slow >= slowLeast && a.slow > slowShare*a.took.n && a.last-int64(a.slowAt)*1000 >= lateMillis
}

func (e *Engine) describeLatency(k *keyState, a *actor) Evidence {
	each, some := e.slowBets(k, a)
	if some > each {
		h := e.expectedSlow(k)
		n := float64(a.took.n)
		return Evidence{
			Detector: "slow_calls", Observed: float64(a.slow) / n, Expected: h.mean(), High: h.high(n),
			Sentence: fmt.Sprintf("%.0f of its last %.0f calls took more than 8 times as long as is usual on their routes for this key, where other keys did not wait; %.1f%% is usual.",
				a.slow, a.took.n, 100*h.mean()),
		}
	}
	x := a.took.times()
	return Evidence{
		Detector: "time_per_request", Observed: x, Expected: 1, Low: 0.2, High: 5,
		Sentence: fmt.Sprintf("Its calls take %.0f times as long as is usual on these routes for this key, and other keys do not wait there.", x),
	}
}
