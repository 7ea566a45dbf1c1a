package audit

import (
	"testing"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func TestGapsAreToldInWords(t *testing.T) {
	for want, g := range map[string]usage.Gap{
		"offsets 5 to 8 were not read: retention": {From: 5, To: 9, Reason: "retention"},
		"offset 5 was not read: retention":        {From: 5, To: 6, Reason: "retention"},
		"everything below offset 850 was read, then the topic was made anew; whether its old log went on is not known":                                      {From: 850, To: 850, Reason: "topic_recreated"},
		"the log was cut back to offset 50 after everything below 60 had been read; what was written at those offsets before that was noticed was not read": {From: 50, To: 60, Reason: GapCutBack},
		"offsets 0 to 49 are stored under the name that the log had before it was cut back":                                                                 {From: 0, To: 50, Reason: GapEarlierName},
	} {
		if got := gapInWords(g); got != want {
			t.Errorf("%+v: %s, want %s", g, got, want)
		}
	}
}
