// Package series finds anomalies in one stream of (time, value): a metric, a counter's rate, a platform's total.
//
// Four statistics look at the value from different sides, each made comparable by its own past (package tail):
//
//   - level: how far the mean of the last 20 values is from the running median; sustained shifts;
//   - spread: the standard deviation of the last 30 values; bursts, noise, instability;
//   - season: how far the last 10 values lie, on average, from what is usual at their time of day, weekdays and
//     weekends apart; the right amount at the wrong hour;
//   - point: the same for the newest value alone; single spikes and drops.
//
// Their -log10 p-values are averaged: Fisher's combination, with one bar for the average, since the four are dependent.
// A second calibration of the average per stream would look tidier and loses a fifth of the NAB score.
//
// An alert is the beginning of an episode. After it the stream stays silent for [Settings.Refractory] values unless
// evidence rises by [Settings.Escalation] decades more; and each alert raises the bar of the stream a little, for a while
// (habituation), so that a stream that does odd things every day has to do an odder one. Both count values, not hours, and neither knows
// how long the stream will be.
//
// There is no look-ahead: what is said about a value depends on that value and those before it; a test cuts streams short to hold
// that. There is one set of constants, [Defaults], for all streams; how far the score depends on them is in SERIES.md.
//
// Sampling may be irregular: the windows count values, only the season looks at the clock. After a gap that is far longer than
// usual the short windows start anew, since their values no longer belong together. Equal or backward times are accepted. Values that
// are no finite number are answered with score 0 and not learnt.
//
// A [Detector] takes about 400 KB for a long stream and about 1 µs per value. It does no I/O, reads no clock, and belongs to one
// goroutine.
package series

import (
	"math"
	"time"

	"github.com/tollkeeper/tollkeeper/detect/tail"
)

// Settings are the constants of a detector. [Defaults] gives the ones that are used everywhere; others are for measuring how
// much depends on them.
type Settings struct {
	LevelWindow  int // values in the mean that is compared with the median
	SpreadWindow int // values in the standard deviation
	SeasonWindow int // values in the seasonal mean residual
	MedianWindow int // values in the running median
	BinsPerDay   int // time-of-day bins
	// SeasonRate is the weight of a new value in the level of its bin, in (0, 1].
	SeasonRate float64
	// Memory is the number of past values of each statistic that calibrate it.
	Memory int
	// Warmup is the number of values before which there are no alerts.
	Warmup int
	// AlertAt is the mean surprise (-log10 p) from which a value raises an alert.
	AlertAt float64
	// Refractory is the number of values after an alert during which there is no other one.
	Refractory int
	// Escalation is how much more surprise than at the last alert breaks the silence.
	Escalation float64
	// Habituation is what each alert adds to AlertAt, halved every HabituationHalfLife values.
	Habituation         float64
	HabituationHalfLife float64
}

// Defaults are the constants for every stream. They were chosen on one half of the Numenta corpus for being in the middle
// of a plateau, not for the best score there: see SERIES.md.
func Defaults() Settings {
	return Settings{
		LevelWindow: 20, SpreadWindow: 30, SeasonWindow: 10, MedianWindow: 4000, BinsPerDay: 48, SeasonRate: 0.07,
		Memory: 6000, Warmup: 64,
		AlertAt: 1.65, Refractory: 100, Escalation: 2, Habituation: 0.25, HabituationHalfLife: 700,
	}
}

// Statistic names one of the four views.
type Statistic int

// The statistics, in the order of [Verdict.Surprise].
const (
	Level Statistic = iota
	Spread
	Season
	Point
	statistics
)

// Verdict is what the detector says about one value.
type Verdict struct {
	// Score is in [0, 1): at least 0.5 exactly for alerts, more for stronger ones; below 0.5 it grows with the evidence of
	// values that raised no alert.
	Score float64
	// Alert says that an episode begins (or escalates) here.
	Alert bool
	// Evidence is the mean of Surprise, Bar what it had to reach.
	Evidence, Bar float64
	// Surprise is -log10 of each statistic's p-value.
	Surprise [statistics]float64
	// Usual is the level that is usual at this time of day, the running median while that is not known.
	Usual float64
}

// Detector watches one stream. Make one with New.
type Detector struct {
	s      Settings
	recent ring // values, newest last
	errors ring // seasonal residuals
	median median
	season season
	tails  [statistics]*tail.Exact
	gaps   gaps

	seen   int // finite values
	alerts alerts
}

// New returns a detector for one stream.
func New(s Settings) (*Detector, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	e, err := tail.New(tail.Settings{Memory: s.Memory})
	if err != nil {
		return nil, err
	}
	d := &Detector{
		s:      s,
		recent: newRing(max(s.LevelWindow, s.SpreadWindow)),
		errors: newRing(s.SeasonWindow),
		median: newMedian(s.MedianWindow),
		season: newSeason(s.BinsPerDay, s.SeasonRate),
		alerts: newAlerts(s),
	}
	for i := range d.tails {
		d.tails[i] = e.NewExact()
	}
	return d, nil
}

// Observe judges the next value and learns it.
func (d *Detector) Observe(at time.Time, value float64) Verdict {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return Verdict{Bar: d.alerts.bar(), Usual: d.median.value()}
	}
	value = max(-largest, min(value, largest))
	if d.gaps.add(at) {
		d.recent.clear()
		d.errors.clear()
	}
	v := Verdict{Bar: d.alerts.bar()}
	middle := d.median.value()
	usual, known := d.season.usual(at)
	if !known {
		usual = middle
	}
	v.Usual = usual

	d.recent.push(value)
	var statistic [statistics]float64
	if d.seen > 0 {
		residual := value - usual
		d.errors.push(residual)
		statistic[Level] = math.Abs(d.recent.mean(d.s.LevelWindow) - middle)
		statistic[Spread] = d.recent.deviation(d.s.SpreadWindow)
		statistic[Season] = math.Abs(d.errors.mean(d.s.SeasonWindow))
		statistic[Point] = math.Abs(residual)
		magnitude := max(d.recent.largest(), math.Abs(middle), math.Abs(usual))
		for i, x := range statistic {
			x = significant(x, magnitude)
			v.Surprise[i] = max(0, -math.Log10(d.tails[i].Observe(x)))
			v.Evidence += v.Surprise[i] / float64(statistics)
		}
	}
	d.median.add(value)
	d.season.add(at, value)
	d.seen++
	v.Alert = d.alerts.next(v.Evidence)
	v.Score = score(v)
	return v
}
