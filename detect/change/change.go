// Package change finds slow changes of the level of counts: a key that makes half as much again each hour as it used to, day after day,
// without any hour that is odd by itself; or one that fades.
//
// A [Drift] holds six CUSUM sums (Page 1954) of the log-likelihood ratio of negative binomial counts, for levels of 1.5, 2 and 4 times
// the expected one and for their inverses. Each bucket's own expectation enters, so it may follow hours and weekdays.
//
// Calibration. exp of the ratio has mean 1 under the expected level. So in the stationary state a sum reaches h with probability at
// most exp(-h) at any one time (Lundberg's inequality, by Kingman's duality with the maximum of a random walk), and the mean number of
// buckets until it first does is at least exp(h) (Lorden 1971). [Drift.Up] and [Drift.Down] are therefore surprises, -log10 of a valid
// p-value of the current time, with Bonferroni's price for the three levels: at surprise 4 at most one bucket in 10,000, and a mean
// time to the first false alarm of at least 10,000 buckets. Both bounds hold if the expectation and the size are right; an expectation
// that was learnt from n buckets is off by itself, and the sums collect what it is off: judge only after long learning, and take
// a size that is too small rather than too large.
//
// One bucket adds at most [MaxStep] to a sum: a single spike belongs to the volume detector, and the cap keeps the bounds (it makes the
// steps smaller). State is 24 bytes. No I/O; the owner serialises access.
package change

import "math"

// MaxStep is the most that one bucket adds to a sum, in nats: four buckets at least for surprise 4.
const MaxStep = 3.0

// levels are the changes that are looked for; between and beyond them detection is slower, not absent.
var levels = [...]float64{1.5, 2, 4}

// Drift watches one stream of counts in buckets of equal length. The zero value is ready.
type Drift struct {
	up, down [len(levels)]float32
}

// Observe takes the count of a bucket, what was expected there, and the size of the negative binomial (its variance is
// mean + mean²/size; math.Inf(1) is Poisson). A bucket without a positive finite expectation and a positive size, or with a
// count that is negative or no finite number, changes nothing.
func (d *Drift) Observe(count, mean, size float64) {
	if !(mean > 0) || math.IsInf(mean, 1) || !(size > 0) || !(count >= 0) || math.IsInf(count, 1) {
		return
	}
	for i, level := range levels {
		d.up[i] = next(d.up[i], LogRatio(count, mean, size, level))
		d.down[i] = next(d.down[i], LogRatio(count, mean, size, 1/level))
	}
}

func next(sum float32, step float64) float32 {
	return float32(max(0, float64(sum)+min(step, MaxStep)))
}

// Up is the surprise about more than expected, Down about less. At least 0.
func (d *Drift) Up() float64   { return surprise(d.up) }
func (d *Drift) Down() float64 { return surprise(d.down) }

// UpBy and DownBy are the changes that explain the counts best, as a factor of the expectation; 1 if nothing was collected.
func (d *Drift) UpBy() float64   { return best(d.up, false) }
func (d *Drift) DownBy() float64 { return best(d.down, true) }

// Reset forgets what was collected: after an alert, or when the expectation was learnt anew.
func (d *Drift) Reset() { *d = Drift{} }

func surprise(sums [len(levels)]float32) float64 {
	most := float32(0)
	for _, s := range sums {
		most = max(most, s)
	}
	return max(0, float64(most)*math.Log10E-math.Log10(float64(len(levels))))
}

func best(sums [len(levels)]float32, inverse bool) float64 {
	most, by := float32(0), 1.0
	for i, s := range sums {
		if s > most {
			most, by = s, levels[i]
		}
	}
	if inverse {
		return 1 / by
	}
	return by
}

// LogRatio is the logarithm of how much likelier the count is at level*mean than at mean, for negative binomial counts of this
// size at both. The binomial coefficient cancels; what is left is written so that it passes into Poisson's for a large size.
func LogRatio(count, mean, size, level float64) float64 {
	more := (level - 1) * mean
	if math.IsInf(size, 1) {
		return count*math.Log(level) - more
	}
	l := math.Log1p(more / (mean + size))
	step := count*(math.Log(level)-l) - size*l
	if math.IsNaN(step) { // both terms overflowed
		return 0
	}
	return step
}
