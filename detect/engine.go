package detect

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/tollkeeper/tollkeeper/detect/arena"
	"github.com/tollkeeper/tollkeeper/detect/tail"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// Config sets up an [Engine]. Its zero value is usable.
type Config struct {
	// Policies; nil: [DefaultPolicies].
	Policies *Policies
	// Attributes tells what policies may ask about a key. It must answer from memory. nil: nothing is known.
	Attributes func(keyID string) KeyAttributes
}

// Engine watches the keys of one partition. See the package comment for what it promises.
type Engine struct {
	cfg      Config
	policies *Policies
	spent    budget
	suspects budgets

	agents, methods, templates *names
	keyCol, agentCol           column
	countryCol, methodCol      column
	routeCol                   column
	routeOf                    []uint32 // by template, then method; 0: none yet
	shapes                     []shape  // by template
	routes                     []routeState
	keys                       keyTable
	mem                        *arena.Arena // what keys point to, but for their files

	// What the platform as a whole does.
	all       platform
	netKeys   map[uint32]float32 // keys in which a network is established, each shared out among its networks
	cohorts   []cohort
	cohortOf  [maxPlans][keyKinds]uint16 // by plan and kind; 0: none yet
	plans     *names
	gaps      [gapClasses]float32
	errAll    [errorClasses]moments // rates of established clients, one value a key and day
	slowAll   moments               // the same for the share of slow calls
	unitsHour moments               // log of an hour of units, over keys that have any
	tails     *tail.Estimator
	guesses   guesses
	absent    absence
	culprits  culprits
	distances distances

	second    int64
	buf       []obs    // the second that is being collected
	order     []uint64 // scratch of flush
	spare     []uint64 // and of sortByKey
	owned     int      // records of it of which the paths are
	paths     []byte   // copies here; those of the others are the batch's
	warm      bool
	touched   []uint16
	forgotten uint64   // keys, by Trim
	running   []uint32 // keys with an episode that has not ended
	swept     int64
	round     round

	out []Decision
}

// routeState is what the platform as a whole does on a route.
type routeState struct {
	name  string
	keys  int32   // in how many keys it is established
	units moments // log of units of one request
	size  moments // log of response bytes
	body  moments // log of request bytes

	took, tookVar ratio // log of microseconds: Huber's mean, and the mean square about it
	late          lateness

	collection uint32 // that its objects are of, 0 for none
	makes      bool   // one of them, if the call succeeds
	deletes    bool
}

const (
	maxRoutes    = 1 << 15 // fit 16 bits
	maxTemplates = 1 << 14
	maxAgents    = 8192
	maxMethods   = 32
	maxPlans     = 128
	tailMemory   = 1000 // active hours
)

// New returns an engine without history.
func New(cfg Config) (*Engine, error) {
	tails, err := tail.New(tail.Settings{Memory: tailMemory})
	if err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	suspects, err := newBudgets()
	if err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	e := &Engine{
		cfg: cfg, tails: tails, suspects: suspects,
		plans: newNames(maxPlans), cohorts: []cohort{newCohort(0)},
		agents: newNames(maxAgents), methods: newNames(maxMethods), templates: newNames(maxTemplates),
		routes: make([]routeState, 2), keys: newKeyTable(), mem: arena.New(),
		netKeys: map[uint32]float32{}, all: platform{rising: map[uint32]int32{}, hostile: map[uint32]int64{}},
	}
	// What platforms are like, until this one has shown it: the weight of twenty clients.
	e.errAll[errDenied] = moments{n: 20, mean: 0.003, m2: 0.006 * 0.006}
	e.errAll[errAbsent] = moments{n: 20, mean: 0.02, m2: 0.03 * 0.03}
	e.errAll[errDeclined] = moments{n: 20, mean: 0.01, m2: 0.02 * 0.02}
	e.errAll[errGone] = moments{n: 20, mean: 0.01, m2: 0.02 * 0.02}
	e.errAll[errFaulty] = moments{n: 20, mean: 0.01, m2: 0.02 * 0.02}
	e.slowAll = moments{n: 20, mean: 0.02, m2: 0.03 * 0.03}
	e.SetPolicies(cfg.Policies)
	return e, nil
}

// SetPolicies changes the policies from the next decision on. nil: [DefaultPolicies]. Actions taken before stay.
func (e *Engine) SetPolicies(p *Policies) {
	if p == nil {
		p = DefaultPolicies()
	}
	e.policies = p
	e.suspects.share(p.Caps.FalseAlertShare)
}

// key returns the state of a key, nil where there is none.
func (e *Engine) key(id string) *keyState {
	if n, ok := e.keys.find(e.keys.hash(id)); ok {
		return e.keys.at(n)
	}
	return nil
}

// policyOf returns the policy of a key. Where there is but one, the key's id is not looked at.
func (e *Engine) policyOf(k *keyState) *Policy {
	if list := e.policies.List; len(list) == 1 {
		return &list[0]
	}
	return e.policies.For(k.id, e.cfg.Attributes)
}

func (e *Engine) keyNumber(id string) uint32 {
	return e.numberOf(e.keys.hash(id), id)
}

func (e *Engine) numberOf(hash uint64, id string) uint32 {
	if n, ok := e.keys.find(hash); ok {
		return n
	}
	return e.keys.add(hash, id)
}

// Observe takes rows [from, to) of b, in order of arrival. A record that is late by event time counts where it arrives.
// Duplicates and calls without a key are passed over.
func (e *Engine) Observe(b *usage.Batch, from, to int) {
	if from >= to {
		return
	}
	defer runtime.KeepAlive(e) // and with it the arena
	c := e.columnsOf(b)
	next := 1000 * (e.second + 1)
	for i := from; i < to; i++ {
		if (i-from)%resolveBlock == 0 {
			e.resolve(b, &c, i, min(i+resolveBlock, to))
		}
		if b.Flags[i]&(usage.FlagDuplicate|usage.FlagNoKey) != 0 {
			continue
		}
		if t := b.TimeMillis[i]; t >= next {
			e.flush()
			e.second = t / 1000
			next = 1000 * (e.second + 1)
		}
		if b.Flags[i]&usage.FlagUnknownKey != 0 {
			e.guess(b, i)
			continue
		}
		e.read(b, &c, i)
	}
	e.ownPaths()
}

// Advance says that event time has reached unixMillis, so that what was collected of earlier seconds is judged now, and
// episodes without findings end. Call it every second or so while nothing arrives.
func (e *Engine) Advance(unixMillis int64) {
	defer runtime.KeepAlive(e) // and with it the arena
	if s := unixMillis / 1000; s > e.second {
		e.flush()
		e.second = s
		e.sweep(unixMillis)
	}
}

// JudgeNow judges what was collected of the running second without waiting for its end, which is for whoever acts on decisions: call it
// some times a second. What comes later of that second is judged after it, so that the order within a second may then matter, to when a
// decision is made; a replay, which nobody waits for, leaves it out.
func (e *Engine) JudgeNow() {
	defer runtime.KeepAlive(e) // and with it the arena
	e.flush()
}

// Drain returns the decisions since the last call, in event time.
func (e *Engine) Drain() []Decision {
	out := e.out
	e.out = nil
	return out
}

// Unknown returns the keys of rows [from, to) that the engine has no state for, each once: those whose history should be
// handed to WarmUp before the rows are observed.
func (e *Engine) Unknown(b *usage.Batch, from, to int) []string {
	var out []string
	var seen map[uint32]bool
	column := e.keyCol.of(&b.KeyID)
	for i := from; i < to; i++ {
		if b.Flags[i]&(usage.FlagDuplicate|usage.FlagNoKey|usage.FlagUnknownKey) != 0 {
			continue
		}
		if _, known := column.at(&b.KeyID, i); known {
			continue
		}
		n := b.KeyID.Index[i]
		if id := b.KeyID.Values[n]; !seen[n] && !e.Knows(id) {
			if seen == nil {
				seen = map[uint32]bool{}
			}
			seen[n] = true
			out = append(out, id)
		}
	}
	return out
}

// WarmUp takes history: as Observe, but decisions are kept to the engine. Alerts that were open then are open now. Rows must
// be in order of time; they may be older than what was observed of other keys.
func (e *Engine) WarmUp(b *usage.Batch, from, to int) {
	second, buf, owned, paths := e.second, e.buf, e.owned, e.paths
	e.second, e.buf, e.owned, e.paths, e.warm = 0, nil, 0, nil, true
	e.Observe(b, from, to)
	e.flush()
	e.second, e.buf, e.owned, e.paths, e.warm = second, buf, owned, paths, false
}

// flush applies what was collected of a second, key by key, in an order that does not depend on that of arrival.
func (e *Engine) flush() {
	if len(e.buf) == 0 {
		return
	}
	// Numbers are sorted, not the records: key above, position below.
	e.order = slices.Grow(e.order[:0], len(e.buf))[:len(e.buf)]
	for i := range e.order {
		e.order[i] = uint64(e.buf[i].key)<<orderedBits | uint64(i)
	}
	e.order, e.spare = sortByKey(e.order, e.spare, e.keys.used)
	order, latest := e.order, int64(0)
	far := e.keys.len() >= fetchFrom
	var f fetching
	if far {
		f = fetchingOf(e.second)
	}
	for i, fetched := 0, 0; i < len(order); {
		if far && i >= fetched {
			fetched = i + fetchBlock
			e.fetch(&f, order, fetched)
		}
		number, to := order[i]>>orderedBits, i+1
		for to < len(order) && order[to]>>orderedBits == number {
			to++
		}
		if to > i+1 {
			e.sortSecond(order[i:to])
		}
		k := e.keys.at(uint32(number))
		e.touched = e.touched[:0]
		o := &e.buf[uint32(order[i])]
		e.apply(k, o)
		for i++; i < to; i++ {
			o = &e.buf[uint32(order[i])]
			e.apply(k, o)
		}
		e.judge(k, o.t)
		latest = max(latest, o.t)
	}
	clear(e.buf) // it must not hold the memory of batches
	e.buf, e.owned, e.paths = e.buf[:0], 0, e.paths[:0]
	if !e.warm {
		e.sweep(latest)
	}
}

// opened notes that the key has a running episode.
func (e *Engine) opened(k *keyState) {
	n, _ := e.keys.find(e.keys.hash(k.id))
	for _, r := range e.running {
		if r == n {
			return
		}
	}
	e.running = append(e.running, n)
}

// sweep does what is due at that time: the round of the hour, and once a minute the end of episodes in which nothing was found for a while.
func (e *Engine) sweep(t int64) {
	e.goRound(t)
	if t-e.swept < 60e3 {
		return
	}
	e.sweepGuesses(t)
	e.swept = t
	keep := e.running[:0]
	for _, n := range e.running {
		k, open := e.keys.at(n), false
		for i := range k.read().episodes {
			ep := &k.file.episodes[i]
			if ep.ended {
				continue
			}
			if t-ep.last < ep.lull() {
				open = true
				continue
			}
			ep.ended = true
			e.give(Decision{
				TimeMillis: t, KeyID: k.id, Action: ActionObserve, Wanted: ep.wanted, Phase: PhaseEnded, EpisodeID: ep.id(k.id),
				PolicyID: e.policyOf(k).ID, Score: round2(float64(ep.peak)), PValue: probability(float64(ep.peak)),
				Reason: "Nothing more was found for " + span(ep.lull()) + ".",
			})
		}
		if open {
			keep = append(keep, n)
		}
	}
	e.running = keep
}
