package replay

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/detect"
)

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func at(seconds int) int64 { return start.Add(time.Duration(seconds) * time.Second).UnixMilli() }

func decision(key string, second int, action detect.Action, episode string, score float64) detect.Decision {
	return detect.Decision{KeyID: key, TimeMillis: at(second), Action: action, Wanted: action, EpisodeID: episode, Score: score, Reason: "because"}
}

// The rules of score.py: a suspension counts as a flag, five minutes of grace, a suspension inside a flag episode is neither right nor
// wrong, false flags by key and day.
func TestRateFollowsTheRules(t *testing.T) {
	label := func(key, family, expect string, from, to int) Label {
		return Label{KeyID: key, Family: family, Expect: expect, Start: start.Add(time.Duration(from) * time.Second), End: start.Add(time.Duration(to) * time.Second)}
	}
	labels := []Label{
		label("a", "theft", ExpectSuspend, 1000, 2000), label("b", "theft", ExpectSuspend, 1000, 2000),
		label("c", "quiet", ExpectFlag, 1000, 2000), label("d", "move", ExpectBenign, 1000, 2000),
	}
	progress := decision("d", 1700, detect.ActionFlag, "e9", 1)
	progress.Phase = detect.PhaseContinued
	s := Rate(labels, Traffic{Keys: 10, First: at(0), Last: at(10 * 86400), Times: map[string][]int64{"a": {at(900), at(1001), at(1002), at(1030)}}}, []detect.Decision{
		decision("a", 1030, detect.ActionQuarantine, "e1", 7), decision("b", 2299, detect.ActionFlag, "e2", 3),
		decision("c", 1500, detect.ActionSuspend, "e3", 7), decision("d", 1500, detect.ActionSuspend, "e4", 7),
		decision("d", 1600, detect.ActionFlag, "e5", 7), decision("a", 4000, detect.ActionFlag, "e6", 3), progress,
	})
	want := Score{
		KeyDays: 100, SuspendEpisodes: 2, SuspendRecall: 0.5, FlagRecall: 1, FalseSuspends: 1, FalseSuspendRate: 10, FalseFlagDays: 2, FalseFlagRate: 20,
		SecondsMedian: 30, SecondsP90: 30, RequestsMedian: 3,
	}
	families := s.Families
	s.Families = nil
	if got, wanted := render(&s), render(&want); got != wanted {
		t.Errorf("got\n%s\nwant\n%s", got, wanted)
	}
	if f := families["suspend/theft"]; f != (Family{2, 1, 2}) {
		t.Errorf("theft: %+v", f)
	}
}

func render(s *Score) string {
	var b bytes.Buffer
	s.Print(&b)
	return b.String()
}

func TestLabelsAreChecked(t *testing.T) {
	for name, file := range map[string]string{
		"no list": `{}`, "expectation": `[{"key_id":"a","expect":"maybe","start":"2026-03-02T00:00:00Z","end":"2026-03-03T00:00:00Z"}]`,
		"order": `[{"key_id":"a","expect":"flag","start":"2026-03-04T00:00:00Z","end":"2026-03-03T00:00:00Z"}]`,
	} {
		if _, err := ParseLabels([]byte(file)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestEpisodesGatherDecisionsAndTradeoffsReadTheirPeak(t *testing.T) {
	more := decision("a", 2000, detect.ActionObserve, "e1", 9.5)
	more.Wanted, more.Phase = detect.ActionSuspend, detect.PhaseContinued
	ds := []detect.Decision{decision("a", 1000, detect.ActionFlag, "e1", 3), decision("a", 1030, detect.ActionSuspend, "e1", 6.2), more, decision("b", 1100, detect.ActionSuspend, "e2", 6.4)}
	labels := []Label{{KeyID: "a", Family: "theft", Expect: ExpectSuspend, Start: start, End: start.Add(time.Hour)}}
	eps := Episodes(ds, labels)
	if len(eps) != 2 || eps[0].Action != detect.ActionSuspend || eps[0].Peak != 9.5 || eps[0].Lead.TimeMillis != at(1030) || len(eps[0].Steps) != 3 || eps[0].Labels[0] != "suspend/theft" {
		t.Fatalf("%+v", eps)
	}
	for i, want := range []Tradeoff{{6, 2, 1, 1}, {7, 1, 1, 0}, {10, 0, 0, 0}} {
		if got := Tradeoffs(eps, labels, true, 30, []float64{6, 7, 10})[i]; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// The table counts otherwise than the score above it, and says so.
func TestTheTableOfDemandsSaysWhatItCounts(t *testing.T) {
	const says = "with suspensions that a cap or a policy held back"
	var text, page bytes.Buffer
	PrintTradeoffs(&text, []Tradeoff{{Required: 4.5}}, true)
	r := Report{Tradeoffs: []Tradeoff{{Required: 4.5}}, Hours: NewHours()}
	if err := r.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), says) || !strings.Contains(page.String(), says) {
		t.Errorf("%s\n%s", text.String(), page.String())
	}
}

// A theft that is told twice is found once.
func TestRecallCountsEpisodesOfAbuseNotDecisions(t *testing.T) {
	ds := []detect.Decision{
		decision("a", 1000, detect.ActionSuspend, "e1", 7), decision("a", 1200, detect.ActionSuspend, "e2", 6),
		decision("a", 1300, detect.ActionSuspend, "e3", 8), decision("b", 1300, detect.ActionSuspend, "e4", 5),
	}
	theft := Label{Family: "theft", Expect: ExpectSuspend, Start: start, End: start.Add(time.Hour)}
	a, b, c := theft, theft, theft
	a.KeyID, b.KeyID, c.KeyID = "a", "b", "c"
	for i, want := range []Tradeoff{{4.5, 4, 2. / 3, 0}, {6, 3, 1. / 3, 0}, {8, 1, 1. / 3, 0}, {9, 0, 0, 0}} {
		if got := Tradeoffs(Episodes(ds, nil), []Label{a, b, c}, true, 30, []float64{4.5, 6, 8, 9})[i]; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestTheReportIsSelfContainedAndEscapes(t *testing.T) {
	d := decision("<key>", 7200, detect.ActionSuspend, "e1", 7)
	d.Reason = "<script>alert(1)</script>"
	d.Usual = &detect.Usual{Agents: detect.Uses{All: 1, Most: []detect.Use{{Name: "<img>", Calls: 7}}}}
	h := NewHours()
	for i := range 20000 {
		h.Add("<key>", at(i))
	}
	r := Report{
		Source: "<log>", Records: 5, Keys: 1, First: at(0), Last: at(20000), Episodes: Episodes([]detect.Decision{d}, nil), Hours: h,
		Names: map[string]string{"<key>": "<b>bold</b>"}, Score: &Score{},
		Profiles: map[string]detect.Profile{"e1": {High: 50}}, Labels: []Label{{KeyID: "<key>", Family: "<f>", Expect: ExpectFlag, Start: start, End: start.Add(time.Hour)}},
	}
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, bad := range []string{"<script", "<key>", "<f>", "<b>bold", "<img>", "http://", "https://", "src="} {
		if strings.Contains(page, bad) {
			t.Errorf("the page contains %s", bad)
		}
	}
	for _, want := range []string{"<svg", "polyline", "&lt;script&gt;", "mark suspend", "class=\"band\"", "&lt;b&gt;bold", "&lt;img&gt; (7)", "Missed"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}
