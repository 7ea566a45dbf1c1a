package detect

import (
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// Config sets up an [Engine]. Its zero value is usable.
type Config struct {
	Policies *Policies // nil: suspend and flag everywhere, enforced
}

// Engine watches the keys of one partition.
type Engine struct {
	cfg Config

	agents, methods, templates *names
	keyCol, agentCol           column
	countryCol, methodCol      column
	routeCol                   column
	routeOf                    map[uint64]uint32
	routes                     []routeState
	keyOf                      map[string]uint32
	keys                       []keyState

	netKeys map[uint32]int32 // in how many keys a network is established
	gaps    [gapClasses]float32
	errAll  [errorClasses]moments // rates of established clients, one value a window
	unitsHr moments               // log of the highest hour of units, over keys that have any

	second int64
	buf    []obs
	arena  []byte
	warm   bool

	out     []Decision
	nextEp  uint32
	touched []uint16
}

// routeState is what the platform as a whole does on a route.
type routeState struct {
	name  string
	keys  int32
	units moments // log of units of one request
	size  moments // log of response bytes
}

const (
	maxRoutes    = 8192
	maxTemplates = 4096
	maxAgents    = 8192
)

// New returns an engine without history.
func New(cfg Config) (*Engine, error) {
	e := &Engine{
		cfg: cfg, agents: newNames(maxAgents), methods: newNames(32), templates: newNames(maxTemplates),
		routeOf: map[uint64]uint32{}, routes: make([]routeState, 2), keyOf: map[string]uint32{},
		netKeys: map[uint32]int32{},
	}
	e.errAll[errDenied] = moments{n: 20, mean: 0.003, m2: 0.006 * 0.006}
	e.errAll[errAbsent] = moments{n: 20, mean: 0.02, m2: 0.03 * 0.03}
	return e, nil
}

func (e *Engine) keyNumber(id string) uint32 {
	if n, ok := e.keyOf[id]; ok {
		return n
	}
	n := uint32(len(e.keys))
	e.keys = append(e.keys, keyState{id: id})
	e.keyOf[id] = n
	return n
}

// Observe takes rows [from, to) of b, in order of arrival.
func (e *Engine) Observe(b *usage.Batch, from, to int) {
	for i := from; i < to; i++ {
		if b.Flags[i]&(usage.FlagDuplicate|usage.FlagNoKey) != 0 {
			continue
		}
		if s := b.TimeMillis[i] / 1000; s > e.second {
			e.flush()
			e.second = s
		}
		e.read(b, i)
	}
}

// Advance says that event time has reached unixMillis, so that what was collected of earlier seconds is judged now.
func (e *Engine) Advance(unixMillis int64) {
	if s := unixMillis / 1000; s > e.second {
		e.flush()
		e.second = s
	}
}

// Drain returns the decisions since the last call, in event time.
func (e *Engine) Drain() []Decision {
	out := e.out
	e.out = nil
	return out
}

// flush applies the collected second.
func (e *Engine) flush() {
	if len(e.buf) == 0 {
		return
	}
	sortSecond(e.buf)
	for i := 0; i < len(e.buf); {
		k := &e.keys[e.buf[i].key]
		e.touched = e.touched[:0]
		j := i
		for ; j < len(e.buf) && e.buf[j].key == e.buf[i].key; j++ {
			e.apply(k, &e.buf[j])
		}
		e.judge(k, e.buf[i:j])
		i = j
	}
	e.buf, e.arena = e.buf[:0], e.arena[:0]
}
