package detect

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func policies(t *testing.T, file string) *Policies {
	t.Helper()
	p, err := ParsePolicies([]byte("version: 1\n" + file))
	require.NoError(t, err)
	return p
}

// Each cap by itself, while the others have room: eight keys of thirty are stolen, at once or a day and two hours apart.
func TestEveryCapBoundsSuspensions(t *testing.T) {
	for name, c := range map[string]struct {
		caps      string
		apart     bool
		suspended int
		held      string
	}{
		"none is reached":            {"{suspensions_per_hour: 9, suspensions_per_day: 9, suspensions_per_month: 9, share_of_keys: 1}", false, 8, ""},
		"an hour":                    {"{suspensions_per_hour: 2, share_of_keys: 1}", false, 2, "2 suspensions in an hour are the cap"},
		"the hour passes":            {"{suspensions_per_hour: 1, share_of_keys: 1}", true, 8, ""},
		"a day":                      {"{suspensions_per_day: 3, share_of_keys: 1}", false, 3, "3 suspensions in a day are the cap"},
		"the day passes":             {"{suspensions_per_day: 1, share_of_keys: 1}", true, 8, ""},
		"a month":                    {"{suspensions_per_month: 5, share_of_keys: 1}", true, 5, "5 suspensions in 30 days are the cap"},
		"a share of the keys, a day": {"{}", false, 3, "3 suspensions in a day are the cap for 30 keys"},
		"the share's day passes":     {"{}", true, 8, ""},
		"two of however few keys":    {"{share_of_keys: 0.001}", false, 2, "2 suspensions in a day are the cap for 30 keys"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(8, 30)
			for i := range 8 {
				s.theft(i, 40, 9009, "scraper")
				if c.apart {
					s.c.millis += 26 * hourMillis
				}
			}
			suspended, held := 0, map[string]int{}
			for _, d := range s.decisions(t, Config{Policies: policies(t, "caps: "+c.caps+"\npolicies: [{id: all}]")}) {
				switch {
				case d.Action == ActionSuspend:
					suspended++
				case d.Wanted == ActionSuspend && d.Phase <= PhaseEscalated:
					require.Equal(t, ActionFlag, d.Action)
					held[d.Held]++
				}
			}
			require.Equal(t, c.suspended, suspended, "held: %v", held)
			if c.held != "" {
				require.Equal(t, map[string]int{c.held: 8 - c.suspended}, held)
			}
		})
	}
}

func TestAlertsHaveACap(t *testing.T) {
	flagged := func(caps string) (n int, held string) {
		s := newStory(8, 30)
		for i := range 8 {
			s.theft(i, 40, 9009, "scraper")
		}
		for _, d := range s.decisions(t, Config{Policies: policies(t, "caps: "+caps+"\npolicies: [{id: all, suspend: flag}]")}) {
			if d.Action == ActionFlag {
				n++
			} else if strings.Contains(d.Held, "alerts in a day") {
				held = d.Held
			}
		}
		return n, held
	}
	all, _ := flagged("{}")
	require.GreaterOrEqual(t, all, 8)
	n, held := flagged("{flags_per_day: 5}")
	require.Equal(t, 5, n)
	require.Equal(t, "5 alerts in a day are the cap", held)
}

// A quarantine refuses the thief and serves the customer. Who uses the customer's program in the customer's network cannot be refused alone:
// then the key is suspended, unless the policy allows no more than a quarantine.
func TestWhoCannotBeToldApartIsNotQuarantined(t *testing.T) {
	for file, want := range map[string][2]Action{ // the customer's twin, a stranger
		"policies: [{id: p, suspend: quarantine}]":                 {ActionSuspend, ActionQuarantine},
		"policies: [{id: p, families: {enumeration: quarantine}}]": {ActionThrottle, ActionQuarantine},
	} {
		for i, stranger := range []bool{false, true} {
			s := newStory(1, 30)
			k := &s.c.keys[4]
			if stranger {
				s.theft(4, 60, 9009, "scraper")
			} else {
				s.theft(4, 60, k.asn, k.agent)
			}
			var got []Action
			for _, d := range s.decisions(t, Config{Policies: policies(t, file)}) {
				if d.KeyID == k.id && d.Wanted == ActionSuspend && d.Phase <= PhaseEscalated {
					got = append(got, d.Action)
					require.Equal(t, stranger, d.Actor.Separable)
				}
			}
			require.Equal(t, []Action{want[i]}, got, "%s, a stranger: %v", file, stranger)
		}
	}
}

// A colleague who comes for days becomes the customer's. Who is accused does not, however well it behaves from then on.
func TestNothingIsLearntFromWhoIsAccused(t *testing.T) {
	for accused, want := range map[bool]bool{false: true, true: false} {
		s := newStory(5, 30)
		k := &s.c.keys[4]
		if accused {
			s.theft(4, 60, 9009, "scraper")
		}
		for i := range 5 * 24 * 6 { // every ten minutes for five days, beside the customer
			s.c.millis += 10 * 60e3
			own := s.c.record(k)
			s.rows = append(s.rows, own)
			own.TimeMillis, own.ASN, own.Agent, own.Country, own.ClientIP = own.TimeMillis+5000, 9009, "scraper", "RO", netip.AddrFrom4([4]byte{203, 0, 113, 9})
			if i%2 == 0 {
				s.rows = append(s.rows, own)
			}
		}
		e, err := New(Config{Policies: policies(t, "policies: [{id: all, mode: observe}]")})
		require.NoError(t, err)
		b := s.batch(0, len(s.rows))
		e.Observe(b, 0, b.Len())
		e.Advance(s.rows[len(s.rows)-1].TimeMillis + 2000)
		state := e.key(k.id)
		addr, net := addressOf(netip.AddrFrom4([4]byte{203, 0, 113, 9}).As16(), 9009)
		for name, list := range map[string]struct {
			of known
			id uint32
		}{
			"network": {state.nets(), net}, "address": {state.addrs(), addr}, "program": {state.agents(), e.agents.byName["scraper"]},
			"country": {state.countries(), uint32(countryNumber("RO"))},
		} {
			i := list.of.find(list.id)
			require.GreaterOrEqual(t, i, 0, name)
			require.Equal(t, want, list.of[i].established(), "its %s is the customer's; accused: %v", name, accused)
		}
	}
}
