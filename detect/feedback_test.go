package detect

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// A dismissal asks for more evidence about that key alone; half of it is forgotten in thirty days, and however many there are, it stays bounded.
func TestADismissalAsksForMoreAboutThatKeyForAWhile(t *testing.T) {
	_, e, first, now := foundTheft(t)
	of := func(key string, days int64) float64 { return e.key(key).tolerant(now + days*86400e3) }
	require.Zero(t, of(first.KeyID, 0))
	require.NoError(t, e.Feedback(Feedback{KeyID: first.KeyID, EpisodeID: first.EpisodeID, Verdict: Dismissed, TimeMillis: now}))
	require.InDelta(t, 0.5, of(first.KeyID, 0), 1e-6)
	require.InDelta(t, 0.25, of(first.KeyID, 30), 1e-6)
	require.InDelta(t, 0.03, of(first.KeyID, 120), 0.01)
	require.Zero(t, of("key_1", 0), "another key")
	k := e.key(first.KeyID)
	for range 20 {
		k.dismissed(&episode{kind: episodeHour}, now)
	}
	require.InDelta(t, maxTolerance, of(first.KeyID, 0), 1e-6)
}

// byTheHour returns what lets a key make so many calls in an hour.
func byTheHour(e *Engine) (start int64, hour func(at int64, calls int)) {
	start = 1_772_409_600_000
	return start, func(at int64, calls int) {
		var b usage.Batch
		for i := range calls {
			b.Append(&usage.Record{
				TimeMillis: start + at*hourMillis + int64(i)*int64(hourMillis)/int64(calls), KeyID: "key", Source: "edge", Method: "GET", Route: "/v1/items", Path: []byte("/v1/items"),
				Status: 200, ResponseBytes: 1000, ASN: 64500, Country: "SE", Agent: "app", ClientIP: netip.MustParseAddr("198.51.100.7"),
			})
		}
		e.Observe(&b, 0, b.Len())
	}
}

// What one hour may raise the record, and so what is taken for usual, is bounded: a thief's hour, or a bug's, does not make the next one usual.
func TestAnHourRaisesARecordAtMostFourfold(t *testing.T) {
	e := mustEngine(t)
	_, hour := byTheHour(e)
	const watched = 5 * 24
	for at := range int64(watched) {
		hour(at, 20)
	}
	var records []float64
	for at := range int64(4) {
		hour(watched+2*at, 5000)
		hour(watched+2*at+1, 20) // closes it
		records = append(records, float64(e.key("key").hours.record[meterRequests]))
	}
	require.InDelta(t, 80, records[0], 1)
	require.InDelta(t, 320, records[1], 5)
	require.InDelta(t, 1280, records[2], 20)
	require.InDelta(t, 5000, records[3], 100)
}

// An alert about a busy hour, or a busy day, is looked at when that is over. Who says then that it was the customer says that the next one like it will be, too.
func TestABusyHourThatWasDismissedLaterIsUsualFromThenOn(t *testing.T) {
	for name, is := range map[string]struct{ from, to, first, again int }{
		"hour": {12, 13, 20_000, 20_000},
		"day":  {0, 24, 290, 1400}, // less than five times as much, by the day and by the hour
	} {
		t.Run(name, func(t *testing.T) {
			for _, dismissed := range []bool{false, true} {
				e := mustEngine(t)
				start, hour := byTheHour(e)
				busy := func(day int64, calls int) {
					for at := is.from; at < is.to; at++ {
						hour(day*24+int64(at), calls)
					}
				}
				rest := func(from, to int64) {
					for day := from; day < to; day++ {
						hour(day*24+10, 60)
					}
				}
				alerts := func() (out []Decision) {
					for _, d := range e.Drain() {
						if d.Phase == PhaseOpened && d.Action == ActionFlag {
							out = append(out, d)
						}
					}
					return out
				}
				rest(0, 40)
				busy(40, is.first)
				rest(41, 42)
				first := alerts()
				require.Len(t, first, 1)
				if dismissed {
					require.NoError(t, e.Feedback(Feedback{KeyID: "key", EpisodeID: first[0].EpisodeID, Verdict: Dismissed, TimeMillis: start + 42*86400e3}))
					e.key("key").file.tolerance = 0 // this is about what is usual, not about the evidence that is asked for
				}
				rest(42, 45)
				busy(45, is.again)
				hour(46*24+12, 1)
				if again := alerts(); dismissed == (len(again) > 0) {
					t.Errorf("dismissed: %v, and %d alerts about the next one", dismissed, len(again))
				}
			}
		})
	}
}

// What a person confirmed stays known of the network at that key: who comes from there again is more of a stranger, whatever its client calls itself.
func TestAConfirmedThiefsNetworkIsRemembered(t *testing.T) {
	again := func(verdict bool) float64 {
		s, e, first, now := foundTheft(t)
		if verdict {
			require.NoError(t, e.Feedback(Feedback{KeyID: first.KeyID, EpisodeID: first.EpisodeID, Verdict: Confirmed, TimeMillis: now}))
		}
		more := &story{c: s.c}
		more.c.millis = now + 20*86400e3
		more.theft(3, 1, 9009, "another")
		more.rows[0].ClientIP = netip.MustParseAddr("192.0.2.77")
		b := more.batch(0, 1)
		e.Observe(b, 0, 1)
		e.Advance(more.c.millis + 2000)
		for _, a := range e.key(first.KeyID).actors {
			if a.net == 9009 && a.agent == e.agents.byName["another"] {
				return float64(a.who)
			}
		}
		t.Fatal("nobody came")
		return 0
	}
	require.InDelta(t, provenBonus, again(true)-again(false), 1e-3)
}
