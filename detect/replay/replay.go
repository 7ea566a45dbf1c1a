// Package replay judges the judge: it scores decisions against labelled traffic, gathers decisions into episodes, says what
// a stricter threshold would have changed, and draws the report of a backtest.
//
// It is pure: callers read the files and hand in values. The score is that of the shared score.py, number for number.
package replay

import (
	"encoding/json"
	"fmt"
	"sort"
	"time"

	"github.com/tollkeeper/tollkeeper/detect"
)

// Label is a stretch of a key's traffic of which it is known what a good detector does with it.
type Label struct {
	KeyID  string    `json:"key_id"`
	Family string    `json:"family"`
	Expect string    `json:"expect"` // suspend, flag or benign
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
}

// Expectations of a label.
const (
	ExpectSuspend = "suspend"
	ExpectFlag    = "flag"
	ExpectBenign  = "benign"
)

// Grace is how long after an episode's end a decision still counts for it.
const Grace = 5 * time.Minute

// ParseLabels reads a labels file, a JSON list. Times without a zone are UTC.
func ParseLabels(file []byte) ([]Label, error) {
	var labels []Label
	if err := json.Unmarshal(file, &labels); err != nil {
		return nil, fmt.Errorf("labels: %w", err)
	}
	for i, l := range labels {
		switch {
		case l.Expect != ExpectSuspend && l.Expect != ExpectFlag && l.Expect != ExpectBenign:
			return nil, fmt.Errorf("labels: number %d expects %q: write suspend, flag or benign", i, l.Expect)
		case !l.Start.Before(l.End):
			return nil, fmt.Errorf("labels: number %d ends before it starts", i)
		}
	}
	return labels, nil
}

// Score is how a run did against labels.
type Score struct {
	KeyDays          float64           `json:"key_days"`
	SuspendEpisodes  int               `json:"suspend_episodes"`
	SuspendRecall    float64           `json:"suspend_recall"`
	FlagRecall       float64           `json:"flag_recall"`
	FalseSuspends    int               `json:"false_suspends"`
	FalseSuspendRate float64           `json:"false_suspends_per_1000_key_days"`
	FalseFlagDays    int               `json:"false_flag_days"`
	FalseFlagRate    float64           `json:"false_flags_per_1000_key_days"`
	SecondsMedian    float64           `json:"seconds_to_suspend_median"`
	SecondsP90       float64           `json:"seconds_to_suspend_p90"`
	RequestsMedian   float64           `json:"requests_to_suspend_median"`
	Families         map[string]Family `json:"families"`
}

// Family is the part of one family of episodes.
type Family struct {
	Episodes  int `json:"episodes"`
	Suspended int `json:"suspended"`
	Flagged   int `json:"flagged"`
}

// Traffic is what the score needs to know of the records.
type Traffic struct {
	Keys        int
	First, Last int64              // Unix milliseconds
	Times       map[string][]int64 // of the keys with an episode that expects a suspension, in order
}

// Counts says whether a decision is one: a flag or a suspension that was opened or became more.
func Counts(d *detect.Decision) (suspend, ok bool) {
	if d.Phase > detect.PhaseEscalated || d.Action < detect.ActionFlag || d.KeyID == "" {
		return false, false
	}
	return d.Action >= detect.ActionQuarantine, true
}

// Rate scores decisions.
func Rate(labels []Label, traffic Traffic, decisions []detect.Decision) Score {
	days := float64(traffic.Last-traffic.First) / 86400e3
	s := Score{KeyDays: float64(traffic.Keys) * days, Families: map[string]Family{}}
	byKey := map[string][]*detect.Decision{}
	for i := range decisions {
		if _, ok := Counts(&decisions[i]); ok {
			byKey[decisions[i].KeyID] = append(byKey[decisions[i].KeyID], &decisions[i])
		}
	}
	var delays, requests []float64
	suspended, flagged, wanted := 0, 0, 0
	covered := map[string][][2]int64{}
	for _, l := range labels {
		from, to := l.Start.UnixMilli(), l.End.Add(Grace).UnixMilli()
		if l.Expect != ExpectBenign {
			covered[l.KeyID] = append(covered[l.KeyID], [2]int64{from, to})
		}
		first, any := int64(0), false
		for _, d := range byKey[l.KeyID] {
			if d.TimeMillis < from || d.TimeMillis > to {
				continue
			}
			any = true
			if stop, _ := Counts(d); stop && (first == 0 || d.TimeMillis < first) {
				first = d.TimeMillis
			}
		}
		f := s.Families[l.Expect+"/"+l.Family]
		f.Episodes++
		if first > 0 {
			f.Suspended++
		}
		if any {
			f.Flagged++
		}
		s.Families[l.Expect+"/"+l.Family] = f
		if l.Expect != ExpectBenign {
			wanted++
			if any {
				flagged++
			}
		}
		if l.Expect == ExpectSuspend {
			s.SuspendEpisodes++
			if first > 0 {
				suspended++
				delays = append(delays, float64(first-from)/1000)
				requests = append(requests, float64(between(traffic.Times[l.KeyID], from, first)))
			}
		}
	}
	s.SuspendRecall, s.FlagRecall = ratio(suspended, s.SuspendEpisodes), ratio(flagged, wanted)
	flagDays := map[string]bool{}
	for key, list := range byKey {
		for _, d := range list {
			if inside(covered[key], d.TimeMillis) {
				continue
			}
			if stop, _ := Counts(d); stop {
				s.FalseSuspends++
			}
			flagDays[fmt.Sprint(key, " ", d.TimeMillis/86400e3)] = true
		}
	}
	s.FalseFlagDays = len(flagDays)
	if s.KeyDays > 0 {
		s.FalseSuspendRate = 1000 * float64(s.FalseSuspends) / s.KeyDays
		s.FalseFlagRate = 1000 * float64(s.FalseFlagDays) / s.KeyDays
	}
	sort.Float64s(delays)
	sort.Float64s(requests)
	s.SecondsMedian, s.RequestsMedian = median(delays), median(requests)
	if len(delays) > 0 {
		s.SecondsP90 = delays[len(delays)*9/10]
	}
	return s
}

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

func median(x []float64) float64 {
	switch n := len(x); {
	case n == 0:
		return 0
	case n%2 == 1:
		return x[n/2]
	default:
		return (x[n/2-1] + x[n/2]) / 2
	}
}

func between(times []int64, from, to int64) int {
	count := func(t int64) int { return sort.Search(len(times), func(i int) bool { return times[i] > t }) }
	return count(to) - count(from)
}

func inside(spans [][2]int64, t int64) bool {
	for _, s := range spans {
		if t >= s[0] && t <= s[1] {
			return true
		}
	}
	return false
}
