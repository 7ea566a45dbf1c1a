package detect

import (
	"runtime"
	"time"
)

// KeyView is what the engine knows about a key, for people.
type KeyView struct {
	KeyID      string       `json:"key_id"`
	Since      time.Time    `json:"since"`
	Last       time.Time    `json:"last"`
	Requests   uint32       `json:"requests"`
	Networks   int          `json:"networks"`
	Addresses  int          `json:"addresses"`
	Agents     int          `json:"agents"`
	Countries  []string     `json:"countries"`
	Routes     []string     `json:"routes"`
	NewPerDay  float64      `json:"new_networks_per_day"` // expected
	LongestGap float64      `json:"longest_silence_hours"`
	Hour       HourView     `json:"hour"`
	Clients    []ClientView `json:"clients"`
}

// HourView is the running hour beside what is usual.
type HourView struct {
	Requests float64     `json:"requests"`
	Usual    float64     `json:"usual"`
	Median   float64     `json:"median"`
	High     float64     `json:"high"` // exceeded in one of a hundred active hours
	Record   float64     `json:"record"`
	Day      [48]float32 `json:"day"` // usual requests by hour (UTC) of working days, then of weekends
}

// ClientView is an actor with the evidence about it, by family, as -log10.
type ClientView struct {
	Actor    Actor              `json:"actor"`
	Fresh    bool               `json:"fresh"`
	Evidence map[string]float64 `json:"evidence"`
	Overlap  float64            `json:"overlap"`
	Routes   [2]int             `json:"routes"` // new, known
}

// View describes a key; ok is false for one without state.
func (e *Engine) View(keyID string) (v KeyView, ok bool) {
	defer runtime.KeepAlive(e) // and with it the arena
	k := e.key(keyID)
	if k == nil {
		return v, false
	}
	v = KeyView{
		KeyID: k.id, Since: time.UnixMilli(k.born).UTC(), Last: time.UnixMilli(k.last).UTC(), Requests: k.n, Networks: len(k.nets()),
		Addresses: len(k.addrs()), Agents: len(k.agents()), NewPerDay: k.newRate(kindNet), LongestGap: float64(k.maxGapSec) / 3600,
	}
	for i := range k.countries() {
		v.Countries = append(v.Countries, countryName(uint16(k.countries()[i].id)))
	}
	for i := range k.routes() {
		v.Routes = append(v.Routes, e.routes[k.routes()[i].id].name)
	}
	if h := k.hours; h != nil {
		v.Hour = HourView{
			Requests: float64(h.cur[meterRequests]), Usual: float64(h.day[slotOf(h.hour)]), Record: float64(h.record[meterRequests]), Day: h.day,
			Median: e.tails.Quantile(h.tail(meterRequests), 0.5), High: e.tails.Quantile(h.tail(meterRequests), 0.01),
		}
	}
	for i := range k.actors {
		a := &k.actors[i]
		f := e.find(k, a)
		c := ClientView{Actor: e.actorView(k, a, a.netNew), Fresh: a.fresh, Evidence: map[string]float64{}, Overlap: f.overlap, Routes: [2]int{int(a.routesNew), int(a.routesKnown)}}
		for fam, s := range f.by {
			if s != 0 {
				c.Evidence[Family(fam).String()] = round2(s)
			}
		}
		v.Clients = append(v.Clients, c)
	}
	return v, true
}

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
