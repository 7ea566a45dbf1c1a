package detect

import "math"

// Every record has some quantities of which the logarithm is needed, and each look at a client takes dozens of logarithms. The standard library's divides,
// and takes twice as long as one by a table: the entry for the upper seven bits of the mantissa brings the rest so near to 1 that five terms of the series
// give what a float64 holds. What these functions return differs from math's in the last bits.
const logBits = 7

var logTable = func() (table [1 << logBits]struct{ inverse, log float64 }) {
	for i := range table {
		// Rounded to a float32, so that the product with one is exact.
		inverse := float64(float32(1 / (1 + (float64(i)+0.5)/float64(len(table)))))
		table[i].inverse, table[i].log = inverse, -math.Log(inverse)
	}
	return table
}()

// ln is the natural logarithm, as math.Log is, to 1e-15 of the result, and around 1 to 1e-15 in all.
func ln(x float64) float64 {
	const mantissa, bias = 52, 1023
	if !(x >= 0x1p-1022 && x <= math.MaxFloat64) {
		return math.Log(x)
	}
	bits := math.Float64bits(x)
	near := &logTable[bits>>(mantissa-logBits)%(1<<logBits)]
	r := math.Float64frombits(bits&(1<<mantissa-1)|bias<<mantissa)*near.inverse - 1
	r2 := r * r // in pairs, which the processor works out side by side
	series := r + r2*((-1.0/2+r*(1.0/3))+r2*(-1.0/4+r*(1.0/5)))
	return float64(int64(bits>>mantissa)-bias)*math.Ln2 + (near.log + series)
}

func log10(x float64) float64 { return ln(x) * math.Log10E }

// pow10 is 10^x.
func pow10(x float64) float64 { return math.Exp(x * math.Ln10) }

// lbeta is the logarithm of the beta function of positive arguments: Stirling's series for each of the three gamma functions, from stirlingFrom on.
// What brings smaller arguments there is one logarithm for all three of them.
func lbeta(a, b float64) float64 {
	if !(min(a, b) > 1e-60) { // also of no number
		x, _ := math.Lgamma(a)
		y, _ := math.Lgamma(b)
		z, _ := math.Lgamma(a + b)
		return x + y - z
	}
	x, p := stirling(a)
	y, q := stirling(b)
	z, r := stirling(a + b)
	if less := p * q / r; less != 1 {
		return x + y - z - ln(less)
	}
	return x + y - z
}

const stirlingFrom = 8

// stirling is the logarithm of the gamma function of x with that of less added.
func stirling(x float64) (lgamma, less float64) {
	less = 1
	if x < stirlingFrom {
		t := x * (x + 7)                           // (x+1)(x+6) is t+6, and so on
		less = t * (t + 6) * ((t + 10) * (t + 12)) // x(x+1)...(x+7)
		x += 8
	}
	z := 1 / x
	z2 := z * z
	z4 := z2 * z2
	series := z * ((1.0/12 - z2*(1.0/360)) + z4*((1.0/1260-z2*(1.0/1680))+z4*(1.0/1188-z2*(691.0/360360))))
	return (x-0.5)*ln(x) - x + (0.91893853320467274178 + series), less
}
