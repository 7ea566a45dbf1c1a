package detect

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQuantitiesAreWordedForPeople(t *testing.T) {
	for want, got := range map[string]string{
		"24.4 MB":     amount(meterBytes, 24_405_524),
		"1.0 GB":      amount(meterBytes, 1e9),
		"1.0 kB":      amount(meterBytes, 1000),
		"999 bytes":   amount(meterBytes, 999),
		"51 requests": amount(meterRequests, 51),
		"16534 units": amount(meterUnits, 16534),
		"1 network":   counted(1, "network"),
		"0 networks":  counted(0, "network"),
		"7 addresses": counted(7, "address"),
		"1 address":   counted(1, "address"),
		"8 or more":   atLeast(9, 8),
		"7":           atLeast(7, 8),
		"1 second":    span(0), "3 days": span(72 * 3600e3), "71 hours": span(71 * 3600e3), "2 minutes": span(2 * 60e3),
		"90 minutes": span(90 * 60e3),
	} {
		require.Equal(t, want, got)
	}
}

// The sentence that says who or what it is comes first, whatever is stronger: the others speak of it.
func TestAReasonBeginsWithWhatItIsAbout(t *testing.T) {
	walk := Evidence{Family: FamilyEnumeration, Detector: "id_walk", Sentence: "It goes through ids."}
	client := Evidence{Family: FamilyNovelty, Detector: "new_client", Sentence: "curl comes from AS9009."}
	objects := Evidence{Family: FamilyNovelty, Detector: "strange_objects", Sentence: "Of the 8 objects, 0."}
	hour := Evidence{Family: FamilyVolume, Detector: "hour_requests", Sentence: "32 requests in this hour."}
	route := Evidence{Family: FamilyRoutes, Detector: "one_sided", Sentence: "81% of them are logins."}
	crowd := Evidence{Family: FamilySpread, Detector: "crowd", Sentence: "21 addresses."}
	const lead = "curl is in AS9009."
	for want, got := range map[string]string{
		"curl comes from AS9009. It goes through ids.":                 reason(lead, []Evidence{walk, objects, client}),
		"curl is in AS9009. Of the 8 objects, 0. It goes through ids.": reason(lead, []Evidence{walk, objects}),
		"curl is in AS9009. It goes through ids.":                      reason(lead, []Evidence{walk}),
		"32 requests in this hour. 81% of them are logins.":            reason("", []Evidence{route, hour}),
		"21 addresses. It goes through ids.":                           reason("", []Evidence{walk, crowd}),
	} {
		require.Equal(t, want, got)
	}
}
