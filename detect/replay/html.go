package replay

import (
	_ "embed" // the page's template
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"time"

	"github.com/tollkeeper/tollkeeper/detect"
)

// Hours counts requests by key and hour, for the plots. It keeps at most maxPlotted keys.
type Hours struct {
	by map[string]map[int32]float32
}

const (
	maxPlotted = 20000
	// MaxPlots is how many episodes of a report are drawn, the first ones.
	MaxPlots = 100
)

// NewHours returns an empty count.
func NewHours() *Hours { return &Hours{by: map[string]map[int32]float32{}} }

// Add counts a request.
func (h *Hours) Add(key string, millis int64) {
	m := h.by[key]
	if m == nil {
		if len(h.by) >= maxPlotted {
			return
		}
		m = map[int32]float32{}
		h.by[key] = m
	}
	m[int32(millis/3600e3)]++
}

// Report is everything that the page of a backtest shows.
type Report struct {
	Source      string
	Records     int64
	Keys        int
	First, Last int64
	Episodes    []Episode
	Hours       *Hours
	Profiles    map[string]detect.Profile // what was expected of the key, by episode
	Tradeoffs   []Tradeoff
	Labels      []Label
	Score       *Score            // nil without labels, or where they do not name all that was abuse
	Names       map[string]string // what people call the keys
}

//go:embed report.tmpl
var page string

// WriteHTML writes one self-contained page: no script, no request to anywhere.
func (r *Report) WriteHTML(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"time":    func(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05") },
		"plot":    r.plot,
		"percent": func(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) },
		"num":     short,
		"p":       func(x float64) string { return fmt.Sprintf("%.2g", x) },
		"first":   func(i int) bool { return i < MaxPlots },
		"name":    func(id string) string { return r.Names[id] },
		"verdict": r.verdict,
		"uses":    kindsOf,
	}).Parse(page)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return t.Execute(w, r)
}

type kindUses struct {
	Kind string
	detect.Uses
}

// kindsOf are the rows of what is usual for a key.
func kindsOf(u *detect.Usual) []kindUses {
	return []kindUses{{"networks", u.Networks}, {"countries", u.Countries}, {"client programs", u.Agents}, {"routes", u.Routes}, {"addresses", detect.Uses{All: u.Addresses}}}
}

// Days is how long the traffic is.
func (r *Report) Days() float64 { return float64(r.Last-r.First) / 86400e3 }

// Stopped counts the episodes in which the key would have been refused, to whomever.
func (r *Report) Stopped() int {
	return r.count(func(a detect.Action) bool { return a >= detect.ActionQuarantine })
}

// Flagged counts those that would have been an alert only.
func (r *Report) Flagged() int {
	return r.count(func(a detect.Action) bool { return a == detect.ActionFlag || a == detect.ActionThrottle })
}

func (r *Report) count(is func(detect.Action) bool) (n int) {
	for i := range r.Episodes {
		if is(r.Episodes[i].Action) {
			n++
		}
	}
	return n
}

// verdict says how an episode stands to the labels: right, wrong, or "" where nothing is known.
func (r *Report) verdict(e Episode) string {
	stopped := e.Action >= detect.ActionQuarantine
	for i := range r.Labels {
		if l := &r.Labels[i]; l.covers(&e) {
			switch {
			case l.Expect != ExpectBenign:
				return "right"
			case stopped:
				return "false suspension"
			}
			return "false flag"
		}
	}
	switch {
	case r.Score == nil:
		return ""
	case stopped:
		return "false suspension"
	}
	return "false flag"
}

// Missed lists the labels that ask for a decision that was not made.
func (r *Report) Missed() []Label {
	var out []Label
	for _, l := range r.Labels {
		if l.Expect == ExpectBenign {
			continue
		}
		if !slices.ContainsFunc(r.Episodes, func(e Episode) bool {
			return l.covers(&e) && (e.Action >= detect.ActionQuarantine || l.Expect == ExpectFlag && e.Action >= detect.ActionFlag)
		}) {
			out = append(out, l)
		}
	}
	return out
}

func short(x float64) string {
	switch a := math.Abs(x); {
	case a >= 1e9:
		return fmt.Sprintf("%.1f G", x/1e9)
	case a >= 1e6:
		return fmt.Sprintf("%.1f M", x/1e6)
	case a >= 1e4:
		return fmt.Sprintf("%.0f k", x/1e3)
	case a >= 10 || a == math.Trunc(a):
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.2g", x)
}
