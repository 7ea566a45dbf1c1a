package replay

import (
	"sort"

	"github.com/tollkeeper/tollkeeper/detect"
)

// Episode is all that was decided about one actor of a key, first to last.
type Episode struct {
	ID     string          `json:"episode_id"`
	KeyID  string          `json:"key_id"`
	Action detect.Action   `json:"action"` // the highest that was carried out
	Wanted detect.Action   `json:"wanted"` // the highest that was wanted
	Held   string          `json:"held,omitempty"`
	Start  int64           `json:"start_millis"`
	Last   int64           `json:"last_millis"`
	Peak   float64         `json:"peak_score"`
	Lead   detect.Decision `json:"decision"` // the one that counts: of the highest action, else the first
	Steps  []Step          `json:"timeline"`
	Labels []string        `json:"labels,omitempty"` // families of the labels that it falls into
}

// Step is a point of an episode's timeline.
type Step struct {
	TimeMillis int64         `json:"time_millis"`
	Phase      detect.Phase  `json:"phase"`
	Action     detect.Action `json:"action"`
	Score      float64       `json:"score"`
	Requests   int64         `json:"requests"`
}

// Episodes gathers decisions by episode, in order of their start.
func Episodes(decisions []detect.Decision, labels []Label) []Episode {
	at := map[string]int{}
	var out []Episode
	for _, d := range decisions {
		i, ok := at[d.EpisodeID]
		if !ok {
			i = len(out)
			at[d.EpisodeID] = i
			out = append(out, Episode{ID: d.EpisodeID, KeyID: d.KeyID, Start: d.TimeMillis, Lead: d})
		}
		ep := &out[i]
		if d.Phase <= detect.PhaseEscalated && (d.Action > ep.Action || d.Wanted > ep.Wanted) {
			ep.Lead = d
		}
		ep.Action, ep.Wanted = max(ep.Action, d.Action), max(ep.Wanted, d.Wanted)
		if d.Held != "" {
			ep.Held = d.Held
		}
		ep.Last, ep.Peak = d.TimeMillis, max(ep.Peak, d.Score)
		ep.Steps = append(ep.Steps, Step{d.TimeMillis, d.Phase, d.Action, d.Score, d.Actor.Requests})
	}
	for i := range out {
		for _, l := range labels {
			if l.covers(&out[i]) {
				out[i].Labels = append(out[i].Labels, l.Expect+"/"+l.Family)
			}
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Start < out[j].Start })
	return out
}

// Tradeoff is what a stricter demand for evidence would have meant on this history.
type Tradeoff struct {
	Required  float64 `json:"required_evidence"`
	Suspended int     `json:"suspended"`
	// With labels: the share of the episodes that must be suspended, and false suspensions in 30 days. Where labels are
	// verdicts of people on alerts, only what they dismissed is false: nobody looked at the rest.
	Recall     float64 `json:"recall"`
	FalseMonth float64 `json:"false_per_30_days"`
}

// covers says that the episode's decision falls into the label.
func (l *Label) covers(ep *Episode) bool {
	t := ep.Lead.TimeMillis
	return l.KeyID == ep.KeyID && t >= l.Start.UnixMilli() && t <= l.End.Add(Grace).UnixMilli()
}

// Tradeoffs reads the price of a threshold off the peak evidence of the episodes that were suspended. The suspensions would also
// come later; that is not in the numbers.
func Tradeoffs(episodes []Episode, labels []Label, exhaustive bool, days float64, thresholds []float64) []Tradeoff {
	out := make([]Tradeoff, 0, len(thresholds))
	for _, th := range thresholds {
		t := Tradeoff{Required: th}
		found, wrong := map[int]bool{}, 0 // by label: a theft that is told twice is found once
		for i := range episodes {
			ep := &episodes[i]
			if ep.Wanted < detect.ActionQuarantine || ep.Peak < th {
				continue
			}
			t.Suspended++
			abuse, benign := false, false
			for n := range labels {
				switch l := &labels[n]; {
				case !l.covers(ep):
				case l.Expect == ExpectBenign:
					benign = true
				default:
					abuse = true
					found[n] = l.Expect == ExpectSuspend
				}
			}
			if !abuse && (exhaustive || benign) {
				wrong++
			}
		}
		wanted, hit := 0, 0
		for n := range labels {
			if labels[n].Expect == ExpectSuspend {
				wanted++
			}
			if found[n] {
				hit++
			}
		}
		t.Recall = ratio(hit, wanted)
		if days > 0 {
			t.FalseMonth = float64(wrong) * 30 / days
		}
		out = append(out, t)
	}
	return out
}

// Buys is the mildest demand for evidence with at most so many false suspensions in 30 days on this history; ok is false
// when none of those tried is strict enough.
func Buys(list []Tradeoff, falsePerMonth float64) (t Tradeoff, ok bool) {
	for _, t := range list {
		if t.FalseMonth <= falsePerMonth {
			return t, true
		}
	}
	return t, false
}
