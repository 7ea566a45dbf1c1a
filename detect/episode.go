package detect

import "fmt"

type episodeKind uint8

const (
	episodeActor   episodeKind = iota // one client
	episodePool                       // many networks at once
	episodeHour                       // the key as a whole, in an hour
	episodeShift                      // its volume from day to day
	episodeClients                    // clients of a key of which so many have an alert already that the rest share one
)

// episode is an alert that is going on. Later findings about the same actor join it.
type episode struct {
	kind   episodeKind
	ended  bool
	early  bool // a suspension waits for the history that the policy asks for
	fresh  bool // of the actor: it comes from addresses that are not established
	wanted Action
	action Action
	net    uint32 // of the actor; for episodeHour the meter, for episodeShift what kind of shift
	agent  uint32
	start  int64
	last   int64 // latest finding
	told   int64 // latest decision that was given out
	until  int64 // when the action lapses; 0: never
	peak   float32
	cause  Family
	most   [meters]float32 // for episodeHour: of one hour, as far as findings tell, and
	day    float32         // of a day
}

// add takes note of a finding: of one about an hour also what it is about, since the hour may be long over when a person says that it was the customer.
func (ep *episode) add(k *keyState, v *verdict) {
	ep.last = v.t
	ep.peak = max(ep.peak, float32(v.score))
	if v.spike == nil {
		return
	}
	for m := range ep.most {
		ep.most[m] = max(ep.most[m], k.hours.cur[m])
	}
	ep.day = max(ep.day, float32(k.hours.today()))
}

const (
	maxEpisodes    = 8
	clientsApart   = 5              // clients of a key that have an alert each at a time
	distrustMillis = 7 * 86400e3    // for so long nothing is learnt from the actor of an alert
	rejoinMillis   = 7 * 86400e3    // a finding about the same actor within this joins its alert
	spikeRejoin    = 86400e3        // for spikes and crowds
	endMillis      = 6 * hourMillis // without findings an episode is over
	shiftEndMillis = 36 * hourMillis
	progressMillis = hourMillis // how often a running episode reports
)

func (ep *episode) rejoin() int64 {
	if ep.kind == episodeActor || ep.kind == episodeShift {
		return rejoinMillis
	}
	return spikeRejoin
}

// lull is how long the episode goes on without findings.
func (ep *episode) lull() int64 {
	if ep.kind == episodeShift {
		return shiftEndMillis
	}
	return endMillis
}

// covers says that o comes from the actor of the episode.
func (ep *episode) covers(k *keyState, o *obs) bool {
	switch ep.kind {
	case episodeActor:
		if ep.net != o.net || ep.agent != o.agent {
			return false
		}
		// A thief in the customer's own network, with the customer's program, is its addresses. The customer's own go on to be learnt from.
		i := k.addrs().find(o.addr)
		return !ep.fresh || i < 0 || !k.addrs()[i].established()
	case episodePool:
		i := k.nets().find(o.net)
		return i >= 0 && !k.nets()[i].established()
	}
	return false
}

// suspicious says that o belongs to an open alert: nothing is learnt from it.
func (k *keyState) suspicious(o *obs) bool {
	if k.file == nil { // so it is with most keys
		return false
	}
	for i := range k.file.episodes {
		if ep := &k.file.episodes[i]; o.t-ep.start < distrustMillis && ep.covers(k, o) {
			return true
		}
	}
	return false
}

// accused says that o comes from a client with an alert of its own.
func (k *keyState) accused(o *obs) bool {
	if k.file == nil {
		return false
	}
	for i := range k.file.episodes {
		if ep := &k.file.episodes[i]; ep.kind == episodeActor && ep.wanted == ActionSuspend && o.t-ep.start < distrustMillis && ep.covers(k, o) {
			return true
		}
	}
	return false
}

// episodeOf finds the open alert that a finding belongs to.
func (k *keyState) episodeOf(kind episodeKind, net, agent uint32, t int64) *episode {
	for i := range k.read().episodes {
		ep := &k.file.episodes[i]
		if ep.kind == kind && ep.net == net && ep.agent == agent && t-ep.last < ep.rejoin() {
			return ep
		}
	}
	return nil
}

// apart counts the clients of the key that have an alert each. heldBack says that more is wanted about one of them than a policy allows: so it
// will be with the next.
func (k *keyState) apart() (n int, heldBack bool) {
	for i := range k.read().episodes {
		if ep := &k.file.episodes[i]; ep.kind == episodeActor && !ep.ended {
			n++
			heldBack = heldBack || ep.wanted > ActionFlag && ep.action <= ActionFlag
		}
	}
	return n, heldBack
}

// suspended says that the key is refused already, whoever uses it.
func (k *keyState) suspended(t int64) bool {
	for i := range k.read().episodes {
		if ep := &k.file.episodes[i]; ep.action == ActionSuspend && (ep.until == 0 || t < ep.until) {
			return true
		}
	}
	return false
}

// lessThan orders episodes by what is lost when they are forgotten.
func (ep *episode) lessThan(other *episode) bool {
	if ep.ended != other.ended {
		return ep.ended
	}
	if ep.wanted != other.wanted {
		return ep.wanted < other.wanted
	}
	if (ep.kind == episodePool) != (other.kind == episodePool) {
		return other.kind == episodePool
	}
	return ep.last < other.last
}

func (k *keyState) open(ep episode) *episode {
	f := k.write()
	if len(f.episodes) >= maxEpisodes {
		least := 0
		for i := range f.episodes {
			if f.episodes[i].lessThan(&f.episodes[least]) {
				least = i
			}
		}
		f.episodes = append(f.episodes[:least], f.episodes[least+1:]...)
	}
	f.episodes = append(f.episodes, ep)
	return &f.episodes[len(f.episodes)-1]
}

// id is the same whenever and wherever the episode is found: also by who judged the second of its start in parts, or as a whole.
func (ep *episode) id(key string) string {
	h := hashBytes([]byte(key), uint64(ep.kind)+1)
	h = mix(h ^ uint64(ep.net)<<32 ^ uint64(ep.agent))
	return fmt.Sprintf("ep_%016x", mix(h^uint64(ep.start/1000)))
}
