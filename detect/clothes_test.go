package detect

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// A story in other clothes: the same calls, written down otherwise. What abuse is does not depend on names.

// rot turns letters into others, one to one, and leaves signs and digits alone.
func rot(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return 'a' + (r-'a'+11)%26
		}
		return r
	}, s)
}

// rotPath leaves placeholders as they are.
func rotPath(s string) string {
	parts := strings.Split(s, "/")
	for i, p := range parts {
		if !strings.HasPrefix(p, "{") {
			parts[i] = rot(p)
		}
	}
	return strings.Join(parts, "/")
}

// act is what a decision does, without the names that the clothes change.
type act struct {
	Time      int64
	Key       string
	Action    Action
	Phase     Phase
	Score     float64
	Requests  int64
	Separable bool
}

func acts(ds []Decision, key func(string) string, shift int64) (out []act) {
	for _, d := range acted(ds) {
		out = append(out, act{d.TimeMillis - shift, key(d.KeyID), d.Action, d.Phase, d.Score, d.Actor.Requests, d.Actor.Separable})
	}
	slices.SortStableFunc(out, func(a, b act) int {
		if a.Time != b.Time {
			return int(min(1, max(-1, a.Time-b.Time)))
		}
		return strings.Compare(a.Key, b.Key)
	})
	return out
}

// scene has two thieves among thirty customers.
func scene() *story {
	return newStory(11, 30).theft(4, 60, 9009, "scraper").theft(9, 40, 64501, "wget")
}

func TestDecisionsDoNotDependOnNamesOrOnTheWeek(t *testing.T) {
	same := func(s string) string { return s }
	want := acts(scene().decisions(t, Config{}), same, 0)
	if len(want) == 0 {
		t.Fatal("nothing was decided")
	}
	back := map[string]string{}
	for name, c := range map[string]struct {
		change func(r *usage.Record)
		key    func(string) string
		shift  int64
	}{
		"keys":        {change: func(r *usage.Record) { id := "z/" + rot(r.KeyID); back[id] = r.KeyID; r.KeyID = id }, key: func(s string) string { return back[s] }},
		"agents":      {change: func(r *usage.Record) { r.Agent, r.UserAgent = rot(r.Agent), rot(r.UserAgent) }},
		"paths":       {change: func(r *usage.Record) { r.Route, r.Path = rotPath(r.Route), []byte(rotPath(string(r.Path))) }},
		"hosts":       {change: func(r *usage.Record) { r.Host, r.Source = "gateway.internal", "other" }},
		"request ids": {change: func(r *usage.Record) { r.RequestID = append([]byte("x-"), r.RequestID...) }},
		"latency":     {change: func(r *usage.Record) { r.LatencyMicros = 0 }},
		"weeks later": {change: func(r *usage.Record) { r.TimeMillis += 9 * 7 * testDay }, shift: 9 * 7 * testDay},
	} {
		t.Run(name, func(t *testing.T) {
			s := scene()
			for i := range s.rows {
				c.change(&s.rows[i])
			}
			key := c.key
			if key == nil {
				key = same
			}
			if diff := cmp.Diff(want, acts(s.decisions(t, Config{}), key, c.shift)); diff != "" {
				t.Errorf("the same calls in other clothes are judged differently (-plain +dressed):\n%s", diff)
			}
		})
	}
}

func TestWhoKnowsLessSuspendsNoMore(t *testing.T) {
	thieves := map[string]bool{"key_4": true, "key_9": true}
	for name, forget := range map[string]func(r *usage.Record){
		"networks":  func(r *usage.Record) { r.ASN = 0 },
		"countries": func(r *usage.Record) { r.Country = "" },
		"both":      func(r *usage.Record) { r.ASN, r.Country = 0, "" },
		"agents":    func(r *usage.Record) { r.Agent, r.UserAgent = "", "" },
		"sizes":     func(r *usage.Record) { r.ResponseBytes, r.RequestBytes, r.LatencyMicros = 0, 0, 0 },
		"units":     func(r *usage.Record) { r.Units = nil },
	} {
		t.Run("without "+name, func(t *testing.T) {
			s := scene()
			for i := range s.rows {
				forget(&s.rows[i])
			}
			suspended := map[string]bool{}
			for _, d := range acted(s.decisions(t, Config{})) {
				if d.Action != ActionSuspend {
					continue
				}
				suspended[d.KeyID] = true
				if !thieves[d.KeyID] {
					t.Errorf("an honest key is suspended: %s", d.Reason)
				}
			}
			if len(suspended) == 0 {
				t.Error("nobody is suspended although two keys are walked through: the rest of the evidence should do")
			}
		})
	}
}
