package detect

import (
	"fmt"
	"runtime"
	"time"
)

// budget remembers the suspensions and flags of the last thirty days, by hour.
type budget struct {
	hours [30 * 24]uint16
	flags [24]uint16
	at    int32 // hour of the newest entry
}

func (b *budget) roll(hour int32) {
	if hour <= b.at {
		return
	}
	n := int32(len(b.hours))
	for h := max(b.at+1, hour-n+1); h <= hour; h++ {
		b.hours[h%n] = 0
		b.flags[h%24] = 0
	}
	b.at = hour
}

func (b *budget) last(hours int32) int {
	n, sum := int32(len(b.hours)), 0
	for i := range min(hours, n) {
		if h := b.at - i; h >= 0 {
			sum += int(b.hours[h%n])
		}
	}
	return sum
}

// permit says what may be done about an episode, and if that is less than wanted, why.
func (e *Engine) permit(k *keyState, p *Policy, ep *episode, t int64) (Action, string) {
	action := ep.wanted
	if action == ActionSuspend {
		action = p.Suspend
		if action == ActionQuarantine && !e.separable(k, ep) {
			action = ActionSuspend
		}
	}
	held := ""
	hold := func(most Action, why string) {
		if action > most {
			action, held = most, why
		}
	}
	if most, ok := p.Families[ep.cause]; ok {
		if most == ActionQuarantine && !e.separable(k, ep) {
			most = ActionThrottle // the customer would be refused, too, and that is more than is allowed
		}
		hold(most, fmt.Sprintf("policy %s allows findings of family %v no more than %v", p.ID, ep.cause, most))
	}
	if p.Protected != ProtectedNone {
		hold(ActionFlag, "the key is protected by policy "+p.ID)
	}
	if p.early(k, t) {
		hold(ActionFlag, fmt.Sprintf("the key has less than the history that policy %s asks for", p.ID))
	}
	at := time.UnixMilli(t).UTC()
	for i := range p.Maintenance {
		if w := &p.Maintenance[i]; w.covers(at) {
			hold(ActionFlag, "maintenance: "+w.Reason)
		}
	}
	e.spent.roll(int32(t / hourMillis))
	if action >= ActionQuarantine {
		if why := e.overCap(); why != "" {
			hold(ActionFlag, why)
		}
	}
	if p.Mode == ModeObserve {
		hold(ActionObserve, "policy "+p.ID+" only observes")
	}
	slot := e.spent.at % int32(len(e.spent.hours))
	switch {
	case e.warm:
	case action >= ActionQuarantine:
		e.spent.hours[slot]++
	case action == ActionFlag:
		sum := 0
		for _, n := range e.spent.flags {
			sum += int(n)
		}
		if c := e.policies.Caps.FlagsPerDay; c > 0 && sum >= c && held == "" {
			return ActionObserve, fmt.Sprintf("%d alerts in a day are the cap", c)
		}
		e.spent.flags[e.spent.at%24]++
	}
	return action, held
}

// early says that less is known of the key than the policy asks for. That passes: what is wanted then is done as soon as it may be.
func (q *Policy) early(k *keyState, t int64) bool {
	return time.Duration(t-k.born)*time.Millisecond < q.MinHistory.Age.Duration || k.n < q.MinHistory.Requests
}

func (e *Engine) overCap() string {
	c := &e.policies.Caps
	day := e.spent.last(24)
	share := max(2, int(c.ShareOfKeys*float64(e.keys.len())))
	switch {
	case e.spent.last(1) >= c.SuspensionsPerHour:
		return fmt.Sprintf("%d suspensions in an hour are the cap", c.SuspensionsPerHour)
	case day >= c.SuspensionsPerDay:
		return fmt.Sprintf("%d suspensions in a day are the cap", c.SuspensionsPerDay)
	case day >= share:
		return fmt.Sprintf("%d suspensions in a day are the cap for %d keys", share, e.keys.len())
	case c.SuspensionsPerMonth > 0 && e.spent.last(30*24) >= c.SuspensionsPerMonth:
		return fmt.Sprintf("%d suspensions in 30 days are the cap", c.SuspensionsPerMonth)
	}
	return ""
}

// Refused says that the action of an episode was not carried out, such as for a cap that many engines share. The episode
// goes on as a flag; from the given event time on, new evidence may lead to the action again. What is not known is passed
// over.
func (e *Engine) Refused(keyID, episodeID string, again int64) {
	e.release(keyID, again, func(ep *episode) bool { return ep.id(keyID) == episodeID })
}

// Lifted says that nothing that was done about a key is in force any more, since a person let it pass again. Its episodes go on as flags; from
// the given event time on, new evidence may lead to actions again.
func (e *Engine) Lifted(keyID string, again int64) {
	e.release(keyID, again, func(*episode) bool { return true })
}

// release makes flags of those episodes of a key.
func (e *Engine) release(keyID string, again int64, which func(*episode) bool) {
	defer runtime.KeepAlive(e) // and with it the arena
	k := e.key(keyID)
	if k == nil {
		return
	}
	for i := range k.read().episodes {
		if ep := &k.file.episodes[i]; which(ep) {
			ep.action, ep.until = min(ep.action, ActionFlag), again
		}
	}
}

// separable says that the actor can be refused without touching the customer's clients.
func (e *Engine) separable(k *keyState, ep *episode) bool {
	if ep.kind != episodeActor {
		return false
	}
	n, a := k.nets().find(ep.net), k.agents().find(ep.agent)
	return n >= 0 && !k.nets()[n].established() || a >= 0 && !k.agents()[a].established()
}
