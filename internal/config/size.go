package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// size is a number of MiB, as a flag.
type size int

var errSize = errors.New("is not a size such as 512MiB or 2GiB")

// Set takes a whole number of MiB, or one with a unit.
func (n *size) Set(text string) error {
	factor := 1
	number, isGiB := strings.CutSuffix(text, "GiB")
	if isGiB {
		factor = 1024
	} else {
		number = strings.TrimSuffix(number, "MiB")
	}
	x, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || x > math.MaxInt32/factor || x < math.MinInt32/factor {
		return errSize
	}
	*n = size(x * factor)
	return nil
}

func (n *size) String() string { return strconv.Itoa(int(*n)) }

func (*size) Type() string { return "size" }
