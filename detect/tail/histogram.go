package tail

import "math"

const (
	// buckets spans six octaves at a resolution of 9% (scale 3).
	buckets = 48
	// unitsPerObservation is the fixed-point unit of the counts: weights are eighths, and a decay step keeps fractions.
	// 16 bits then hold MaxMemory observations in one bucket.
	unitsPerObservation = 8
	// finestScale is the finest resolution: 2^(1/128), 0.5% wide buckets. coarsestScale: one bucket per four octaves.
	finestScale   = 7
	coarsestScale = -2
	// tiny and huge bound what is told apart: below tiny is zero, above huge is huge.
	tiny = 1e-290
	huge = 1e290
	// The window is moved or coarsened when more than crowded of the mass lies at or below its lowest bucket, and refined only
	// if at most roomy would: the gap keeps it from swinging.
	crowded = 0.5
	roomy   = 0.25
	// atom is the share, as 1/atom, above which a bucket is not interpolated.
	atom = 4
	// headroom is how many buckets stay free above the largest value when the window is placed anew.
	headroom = buckets / 8
)

// Tail is the memory of one statistic of one stream: a decayed histogram of exponential buckets in the manner of
// OpenTelemetry's exponential histogram (bucket i of scale s holds [2^(i/2^s), 2^((i+1)/2^s))), and the fitted law above its
// threshold. The window of buckets follows the upper half of the distribution, where the tail is; what lies under the window
// counts in the lowest bucket. Whether a value is told apart from another therefore depends on their ratio: use it for
// statistics whose scale starts near 0 (counts, absolute residuals, deviations), or subtract a location first.
//
// The zero value is an empty memory. A Tail holds no pointers, may be copied, and takes about 144 bytes.
type Tail struct {
	counts [buckets]uint16 // in units; counts[0] also holds everything positive below the window
	from   float64         // threshold of the law, in the statistic's units
	law32  struct{ shape, scale float32 }
	total  uint32 // units, zero included; kept equal to the sum
	base   int32  // absolute index of bucket 0 at this scale
	// threshold is the absolute index of the first bucket above `from`.
	threshold int32
	zero      uint16 // units at zero
	since     uint16 // units learnt since the last fit
	scale     int8
	placed    bool // base and scale are set
	fitted    bool
}

// Count is the number of observations that the memory holds, after decay.
func (t *Tail) Count() float64 { return float64(t.total) / unitsPerObservation }

// Threshold returns where the Pareto law takes over, and the law. The last result says whether there is one.
func (t *Tail) Threshold() (from float64, law GPD, fitted bool) { return t.from, t.law(), t.fitted }

// The scale is kept relative to the threshold, so that a float32 holds it for any magnitude of the statistic.
func (t *Tail) law() GPD {
	return GPD{Shape: float64(t.law32.shape), Scale: float64(t.law32.scale) * t.from}
}

func weightUnits(weight float64) uint16 {
	if !(weight > 0) {
		return 0
	}
	return uint16(max(1, math.Round(min(weight, 1)*unitsPerObservation)))
}

func addSaturating(a, b uint16) uint16 {
	if s := a + b; s >= a {
		return s
	}
	return math.MaxUint16
}

// finest is the absolute index of x, which is within tiny and huge, at the finest scale; coarser ones follow by shifting. It is the floor of 128 binary
// logarithms, for a tenth of the price: the upper bits of the mantissa leave one edge of a bucket at most that x may lie beyond.
func finest(x float64) int {
	bits := math.Float64bits(x)
	cell := &cells[bits>>(mantissaBits-cellBits)%(1<<cellBits)]
	i := (int(bits>>mantissaBits)-exponentBias)<<finestScale + int(cell.first)
	if bits&(1<<mantissaBits-1) >= cell.edge {
		i++
	}
	return i
}

const (
	mantissaBits, exponentBias = 52, 1023 // of a float64
	cellBits                   = finestScale + 1
)

// cell is the mantissas with the same upper bits. A bucket of the finest scale is wider, so that they lie in one or two.
type cell struct {
	edge  uint64 // the mantissa from which it is the second one
	first uint8
}

var cells = func() (cells [1 << cellBits]cell) {
	mantissa := func(x float64) uint64 { return math.Float64bits(x) & (1<<mantissaBits - 1) }
	for i := range cells {
		first := math.Floor(math.Log2(1+float64(i)/float64(len(cells))) * (1 << finestScale))
		cells[i].first, cells[i].edge = uint8(first), 1<<mantissaBits
		if next := math.Exp2((first + 1) / (1 << finestScale)); next < 2 {
			cells[i].edge = mantissa(next)
		}
	}
	return cells
}()

// position is the bucket of x relative to the window; it may lie outside.
func (t *Tail) position(x float64) int {
	return finest(x)>>(finestScale-int(t.scale)) - int(t.base)
}

// edge is the lower edge of bucket i of the window.
func (t *Tail) edge(i int) float64 {
	return math.Exp2(math.Ldexp(float64(int(t.base)+i), -int(t.scale)))
}

// above is the weight in units at and above bucket i.
func (t *Tail) above(i int) float64 {
	var sum uint32
	for _, c := range t.counts[min(i, buckets):] {
		sum += uint32(c)
	}
	return float64(sum)
}

// aboveWithin is the weight at or above x, which lies in bucket i: interpolated inside the bucket for a continuous statistic,
// the whole bucket for a discrete one, for the lowest bucket, whose extent is not known, and for a bucket so heavy that it is
// rather an atom (a stream that mostly repeats one value).
func (t *Tail) aboveWithin(i int, x float64, discrete bool) float64 {
	switch {
	case i >= buckets:
		return 0
	case i <= 0 || discrete || uint32(t.counts[i]) > t.total/atom:
		return t.above(max(i, 0))
	}
	low, high := t.edge(i), t.edge(i+1)
	inside := min(max((high-x)/(high-low), 0), 1)
	return t.above(i+1) + inside*float64(t.counts[i])
}

func (t *Tail) insert(x float64, units uint16) {
	if !t.placed {
		t.placed, t.scale = true, finestScale
		t.base = int32(finest(x) - (buckets - 1 - headroom))
	}
	i := t.position(x)
	for i >= buckets {
		// Moving up loses resolution below; coarsening loses it everywhere, but keeps the median in the window.
		shift := i - (buckets - 1)
		if t.scale > coarsestScale && t.below(shift+1) > crowded*t.positive() {
			t.coarsen()
		} else {
			t.moveUp(shift)
		}
		i = t.position(x)
	}
	i = max(i, 0)
	t.counts[i] = addSaturating(t.counts[i], units)
}

// below is the weight of the lowest n buckets.
func (t *Tail) below(n int) float64 {
	var sum uint32
	for _, c := range t.counts[:min(n, buckets)] {
		sum += uint32(c)
	}
	return float64(sum)
}

// positive is the weight of all buckets.
func (t *Tail) positive() float64 { return float64(t.total - uint32(t.zero)) }

func (t *Tail) moveUp(shift int) {
	old := t.counts
	t.counts = [buckets]uint16{}
	for i, c := range old {
		to := max(i-shift, 0)
		t.counts[to] = addSaturating(t.counts[to], c)
	}
	t.base += int32(shift)
	t.since = math.MaxUint16 / 2 // the fit's threshold may have left the window
}

// moveDown makes room below. What lay below the window keeps its old upper edge: where in the new buckets it belongs is not
// known, and the higher place makes p-values larger, never smaller.
func (t *Tail) moveDown(shift int) {
	old := t.counts
	t.counts = [buckets]uint16{}
	copy(t.counts[shift:], old[:buckets-shift])
	t.base -= int32(shift)
}

// coarsen doubles the width of the buckets and keeps the top of the window where it is: two buckets become one, from the top down.
func (t *Tail) coarsen() {
	top := t.base + buckets - 1
	to, from := buckets-1, buckets-1
	if top&1 == 0 { // the topmost bucket is the lower half of a wider one
		from--
		to--
	}
	for ; from > 0; from, to = from-2, to-1 {
		t.counts[to] = addSaturating(t.counts[from], t.counts[from-1])
	}
	if from == 0 {
		t.counts[to] = t.counts[0]
		to--
	}
	clear(t.counts[:to+1])
	t.base, t.scale = top>>1-(buckets-1), t.scale-1
	t.since = math.MaxUint16 / 2
}

// refine halves the width of the buckets below top and splits each count evenly; the top of the new window is headroom above top.
func (t *Tail) refine(top int) {
	old, oldBase := t.counts, int(t.base)
	t.counts = [buckets]uint16{}
	base := 2*(oldBase+top) + 1 + headroom - (buckets - 1)
	for i, c := range old {
		for half, units := range [2]uint16{c - c/2, c / 2} {
			to := max(2*(oldBase+i)+half-base, 0)
			if units > 0 {
				t.counts[to] = addSaturating(t.counts[to], units)
			}
		}
	}
	t.base, t.scale = int32(base), t.scale+1
}

// rebalance lets the window follow the data: down or coarser when too much lies below it, finer when there is room. Called
// before a fit, so that its cost is shared by many observations.
func (t *Tail) rebalance(discrete bool) {
	if !t.placed {
		return
	}
	top := buckets - 1
	for top >= 0 && t.counts[top] == 0 {
		top--
	}
	if top < 0 { // all decayed: place the window anew by the next value
		t.placed, t.fitted = false, false
		return
	}
	positive := t.positive()
	if float64(t.counts[0]) > crowded*positive {
		if free := buckets - 1 - headroom - top; free > 0 {
			t.moveDown(free)
		} else if t.scale > coarsestScale {
			t.coarsen()
		}
		return
	}
	// Refining a discrete statistic would move half of an atom to where no value can be.
	if !discrete && t.scale < finestScale {
		lowest := top - (buckets-1-headroom)/2 // what the finer window reaches down to
		if t.below(max(lowest+1, 1)) <= roomy*positive {
			t.refine(top)
		}
	}
}

// decay takes a quarter off every count, rounded so that the last unit goes too.
func (t *Tail) decay() {
	quarter := func(c uint16) uint16 { return c - uint16((uint32(c)+3)/4) }
	t.zero = quarter(t.zero)
	t.total = uint32(t.zero)
	for i, c := range t.counts {
		t.counts[i] = quarter(c)
		t.total += uint32(t.counts[i])
	}
}

// refitAfter is how many units are learnt between fits: often while young, every 1/32 of the memory later.
func (t *Tail) refitAfter() uint16 {
	return uint16(max(unitsPerObservation*4, t.total/32))
}

// fit chooses the threshold and fits the law above it.
func (t *Tail) fit(s Settings) {
	t.since, t.fitted = 0, false
	if t.Count() < minFitCount {
		return
	}
	target := max(s.TailShare*float64(t.total), minExceedances*unitsPerObservation)
	at, above := 0, 0.0
	for i := buckets - 1; i >= 1; i-- { // never bucket 0: its lower edge is not known
		next := above + float64(t.counts[i])
		if next >= target {
			at = i
			// The edge above may be nearer to the target: a heavy bucket (an atom) is better left to the body.
			if above >= target/2 && target/above < next/target {
				at = i + 1
			}
			break
		}
		above = next
		if t.counts[i] > 0 {
			at = i
		}
	}
	if at == 0 {
		return
	}
	if at < buckets && uint32(t.counts[at]) > t.total/atom {
		at++ // an atom belongs to the body as a whole
	}
	from := t.edge(at)
	if s.Discrete {
		from = max(math.Ceil(from)-0.5, 0.5)
	}
	var m moments
	for i := buckets - 1; i >= at; i-- {
		if t.counts[i] > 0 {
			m.add(max(t.centre(i, s.Discrete)-from, 0), float64(t.counts[i])/unitsPerObservation)
		}
	}
	law, ok := m.law(s.MaxShape)
	if !ok {
		return
	}
	t.from, t.threshold, t.fitted = from, t.base+int32(at), true
	t.law32.shape, t.law32.scale = float32(law.Shape), float32(law.Scale/from)
	if !(t.law32.scale > 0) {
		t.fitted = false
	}
}

// centre is the mean of the values that bucket i stands for.
func (t *Tail) centre(i int, discrete bool) float64 {
	low, high := t.edge(i), t.edge(i+1)
	if discrete {
		if first, last := math.Ceil(low*(1-1e-12)), math.Ceil(high*(1-1e-12))-1; last >= first {
			return (first + last) / 2
		}
	}
	return (low + high) / 2
}
