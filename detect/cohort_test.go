package detect

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// A key that was never there on a weekend is expected to spend it as the keys of its plan and kind do: these work from ten to two then,
// those of another plan all night. With weekends of its own it is expected to do what it did.
func TestAYoungKeysWeekendIsThatOfItsCohort(t *testing.T) {
	const monday, week = int64(1_772_409_600_000), int64(7 * 24) // hours of a week
	plan := func(key string) KeyAttributes { return KeyAttributes{Plan: key[:4]} }
	e, err := New(Config{Attributes: plan})
	require.NoError(t, err)
	calls := func(key string, hour int64, n int) (rows []usage.Record) {
		for i := range n {
			rows = append(rows, usage.Record{
				TimeMillis: monday + hour*hourMillis + int64(i)*60e3, KeyID: key, Source: "edge", Method: "GET", Route: "/v1/items", Path: []byte("/v1/items"), Status: 200,
				ResponseBytes: 900, ASN: 64500, Country: "SE", Agent: "app", ClientIP: netip.MustParseAddr("198.51.100.7"),
			})
		}
		return rows
	}
	for hour := range 3*week + 5*24 { // up to the fourth Saturday
		var b usage.Batch
		add := func(key string, n int) {
			for _, r := range calls(key, hour, n) {
				b.Append(&r)
			}
		}
		at, weekend := hour%24, hour/24%7 >= 5
		for i := range 8 {
			office, night := 4, 4
			if weekend {
				office, night = 0, 0
				if at >= 10 && at < 14 {
					office = 12
				}
				if at < 6 {
					night = 12
				}
			}
			add(fmt.Sprint("offc_", i), office)
			add(fmt.Sprint("nght_", i), night)
		}
		if hour >= 3*week { // in its first week
			add("offc_young", 4)
		}
		e.Observe(&b, 0, b.Len())
	}
	saturday := int32(monday/hourMillis + 3*week + 5*24)
	expected := func(key string, at int32) float64 {
		_, calls := e.expected(e.key(key).hours, saturday+at)
		return calls
	}
	require.Greater(t, expected("offc_young", 12), 8.0)
	require.Less(t, expected("offc_young", 3), 1.0)
	require.Greater(t, expected("nght_1", 3), 6.0)
	require.Less(t, expected("nght_1", 12), 1.0)
}
