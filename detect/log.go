package detect

import "math"

// Every record has some quantities of which the logarithm is needed. math.Log divides, and takes twice as long as this does: the table's entry for the
// upper seven bits of the mantissa brings the rest so near to 1 that five terms of the series give what a float64 holds.
const logBits = 7

var logTable = func() (table [1 << logBits]struct{ inverse, log float64 }) {
	for i := range table {
		// Rounded to a float32, so that the product with a float32 is exact.
		inverse := float64(float32(1 / (1 + (float64(i)+0.5)/float64(len(table)))))
		table[i].inverse, table[i].log = inverse, -math.Log(inverse)
	}
	return table
}()

// logOf is the natural logarithm of x, which is 1e-37 at least and finite, to 4e-15.
func logOf(x float32) float64 {
	const mantissa, bias = 23, 127
	bits := math.Float32bits(x)
	near := &logTable[bits>>(mantissa-logBits)%(1<<logBits)]
	r := float64(math.Float32frombits(bits&(1<<mantissa-1)|bias<<mantissa))*near.inverse - 1
	series := r * (1 + r*(-1.0/2+r*(1.0/3+r*(-1.0/4+r*(1.0/5)))))
	return float64(int32(bits>>mantissa)-bias)*math.Ln2 + (near.log + series)
}
