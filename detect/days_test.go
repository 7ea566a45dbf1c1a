package detect

import (
	"testing"

	"pgregory.net/rapid"
)

// A client of the customer's own that works around the clock at a pace no hour is told for has made, by the evening, far more calls than the key
// ever made in a day: that is told, once. Ten busy days in one are a launch.
func TestADayFarBeyondAllOthersIsTold(t *testing.T) {
	for _, c := range []struct {
		why   string
		calls int // an hour; the busiest before had 122, and was nearly all of its day
		told  bool
	}{
		{"a program that does not stop", 480, true},
		{"a launch", 80, false},
	} {
		s := newStory(72, 30)
		for day := range int64(10) {
			for i := range int64(120) {
				r := s.c.record(&s.c.keys[4])
				r.TimeMillis = s.c.millis - (10-day)*testDay + 2*hourMillis + i*30e3
				s.rows = append(s.rows, r)
			}
		}
		for i := range int64(20 * c.calls) {
			r := s.c.record(&s.c.keys[4])
			r.TimeMillis = s.c.millis + i*hourMillis/int64(c.calls)
			s.rows = append(s.rows, r)
		}
		ds := acted(s.decisions(t, Config{}))
		if c.told != (len(ds) == 1) || len(ds) > 1 {
			t.Fatalf("%s: got %+v", c.why, ds)
		}
		if !c.told {
			continue
		}
		d := ds[0]
		if ev := d.Evidence[0]; d.KeyID != "key_4" || d.Action != ActionFlag || ev.Detector != "day_requests" || ev.Observed < 10*ev.Expected || ev.WindowSeconds != 86400 {
			t.Errorf("%s: got %+v", c.why, d)
		}
	}
}

// The busiest day so far never falls short of the busiest hour, does not follow a surge by more than twice in half a day, and a day is not
// measured by itself.
func TestTheBusiestDayFollowsSlowly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, hour := days{}, int32(400_000)
		roll := func(calls float32, hours int32, first bool) {
			seen := float32(100)
			if first {
				seen = 0
			}
			d.roll(hour, hour+hours, calls, seen)
			hour += hours
		}
		usual := float32(rapid.IntRange(1, 100).Draw(t, "usual"))
		for range 24 * 4 {
			roll(usual, 1, true)
		}
		before := d.record
		if all := 24 * usual; before > all || before < 0.99*all {
			t.Fatalf("24 hours of %v calls are a record of %v", usual, before)
		}
		surge := usual * float32(rapid.IntRange(3, 1000).Draw(t, "surge"))
		began := hour
		for range 24 * 3 {
			roll(surge, 1, false)
			if halves := hour/halfDay - began/halfDay; halves < 2 && d.record > 24*usual {
				t.Fatalf("the record is %v after %d hours of a surge over %v a day", d.record, hour-began, 24*usual)
			}
			if bound := before * float32(int32(1)<<(hour/halfDay-began/halfDay)); d.record > bound {
				t.Fatalf("the record is %v after %d hours, beyond %v", d.record, hour-began, bound)
			}
		}
		roll(surge, 24*10, false)
		if d.calls != [2]float32{} || d.last != 0 {
			t.Errorf("ten days of silence have %+v", d)
		}
	})
}
