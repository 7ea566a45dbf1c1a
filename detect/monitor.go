package detect

import "strings"

// Availability checks: load balancers, uptime services, watchdogs. They are new programs, and come from where the key was never used. But they only read, the
// same thing each time, and a thief wants something else each time. So an alert about one asks for more.

// prober says that the actor looks like a check from all over the world: one program reads a known route or a few from several networks at once.
func (e *Engine) prober(k *keyState, a *actor) bool {
	p := k.read().pool
	return p != nil && p.nNets >= poolLeast && p.nAgents == 1 && a.routesNew == 0 && a.routesKnown <= probedAtMost && e.reads(a)
}

// monitor says that the actor looks like a check from one place: it reads the same thing again and again like a clock, from a route or two that others use
// as well. Its pace is that of the clock, and that it is one says nothing against it.
func (e *Engine) monitor(a *actor) bool {
	routes := a.routesNew + a.routesKnown
	return routes > 0 && routes <= watchedAtMost && a.objects <= 1 && a.rare == 0 && a.cadence.score() >= clockwork && e.reads(a)
}

// reads says that the actor did nothing but read, on the first of its routes at least.
func (e *Engine) reads(a *actor) bool {
	for _, r := range a.routeSeen[:min(int(a.routesNew)+int(a.routesKnown), len(a.routeSeen))] {
		if name := e.routes[r].name; !strings.HasPrefix(name, "GET ") && !strings.HasPrefix(name, "HEAD ") {
			return false
		}
	}
	return true
}
