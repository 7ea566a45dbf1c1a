package detect

import (
	"math"
	"testing"
)

func TestAnAddressThatChangedDuringASilenceIsLessOfAnAlert(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	const now = 60 * 86400e3
	known, fresh := &entry{n: establishedBit}, &entry{}
	for _, c := range []struct {
		name       string
		silentDays float64
		net        *entry
		line       float64 // what the line explains
	}{
		{"no silence", 0, known, 0},
		{"nine days of silence are ten days' chance", 9, known, 1},
		{"another network is no renumbered line", 9, fresh, 0},
	} {
		k := keyState{born: 86400e3, gapSec: uint32(c.silentDays * 86400), days: 20}
		a := actor{first: now, fresh: true}
		e.meet(&k, &a, c.net, &entry{}, known)
		if math.Abs(float64(a.line)-c.line) > 0.01 {
			t.Errorf("%s: the line explains %.2f of %.2f, want %.2f", c.name, a.line, a.who, c.line)
		}
	}
}
