package detect

// Stats of an engine.
type Stats struct {
	Keys      int // with state
	Routes    int
	Agents    int
	Running   int    // keys with an open episode
	Incident  bool   // many keys are busier than usual at once: volume is no evidence now
	Suspended int    // suspensions in the last 30 days
	Forgotten uint64 // keys that Trim forgot
	Mapped    int    // bytes taken from the system for what keys remember, outside of the collector's heap
}

// Stats counts what the engine holds.
func (e *Engine) Stats() Stats {
	return Stats{
		Keys: e.keys.len(), Routes: len(e.routes) - 2, Agents: len(e.agents.list) - 2, Running: len(e.running), Incident: e.all.incident(),
		Suspended: e.spent.last(30 * 24), Mapped: e.mem.Reserved(), Forgotten: e.forgotten,
	}
}
