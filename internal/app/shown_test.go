package app

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api/bind"
	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/internal/alerts"
)

// What detection found of a thief and what is usual for the key reach whoever reads the alert, with the names of the networks' operators.
func TestAnAlertShowsTheClientBesideWhatIsUsual(t *testing.T) {
	e := &enforcer{network: func(asn uint32) string {
		return map[uint32]string{3320: "Deutsche Telekom AG", 9009: "M247 Europe"}[asn]
	}}
	at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	d := decisionAbout("key_1", detect.ActionSuspend, detect.FamilyEnumeration)
	none := detect.Uses{Most: []detect.Use{}}
	d.Usual = &detect.Usual{
		SinceMillis: at.AddDate(0, 0, -14).UnixMilli(), Requests: 3741, Hour: &detect.Band{Low: 2, Expected: 14, High: 35}, Addresses: 2, Countries: none, Agents: none,
		Networks: detect.Uses{All: 2, Most: []detect.Use{{Name: "AS3320", ASN: 3320, Calls: 3000}, {Name: "AS64500", ASN: 64500, Calls: 700}}},
		Routes:   detect.Uses{All: 1, Most: []detect.Use{{Name: "GET /v1/items", Calls: 3741}}},
	}
	f := e.finding(d, detect.ActionSuspend, "acct_1", at)
	shown := bind.ToAlert(&alerts.Alert{Evidence: f.Evidence, Actor: f.Actor})
	require.Equal(t, "M247 Europe", shown.Client.Operator)
	require.Equal(t, gen.Usual{
		Since: at.AddDate(0, 0, -14), Requests: 3741, Hour: gen.UsualHour{Low: 2, Expected: 14, High: 35}, Addresses: 2,
		Networks:  gen.Uses{All: 2, Most: []gen.Use{{Name: "AS3320 Deutsche Telekom AG", Asn: 3320, Calls: 3000}, {Name: "AS64500", Asn: 64500, Calls: 700}}},
		Countries: gen.Uses{Most: []gen.Use{}}, Agents: gen.Uses{Most: []gen.Use{}},
		Routes: gen.Uses{All: 1, Most: []gen.Use{{Name: "GET /v1/items", Calls: 3741}}},
	}, shown.Usual)
	require.Equal(t, "AS3320", d.Usual.Networks.Most[0].Name, "the decision was changed, which others hold")

	guessed := e.finding(decisionAbout("", detect.ActionFlag, detect.FamilyGuessing), detect.ActionFlag, "", at)
	require.Zero(t, bind.ToAlert(&alerts.Alert{Evidence: guessed.Evidence}).Usual, "of guesses nothing is usual")
}
