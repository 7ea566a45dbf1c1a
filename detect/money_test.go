package detect

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// What each call takes is told where it is far beyond what is usual on its route, whichever of the three it is: units, the answer or the request.
func TestCallsThatTakeFarMoreThanUsualAreFlagged(t *testing.T) {
	for detector, set := range map[string]func(r *usage.Record, x float64){
		"units_per_request":      func(r *usage.Record, x float64) { r.Units = []usage.Unit{{Name: "tokens", Value: int64(500 * x)}} },
		"bytes_per_request":      func(r *usage.Record, x float64) { r.ResponseBytes = int64(900 * x) },
		"bytes_sent_per_request": func(r *usage.Record, x float64) { r.RequestBytes = int64(700 * x) },
	} {
		t.Run(detector, func(t *testing.T) {
			taking := func(times float64, calls int) []Decision {
				s := newStory(11, 30)
				begin := s.c.millis
				for range calls {
					s.c.millis += 20e3
					s.rows = append(s.rows, s.c.record(&s.c.keys[4]))
				}
				rng := rand.New(rand.NewPCG(7, 7))
				for i := range s.rows {
					x := math.Exp(0.5 * rng.NormFloat64())
					if s.rows[i].TimeMillis >= begin {
						x *= times
					}
					set(&s.rows[i], x)
				}
				return of(FamilyMoney, acted(s.decisions(t, Config{})))
			}
			if ds := taking(3, 300); len(ds) != 0 {
				t.Errorf("three times as much is told: %+v", ds[0])
			}
			if ds := taking(15, 50); len(ds) != 1 {
				t.Errorf("fifteen times as much is not told within fifty calls: %+v", ds)
			}
			ds := taking(15, 300)
			if len(ds) != 1 || ds[0].KeyID != "key_4" || ds[0].Action != ActionFlag {
				t.Fatalf("got %+v, want a flag of key_4 and nothing else", ds)
			}
			for _, ev := range ds[0].Evidence {
				if ev.Family == FamilyMoney && (ev.Detector != detector || ev.Observed <= ev.High) {
					t.Errorf("the evidence is %+v", ev)
				}
			}
		})
	}
}
