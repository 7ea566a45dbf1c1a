package audit

import (
	"testing"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func TestGapsAreToldInWords(t *testing.T) {
	for want, g := range map[string]usage.Gap{
		"offsets 5 to 8 were not read: retention": {From: 5, To: 9, Reason: "retention"},
		"offset 5 was not read: retention":        {From: 5, To: 6, Reason: "retention"},
		"everything below offset 850 was read, then the topic was made anew; whether its old log went on is not known": {From: 850, To: 850, Reason: "topic_recreated"},
	} {
		if got := gapInWords(g); got != want {
			t.Errorf("%+v: %s, want %s", g, got, want)
		}
	}
}
