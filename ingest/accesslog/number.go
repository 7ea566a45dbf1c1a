package accesslog

import (
	"math"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// numberFault says what is wrong with a number.
type numberFault uint8

const (
	numberOK numberFault = iota
	numberMalformed
	numberNegative
	numberTooLarge
	numberFraction // more digits than the target has, and they are not zero
)

var numberFaultText = [...]string{"", "is not a number", "is negative", "is too large", "is not a whole number"}

var powersOfTen = [20]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// parseScaled reads a decimal number, with fraction and exponent if there are, and returns it times 10^scale, rounded half up.
// It works in integers: no digit is lost on the way through a float.
func parseScaled(b []byte, scale int) (int64, numberFault) {
	v, rest, fault := scaled(b, scale)
	if fault == numberOK && rest {
		return v, numberOK
	}
	return v, fault
}

// parseInt reads a whole number; 12.0 and 1.2e1 are ones too.
func parseInt(b []byte) (int64, numberFault) {
	if n := len(b); n > 0 && n <= 18 { // nearly all numbers
		var v int64
		for _, c := range b {
			c -= '0'
			if c > 9 {
				v = -1
				break
			}
			v = v*10 + int64(c)
		}
		if v >= 0 {
			return v, numberOK
		}
	}
	v, rest, fault := scaled(b, 0)
	if fault == numberOK && rest {
		return 0, numberFraction
	}
	return v, fault
}

// parseAmount reads how many bytes or units a call took.
func parseAmount(b []byte) (int64, numberFault) {
	n, fault := parseInt(b)
	if n > usage.MaxAmount {
		return 0, numberTooLarge
	}
	return n, fault
}

// scaled does the work of both; rest says that digits were rounded away.
func scaled(b []byte, scale int) (v int64, rest bool, fault numberFault) {
	i, negative := 0, false
	if i < len(b) && (b[i] == '-' || b[i] == '+') {
		negative = b[i] == '-'
		i++
	}
	var mantissa uint64
	digits, exponent, any := 0, scale, false
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		any = true
		if digits < 19 {
			if mantissa = mantissa*10 + uint64(b[i]-'0'); mantissa > 0 {
				digits++
			}
		} else {
			exponent++
			rest = rest || b[i] != '0'
		}
	}
	if i < len(b) && b[i] == '.' {
		for i++; i < len(b) && b[i]-'0' <= 9; i++ {
			any = true
			if digits < 19 {
				exponent--
				if mantissa = mantissa*10 + uint64(b[i]-'0'); mantissa > 0 {
					digits++
				}
			} else {
				rest = rest || b[i] != '0'
			}
		}
	}
	if !any {
		return 0, false, numberMalformed
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		sign := 1
		if i < len(b) && (b[i] == '-' || b[i] == '+') {
			if b[i] == '-' {
				sign = -1
			}
			i++
		}
		from, e := i, 0
		for ; i < len(b) && b[i]-'0' <= 9; i++ {
			if e < 1e6 {
				e = e*10 + int(b[i]-'0')
			}
		}
		if i == from {
			return 0, false, numberMalformed
		}
		exponent += sign * e
	}
	if i != len(b) {
		return 0, false, numberMalformed
	}
	if mantissa == 0 {
		return 0, rest, numberOK // -0 is 0
	}
	if negative {
		return 0, false, numberNegative
	}
	switch {
	case exponent >= 19, exponent > 0 && mantissa > math.MaxInt64/powersOfTen[exponent]:
		return 0, false, numberTooLarge
	case exponent >= 0:
		if mantissa *= powersOfTen[exponent]; mantissa > math.MaxInt64 {
			return 0, false, numberTooLarge
		}
		return int64(mantissa), rest, numberOK
	case exponent < -19:
		return 0, true, numberOK
	}
	p := powersOfTen[-exponent]
	whole, left := mantissa/p, mantissa%p
	if left >= p-left {
		whole++
	}
	if whole > math.MaxInt64 {
		return 0, false, numberTooLarge
	}
	return int64(whole), rest || left != 0, numberOK
}
