package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/keys"
)

func TestADenialNamesTheThiefAndNobodyElse(t *testing.T) {
	for name, tc := range map[string]struct {
		actor detect.Actor
		want  string // "": the key must be suspended instead
	}{
		"client in a network":                       {detect.Actor{ASN: 64500, Agent: "curl", Separable: true, NewNetwork: true}, "curl in AS64500"},
		"new client in the customer's":              {detect.Actor{ASN: 64500, Agent: "curl", Separable: true}, "curl in AS64500"},
		"the customer's twin":                       {detect.Actor{ASN: 64500, Agent: "curl"}, ""},
		"unknown operator":                          {detect.Actor{Network: "198.51.100.0/24", Agent: "curl", Separable: true}, "curl in network 198.51.100.0/24"},
		"nameless client in a new network":          {detect.Actor{ASN: 64500, Separable: true, NewNetwork: true}, "AS64500"},
		"nameless client in the customer's network": {detect.Actor{ASN: 64500, Separable: true}, ""},
		"a log without addresses":                   {detect.Actor{Agent: "curl", Separable: true}, "curl"},
		"nothing known":                             {detect.Actor{Separable: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, ok := denial(&tc.actor)
			require.Equal(t, tc.want != "", ok)
			if ok {
				require.Equal(t, tc.want, describe(d))
				require.NotEqual(t, keys.DenyKind(""), d.Kind)
			}
		})
	}
}
