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

func TestACalmClientIsLessOfAStrangerForAnAlert(t *testing.T) {
	before := float64(0)
	for hours := int64(0); hours < 30*24; hours += 6 {
		a := &actor{last: hours * hourMillis}
		s := a.calm()
		if s < before || s > maxCalm || hours <= 48 && s != 0 {
			t.Errorf("after %d hours: %v, before: %v", hours, s, before)
		}
		before = s
	}
}
