package detect

import (
	"cmp"
	"slices"
	"strconv"
)

// Usual is how a key is used when nothing is wrong, for whoever has to judge a finding: what is established, the most used first.
type Usual struct {
	SinceMillis int64  `json:"since_millis"` // of the first call that is remembered
	Requests    uint32 `json:"requests"`     // since then
	Hour        *Band  `json:"hour"`         // requests expected in the hour of the finding; nil while too little is known
	Addresses   int    `json:"addresses"`
	Networks    Uses   `json:"networks"`
	Countries   Uses   `json:"countries"`
	Agents      Uses   `json:"agents"`
	Routes      Uses   `json:"routes"`
}

// Uses are things of one kind.
type Uses struct {
	All  int   `json:"all"`  // how many there are
	Most []Use `json:"most"` // at most five, in descending order of calls
}

// Use is one thing that a key is used with.
type Use struct {
	Name  string `json:"name"`
	ASN   uint32 `json:"asn,omitempty"` // of a network with a number
	Calls uint32 `json:"calls"`
}

const usualMost = 5

// usual describes a key as it stands.
func (e *Engine) usual(k *keyState, t int64) *Usual {
	u := &Usual{SinceMillis: k.born, Requests: k.n}
	for i := range k.addrs() {
		if k.addrs()[i].established() {
			u.Addresses++
		}
	}
	u.Networks = uses(k.nets(), func(id uint32) Use {
		if id&prefixNet != 0 {
			return Use{Name: "a network without a number"}
		}
		return Use{Name: "AS" + strconv.FormatUint(uint64(id), 10), ASN: id}
	})
	u.Countries = uses(k.countries(), func(id uint32) Use { return Use{Name: countryName(uint16(id))} })
	u.Agents = uses(k.agents(), func(id uint32) Use { return Use{Name: e.agentName(id)} })
	u.Routes = uses(k.routes(), func(id uint32) Use { return Use{Name: e.routes[id].name} })
	if k.hours != nil && k.hours.seen >= volumeWatched {
		band := e.band(k.hours, int32(t/hourMillis))
		u.Hour = &band
	}
	return u
}

// uses names the established things of a set that are used most.
func uses(set known, named func(id uint32) Use) Uses {
	list := make([]*entry, 0, len(set))
	for i := range set {
		if set[i].established() && set[i].id != 0 { // 0: it is not known
			list = append(list, &set[i])
		}
	}
	slices.SortFunc(list, func(a, b *entry) int { return cmp.Or(cmp.Compare(b.count(), a.count()), cmp.Compare(a.id, b.id)) })
	out := Uses{All: len(list), Most: make([]Use, 0, usualMost)}
	for _, at := range list[:min(len(list), usualMost)] {
		u := named(at.id)
		u.Calls = at.count()
		out.Most = append(out.Most, u)
	}
	return out
}
