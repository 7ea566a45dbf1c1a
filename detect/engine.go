package detect

import (
	"fmt"
	"runtime"

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
	rows      []obs    // scratch of flush: one key's part of the second
	arena     []byte
	warm      bool
	touched   []uint16
	forgotten uint64   // keys, by Trim
	running   []uint32 // keys with an episode that has not ended
	swept     int64

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
	defer runtime.KeepAlive(e) // and with it the arena
	for i := from; i < to; i++ {
		if (i-from)%resolveBlock == 0 {
			e.resolve(b, i, min(i+resolveBlock, to))
		}
		if b.Flags[i]&(usage.FlagDuplicate|usage.FlagNoKey) != 0 {
			continue
		}
		if s := b.TimeMillis[i] / 1000; s > e.second {
			e.flush()
			e.second = s
		}
		if b.Flags[i]&usage.FlagUnknownKey != 0 {
			e.guess(b, i)
			continue
		}
		e.read(b, i)
	}
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
	for i := from; i < to; i++ {
		if b.Flags[i]&(usage.FlagDuplicate|usage.FlagNoKey|usage.FlagUnknownKey) != 0 || e.keyCol.has(&b.KeyID, i) {
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
	second, buf, arena := e.second, e.buf, e.arena
	e.second, e.buf, e.arena, e.warm = 0, nil, nil, true
	e.Observe(b, from, to)
	e.flush()
	e.second, e.buf, e.arena, e.warm = second, buf, arena, false
}

// flush applies what was collected of a second, key by key, in an order that does not depend on that of arrival.
func (e *Engine) flush() {
	if len(e.buf) == 0 {
		return
	}
	// Numbers are sorted, not the records: key above, position below.
	e.order = e.order[:0]
	for i := range e.buf {
		e.order = append(e.order, uint64(e.buf[i].key)<<orderedBits|uint64(i))
	}
	e.order, e.spare = sortByKey(e.order, e.spare, e.keys.used)
	t := int64(0)
	far, f := e.keys.len() >= fetchFrom, fetching{}
	for i := 0; i < len(e.order); {
		if far {
			e.fetch(&f, e.order, i)
		}
		for end := min(i+fetchBlock, len(e.order)); i < end; {
			k := e.keys.at(uint32(e.order[i] >> 32))
			rows := e.rowsOfKey(i)
			i += len(rows)
			e.touched = e.touched[:0]
			for j := range rows {
				e.apply(k, &rows[j])
			}
			e.judge(k, rows)
			t = max(t, rows[len(rows)-1].t)
		}
	}
	e.buf, e.arena = e.buf[:0], e.arena[:0]
	if !e.warm {
		e.sweep(t)
	}
}

// rowsOfKey returns the second's records of the key at that position of the order, in their order. Mostly there is one, which need not be copied.
func (e *Engine) rowsOfKey(from int) []obs {
	number, to := e.order[from]>>orderedBits, from+1
	for to < len(e.order) && e.order[to]>>orderedBits == number {
		to++
	}
	if to == from+1 {
		at := uint32(e.order[from])
		return e.buf[at : at+1]
	}
	e.rows = e.rows[:0]
	for _, is := range e.order[from:to] {
		e.rows = append(e.rows, e.buf[uint32(is)])
	}
	sortSecond(e.rows)
	return e.rows
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

// sweep ends episodes in which nothing was found for a while, once a minute.
func (e *Engine) sweep(t int64) {
	if t-e.swept < 60e3 {
		return
	}
	if t/hourMillis > e.swept/hourMillis {
		e.hush(t)
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
