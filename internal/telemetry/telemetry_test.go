package telemetry

import (
	"strings"
	"testing"
	"time"
)

func TestDurationsHaveTheirUnitInEveryFormat(t *testing.T) {
	for _, format := range []string{"pretty", "text", "json", "auto"} {
		var b strings.Builder
		Logger(&b, "info", format).With("since", 90*time.Minute).Info("done", "took", 1500*time.Millisecond)
		for _, want := range []string{"1h30m0s", "1.5s"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: no %s in %s", format, want, b.String())
			}
		}
	}
}
