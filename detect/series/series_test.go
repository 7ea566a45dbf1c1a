package series

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func detector(tb testing.TB) *Detector {
	tb.Helper()
	d, err := New(Defaults())
	require.NoError(tb, err)
	return d
}

type sample struct {
	at    time.Time
	value float64
}

// anySeries draws series of many kinds: trends, days, noise of any size, steps, quantised and constant stretches, gaps, equal and
// backward times, values that are no number.
func anySeries(t *rapid.T, most int) []sample {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	every := rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 5 * time.Minute, time.Hour}).Draw(t, "every")
	noise := rapid.SampledFrom([]float64{0, 0.01, 1, 100}).Draw(t, "noise")
	day := rapid.SampledFrom([]float64{0, 1, 30}).Draw(t, "day")
	step := rapid.SampledFrom([]float64{0, 5, 1e6}).Draw(t, "step")
	quantum := rapid.SampledFrom([]float64{0, 1, 20}).Draw(t, "quantum")
	mess := rapid.Bool().Draw(t, "mess")
	samples := make([]sample, rapid.IntRange(1, most).Draw(t, "length"))
	at, level := monday, 50.0
	for i := range samples {
		if r.IntN(200) == 0 {
			level += step * r.NormFloat64()
		}
		x := level + noise*r.NormFloat64() + day*math.Sin(2*math.Pi*float64(at.Unix()%86400)/86400)
		if quantum > 0 {
			x = math.Round(x/quantum) * quantum
		}
		distance := every
		if mess {
			switch r.IntN(40) {
			case 0:
				x = math.NaN()
			case 1:
				x = math.Inf(1)
			case 2:
				distance = 0
			case 3:
				distance = -every
			case 4:
				distance = 100 * every
			}
		}
		samples[i] = sample{at, x}
		at = at.Add(distance)
	}
	return samples
}

func judge(tb rapid.TB, samples []sample) []Verdict {
	d, err := New(Defaults())
	require.NoError(tb, err)
	out := make([]Verdict, len(samples))
	for i, s := range samples {
		out[i] = d.Observe(s.at, s.value)
	}
	return out
}

func TestSettingsAreCheckedByName(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"LevelWindow":         func(s *Settings) { s.LevelWindow = 0 },
		"SpreadWindow":        func(s *Settings) { s.SpreadWindow = 1 },
		"SeasonWindow":        func(s *Settings) { s.SeasonWindow = 0 },
		"MedianWindow":        func(s *Settings) { s.MedianWindow = -1 },
		"BinsPerDay":          func(s *Settings) { s.BinsPerDay = 0 },
		"SeasonRate":          func(s *Settings) { s.SeasonRate = 1.5 },
		"Memory":              func(s *Settings) { s.Memory = 3 },
		"Warmup":              func(s *Settings) { s.Warmup = -1 },
		"AlertAt":             func(s *Settings) { s.AlertAt = math.NaN() },
		"Refractory":          func(s *Settings) { s.Refractory = -1 },
		"Escalation":          func(s *Settings) { s.Escalation = math.NaN() },
		"Habituation":         func(s *Settings) { s.Habituation = -1 },
		"HabituationHalfLife": func(s *Settings) { s.HabituationHalfLife = 0 },
	} {
		s := Defaults()
		change(&s)
		_, err := New(s)
		require.ErrorContains(t, err, name)
	}
}

// No look-ahead: what follows a value cannot change what was said about it.
func TestTheFutureChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one := anySeries(t, 600)
		cut := rapid.IntRange(0, len(one)).Draw(t, "cut")
		other := append(append([]sample{}, one[:cut]...), anySeries(t, 300)...)
		require.Equal(t, judge(t, one)[:cut], judge(t, other)[:cut])
		require.Equal(t, judge(t, one)[:cut], judge(t, one[:cut]))
	})
}

func TestScoresAreScores(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := anySeries(t, 800)
		for i, v := range judge(t, samples) {
			require.True(t, v.Score >= 0 && v.Score < 1, "%+v", v)
			require.Equal(t, v.Alert, v.Score >= 0.5, "%+v", v)
			require.False(t, math.IsNaN(v.Evidence) || math.IsInf(v.Evidence, 0), "%+v", v)
			if x := samples[i].value; math.IsNaN(x) || math.IsInf(x, 0) {
				require.Zero(t, v.Score)
				require.False(t, v.Alert)
			}
		}
	})
}

// What is no number is as if it had not been there, but for the time that passed.
func TestWhatIsNoNumberIsNotLearnt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clean := anySeries(t, 300)
		d, e := mustNew(t), mustNew(t)
		for i, s := range clean {
			if i%7 == 0 {
				d.Observe(s.at, math.NaN())
			}
			require.Equal(t, e.Observe(s.at, s.value), d.Observe(s.at, s.value))
		}
	})
}

func mustNew(tb rapid.TB) *Detector {
	d, err := New(Defaults())
	require.NoError(tb, err)
	return d
}

// The scores do not depend on the unit. A power of two changes no digit, so nothing may change at all.
func TestPowersOfTwoChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := math.Ldexp(1, rapid.IntRange(-80, 80).Draw(t, "exponent"))
		samples := anySeries(t, 600)
		scaled := append([]sample{}, samples...)
		for i := range scaled {
			scaled[i].value *= unit
		}
		want := judge(t, samples)
		for i, v := range judge(t, scaled) {
			require.InDelta(t, want[i].Score, v.Score, 1e-9, "value %d", i)
		}
	})
}

// Any other unit and zero rounds the last digits of values, and with them which of two statistics is larger when they are as good
// as equal. Such a tie moves a rank by one, and with it the evidence a little, until the next fit; beyond that nothing may change.
func TestUnitAndZeroDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		factor := rapid.Float64Range(0.01, 1000).Draw(t, "factor")
		offset := rapid.Float64Range(-1000, 1000).Draw(t, "offset") * factor
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		a, b := mustNew(t), mustNew(t)
		differ := 0
		for i := range 1500 {
			at := monday.Add(time.Duration(i) * 5 * time.Minute)
			x := 10 + r.NormFloat64() + 3*math.Sin(float64(i)/288*2*math.Pi)
			if r.IntN(100) == 0 {
				x += 8
			}
			v, w := a.Observe(at, x), b.Observe(at, x*factor+offset)
			by := math.Abs(v.Evidence - w.Evidence)
			if by > 1e-5 {
				differ++
			}
			if !(by <= 0.05) { // or it is not a number
				t.Fatalf("value %d: %v and %v", i, v.Evidence, w.Evidence)
			}
		}
		require.LessOrEqual(t, differ, 150, "more than a tenth of the evidence changed")
	})
}

func TestAConstantStreamIsSilentUntilItMoves(t *testing.T) {
	for _, constant := range []float64{0, 42, -0.1, 1e-300, 1e300} {
		d := detector(t)
		at := monday
		for range 3000 {
			at = at.Add(time.Minute)
			v := d.Observe(at, constant)
			require.False(t, v.Alert)
			require.Zero(t, v.Evidence)
		}
		if math.Abs(constant) < 1 { // one more than 1e300 is 1e300
			require.True(t, d.Observe(at.Add(time.Minute), constant+1).Alert, "%v + 1", constant)
		}
	}
}

// noisy feeds days of five-minute values around a daily curve, changed by f, and returns the indexes of the alerts.
func noisy(tb testing.TB, values int, f func(i int, x float64) float64) []int {
	tb.Helper()
	d := detector(tb)
	r := rand.New(rand.NewPCG(4, 4))
	var alerts []int
	for i := range values {
		x := 100 + 40*math.Sin(float64(i)/288*2*math.Pi) + 5*r.NormFloat64()
		if d.Observe(monday.Add(time.Duration(i)*5*time.Minute), f(i, x)).Alert {
			alerts = append(alerts, i)
		}
	}
	return alerts
}

func TestWhatIsFoundAndWhen(t *testing.T) {
	const n, onset = 288 * 14, 288*10 + 144
	quiet := noisy(t, n, func(_ int, x float64) float64 { return x })
	require.LessOrEqual(t, len(quiet), 6, "false alarms in 14 undisturbed days: %v", quiet)

	for name, c := range map[string]struct {
		within int // values until the alert
		f      func(i int, x float64) float64
	}{
		"spike": {0, func(i int, x float64) float64 {
			if i == onset {
				return x * 6
			}
			return x
		}},
		"step up": {12, func(i int, x float64) float64 {
			if i >= onset {
				return x + 150
			}
			return x
		}},
		"drop to nothing at the busy hour": {12, func(i int, x float64) float64 {
			if i >= onset-72 && i < onset {
				return 0
			}
			return x
		}},
		"noise": {20, func(i int, x float64) float64 {
			if i >= onset {
				return x + float64(i%2*2-1)*60
			}
			return x
		}},
		"night's level by day": {20, func(i int, x float64) float64 {
			if i >= onset && i < onset+72 {
				return x + 80*math.Abs(math.Sin(float64(i)/288*2*math.Pi))
			}
			return x
		}},
	} {
		t.Run(name, func(t *testing.T) {
			from := onset
			if name == "drop to nothing at the busy hour" {
				from -= 72
			}
			alerts := noisy(t, n, c.f)
			found := false
			for _, i := range alerts {
				found = found || i >= from && i <= from+c.within
			}
			require.True(t, found, "onset at %d, alerts at %v", from, alerts)
		})
	}
}

func TestAHugeValueDoesNotBlindTheDetector(t *testing.T) {
	const huge, onset = 3000, 3600
	for _, size := range []float64{1e6, 1e300, -1e300} {
		alerts := noisy(t, 4000, func(i int, x float64) float64 {
			switch {
			case i == huge:
				return size
			case i >= onset:
				return x + 200
			}
			return x
		})
		require.Contains(t, alerts, huge)
		found := false
		for _, i := range alerts {
			found = found || i >= onset && i < onset+30
		}
		require.True(t, found, "size %g, alerts at %v", size, alerts)
	}
}

func TestWithinAnEpisodeOnlyEscalationsAlert(t *testing.T) {
	d := detector(t)
	for i := range 1000 {
		require.False(t, d.Observe(monday.Add(time.Duration(i)*time.Minute), float64(i%7)).Alert)
	}
	require.InDelta(t, d.s.AlertAt, d.alerts.bar(), 1e-9)
	var alerts []Verdict
	for i := range d.s.Refractory {
		if v := d.Observe(monday.Add(time.Duration(1000+i)*time.Minute), 1000); v.Alert {
			alerts = append(alerts, v)
		}
	}
	require.NotEmpty(t, alerts)
	for i := 1; i < len(alerts); i++ {
		require.GreaterOrEqual(t, alerts[i].Evidence, alerts[i-1].Evidence+d.s.Escalation)
		require.Greater(t, alerts[i].Bar, alerts[0].Bar, "an alert raises the bar")
	}
}

func TestALongGapStartsTheWindowsAnew(t *testing.T) {
	d := detector(t)
	at := monday
	for range 500 {
		at = at.Add(time.Minute)
		d.Observe(at, 5)
	}
	require.True(t, d.recent.full)
	d.Observe(at.Add(30*time.Minute), 5)
	require.True(t, d.recent.full, "half an hour is not yet long")
	d.Observe(at.Add(3*time.Hour), 5)
	require.False(t, d.recent.full)
	require.Equal(t, 1, d.recent.next)
}

func TestTheSeasonKnowsWeekends(t *testing.T) {
	s := newSeason(48, 0.5)
	noon := monday.Add(12 * time.Hour)
	_, known := s.usual(noon)
	require.False(t, known)
	s.add(noon, 10)
	usual, known := s.usual(noon.AddDate(0, 0, 5)) // Saturday
	require.True(t, known, "a weekend borrows from weekdays until it is known")
	require.Equal(t, 10.0, usual)
	s.add(noon.AddDate(0, 0, 5), 2)
	usual, _ = s.usual(noon.AddDate(0, 0, 6))
	require.Equal(t, 2.0, usual)
	usual, _ = s.usual(noon.AddDate(0, 0, 7))
	require.Equal(t, 10.0, usual)
	_, known = s.usual(noon.Add(31 * time.Minute))
	require.False(t, known, "half-hour bins")
}

func TestTheMedianIsThatOfTheWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-9, 9), 1, 60).Draw(t, "values")
		m := newMedian(10)
		for i, x := range values {
			m.add(x)
			window := append([]float64{}, values[max(0, i-9):i+1]...)
			slices.Sort(window)
			require.Equal(t, window[len(window)/2], m.value())
		}
	})
}

func BenchmarkObserve(b *testing.B) {
	b.ReportAllocs()
	r := rand.New(rand.NewPCG(1, 1))
	values := make([]float64, 1<<14)
	for i := range values {
		values[i] = 100 + 10*r.NormFloat64()
	}
	d := detector(b)
	for i := 0; b.Loop(); i++ {
		d.Observe(monday.Add(time.Duration(i)*time.Minute), values[i&(len(values)-1)])
	}
}
