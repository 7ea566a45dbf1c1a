package counter

import (
	"slices"

	"github.com/tollkeeper/tollkeeper/internal/usage"
	"github.com/tollkeeper/tollkeeper/quotas/meter"
	"github.com/tollkeeper/tollkeeper/quotas/period"
)

const (
	skipped = usage.FlagDuplicate | usage.FlagNoKey
	// switchAfter is how many records in a row of another day make that day the one that is added up locally.
	switchAfter = 16
	// viewsKept is how many batches a worker may have in turn before their caches are made anew each time.
	viewsKept = 8
)

type partitionID struct {
	topic  string
	number int32
}

// partition is what one worker needs to add up a batch without locks. It is used by one goroutine.
type partition struct {
	span    span // the day that is added up locally
	views   []*view
	unitIDs []unitID
	scratch sums
}

// view caches, per dictionary of keys, where the sums of each key go.
type view struct {
	dict    *usage.Dict
	sums    []tally // by number in the dictionary
	touched []uint32
}

// tally adds up one key within a batch.
type tally struct {
	sums
	key  *subject
	id   string
	used bool
	skip bool // too many keys
}

type unitID struct {
	name string
	id   int
}

func (p *partition) view(d *usage.Dict) *view {
	for _, v := range p.views {
		if v.dict == d {
			return v
		}
	}
	if len(p.views) == viewsKept {
		p.views = p.views[:0]
	}
	v := &view{dict: d}
	p.views = append(p.views, v)
	return v
}

// Observe adds the batch. Records that a batch shares with another must be flagged as duplicates in one of them.
func (c *Counter) Observe(topic string, number int32, b *usage.Batch) {
	if b.Len() == 0 {
		return
	}
	p := c.partition(partitionID{topic, number})
	now := spanOf(c.cfg.Now().UnixMilli())
	if p.span.to == 0 {
		p.span = spanOf(b.TimeMillis[0])
	}
	v := p.view(&b.KeyID)
	if n := len(b.KeyID.Values); len(v.sums) < n {
		v.sums = slices.Grow(v.sums, n-len(v.sums))[:n]
	}
	p.mapUnits(c, &b.UnitName)
	strange := 0 // records in a row that are not of the day
	for i, millis := range b.TimeMillis {
		if b.Flags[i]&skipped != 0 {
			continue
		}
		if millis < p.span.from || millis >= p.span.to {
			if strange++; strange < switchAfter {
				c.addAlone(p, b, i, now)
				continue
			}
			c.flush(p, v, now)
			p.span = spanOf(millis)
		}
		strange = 0
		n := b.KeyID.Index[i]
		t := &v.sums[n]
		if !t.used {
			c.touch(p, v, b, n, b.Flags[i])
		}
		t.requests++
		if meter.IsError(b.Status[i]) {
			t.errors++
		}
		t.requestBytes = meter.Sum(t.requestBytes, b.RequestBytes[i])
		t.responseBytes = meter.Sum(t.responseBytes, b.ResponseBytes[i])
		from, to := b.UnitSpan(i)
		for j := from; j < to; j++ {
			t.addUnit(p.unitIDs[b.UnitName.Index[j]].id, b.UnitValue[j])
		}
	}
	c.flush(p, v, now)
}

func (s *sums) addUnit(id int, v int64) {
	if id < 0 {
		return
	}
	for len(s.units) <= id {
		s.units = append(s.units, 0)
	}
	s.units[id] = meter.Sum(s.units[id], v)
}

// touch prepares the tally of the key with this number for the batch. A number may mean another key than in the last
// batch, when the dictionary was made anew or batches take turns; the id tells.
func (c *Counter) touch(p *partition, v *view, b *usage.Batch, n uint32, f usage.Flags) {
	t := &v.sums[n]
	if id := b.KeyID.Values[n]; t.key == nil || t.id != id || c.keys.get(id) != t.key {
		t.id, t.key = id, c.own(p, id, f)
		t.skip = t.key == nil
	}
	if !t.skip && t.key.account.Load() == nil {
		c.settleAccount(t.key) // a key may have been given to an account since
	}
	t.used = true
	v.touched = append(v.touched, n)
}

// own returns the subject of a key that the partition counts from now on: Reload neither replaces nor drops it any more.
//
// A key that the key store does not know is counted only when it has an account, as keys have that a gateway issued. Its
// use may have begun before it had one, like that of a key that was given to an account later, so such keys keep following
// the ledger: they are counted between two reloads, and what a reload misses because it has not landed comes with the next.
func (c *Counter) own(p *partition, id string, f usage.Flags) *subject {
	known := f&usage.FlagUnknownKey == 0
	if !known && c.cfg.AccountOf(id) == "" {
		return nil
	}
	for {
		k := c.key(id)
		if k == nil {
			return nil
		}
		if known {
			k.mu.Lock()
			if !k.follows {
				k.owner = p
			}
			k.mu.Unlock()
		}
		if c.keys.get(id) == k { // not dropped in between
			return k
		}
	}
}

// mapUnits finds the number of every unit name of the batch.
func (p *partition) mapUnits(c *Counter, d *usage.Dict) {
	if n := len(d.Values); len(p.unitIDs) < n {
		p.unitIDs = append(p.unitIDs, make([]unitID, n-len(p.unitIDs))...)
	}
	for i, name := range d.Values {
		if u := &p.unitIDs[i]; u.name != name || u.id < 0 {
			*u = unitID{name, c.units.id(name, freeUnits)}
		}
	}
}

// flush gives what was added up to the keys and accounts.
func (c *Counter) flush(p *partition, v *view, now span) {
	month, day := p.span.month, p.span.day
	withMonth, withDay := near(month, now.month), near(day, now.day)
	for _, n := range v.touched {
		t := &v.sums[n]
		switch {
		case t.skip:
		case !withMonth:
			c.outside.Add(t.requests)
		default:
			c.give(t.key, month, day, withDay, &t.sums, now)
		}
		t.clear()
		t.used = false
	}
	v.touched = v.touched[:0]
}

// give adds to a key and its account and looks at the thresholds.
func (c *Counter) give(k *subject, month, day int32, withDay bool, s *sums, now span) {
	k.mu.Lock()
	k.months.open(month).add(s)
	if withDay {
		k.days.open(day).add(s)
	}
	a := k.account.Load()
	if a != nil {
		// Inside the key's lock, so that whoever replaces the key's sums finds both with the batch or both without.
		a.add(month, day, withDay, s)
	}
	k.mu.Unlock()
	if a == nil {
		return
	}
	limits := c.limitsOf(a)
	for i := range limits {
		l := &limits[i]
		if len(l.Thresholds) == 0 {
			continue
		}
		subject := a
		if l.Scope == ScopeKey {
			subject = k
		}
		c.look(l, subject, a, now)
	}
}

// addAlone adds one record of another day.
func (c *Counter) addAlone(p *partition, b *usage.Batch, i int, now span) {
	k := c.own(p, b.KeyID.At(i), b.Flags[i])
	if k == nil {
		return
	}
	at := spanOf(b.TimeMillis[i])
	if !near(at.month, now.month) {
		c.outside.Add(1)
		return
	}
	s := &p.scratch
	s.clear()
	s.requests, s.requestBytes, s.responseBytes = 1, b.RequestBytes[i], b.ResponseBytes[i]
	if meter.IsError(b.Status[i]) {
		s.errors = 1
	}
	from, to := b.UnitSpan(i)
	for j := from; j < to; j++ {
		s.addUnit(p.unitIDs[b.UnitName.Index[j]].id, b.UnitValue[j])
	}
	c.give(k, at.month, at.day, near(at.day, now.day), s, now)
}

// near says whether a period is one of those that are kept.
func near(n, now int32) bool { return n >= now-1 && n <= now+1 }

// look offers the highest threshold that the subject has reached in the running period, once.
func (c *Counter) look(l *limit, s, account *subject, now span) {
	number, p := now.month, period.Period{From: monthStart(now.month), To: monthStart(now.month + 1)}
	if l.Period == period.Day {
		number, p = now.day, period.Period{From: dayStart(now.day), To: dayStart(now.day + 1)}
	}
	used := l.used(l.window(s, now.day, now.month))
	percent := 0
	for _, t := range l.Thresholds {
		if meter.Reached(used, l.Max, t) {
			percent = t
		}
	}
	if percent == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.mark(l)
	if m.period == number && m.percent >= percent {
		return
	}
	select {
	case c.crossed <- Crossing{
		Scope: l.Scope, Subject: s.id, AccountID: account.id, QuotaID: l.ID, Percent: percent, Used: used, Max: l.Max, Period: p, At: c.cfg.Now().UTC(),
	}:
		m.period, m.percent = number, percent
	default: // offered again with the next batch
	}
}

// mark returns what was reported of the limit; the subject's lock is held.
func (s *subject) mark(l *limit) *mark {
	for i := range s.marks {
		if s.marks[i].id == l.ID && s.marks[i].scope == l.Scope {
			return &s.marks[i]
		}
	}
	s.marks = append(s.marks, mark{id: l.ID, scope: l.Scope})
	return &s.marks[len(s.marks)-1]
}
