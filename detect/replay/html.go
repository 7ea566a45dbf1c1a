package replay

import (
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/detect"
)

// Hours counts requests by key and hour, for the plots. It keeps at most maxPlotted keys.
type Hours struct {
	by map[string]map[int32]float32
}

const (
	maxPlotted = 20000
	maxPlots   = 100 // in one report
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
	Views       map[string]detect.KeyView
	Tradeoffs   []Tradeoff
	Labels      []Label
	Score       *Score
	Names       map[string]string // what people call the keys
}

// WriteHTML writes one self-contained page: no script, no request to anywhere.
func (r *Report) WriteHTML(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"time":    func(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05") },
		"plot":    r.plot,
		"percent": func(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) },
		"num":     func(x float64) string { return short(x) },
		"p":       func(x float64) string { return fmt.Sprintf("%.2g", x) },
		"first":   func(i int) bool { return i < maxPlots },
	}).Parse(page)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return t.Execute(w, r)
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

const (
	plotWidth, plotHeight = 860.0, 120.0
	plotBefore            = 7 * 24 // hours shown before an episode
	plotAfter             = 2 * 24
)

// plot draws requests an hour around an episode, over the usual day and the band that one active hour in a hundred leaves.
func (r *Report) plot(e Episode) template.HTML {
	ep := &e
	v, ok := r.Views[ep.KeyID]
	if !ok || r.Hours == nil {
		return ""
	}
	from := max(int32(r.First/3600e3), int32(ep.Start/3600e3)-plotBefore)
	to := min(int32(r.Last/3600e3), int32(ep.Last/3600e3)+plotAfter)
	if to <= from {
		return ""
	}
	counts := r.Hours.by[ep.KeyID]
	top := max(1, v.Hour.High)
	for h := from; h <= to; h++ {
		top = max(top, float64(counts[h]))
	}
	x := func(h float64) float64 { return (h - float64(from)) / float64(to-from+1) * plotWidth }
	y := func(n float64) float64 { return plotHeight - n/top*(plotHeight-8) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f %.0f" role="img" aria-label="requests an hour">`, plotWidth, plotHeight+16)
	for _, l := range r.Labels {
		if l.KeyID == ep.KeyID {
			a, z := max(0, x(float64(l.Start.UnixMilli())/3600e3)), min(plotWidth, x(float64(l.End.UnixMilli())/3600e3))
			if z > a {
				fmt.Fprintf(&b, `<rect class="label %s" x="%.1f" y="0" width="%.1f" height="%.0f"><title>%s/%s</title></rect>`, l.Expect, a, z-a, plotHeight,
					template.HTMLEscapeString(l.Expect), template.HTMLEscapeString(l.Family))
			}
		}
	}
	fmt.Fprintf(&b, `<rect class="band" x="0" y="%.1f" width="%.0f" height="%.1f"/>`, y(v.Hour.High), plotWidth, plotHeight-y(v.Hour.High))
	line := func(class string, value func(int32) float64) {
		fmt.Fprintf(&b, `<polyline class="%s" points="`, class)
		for h := from; h <= to; h++ {
			fmt.Fprintf(&b, "%.1f,%.1f ", x(float64(h)+0.5), y(value(h)))
		}
		b.WriteString(`"/>`)
	}
	line("usual", func(h int32) float64 {
		slot := int(h % 24)
		if (h/24+3)%7 >= 5 {
			slot += 24
		}
		return float64(v.Hour.Day[slot])
	})
	line("real", func(h int32) float64 { return float64(counts[h]) })
	for _, s := range ep.Steps {
		if s.Phase <= detect.PhaseEscalated {
			at := x(float64(s.TimeMillis) / 3600e3)
			fmt.Fprintf(&b, `<line class="mark %v" x1="%.1f" y1="0" x2="%.1f" y2="%.0f"><title>%v</title></line>`, s.Action, at, at, plotHeight, s.Action)
		}
	}
	fmt.Fprintf(&b, `<text x="0" y="%.0f">%s</text><text x="%.0f" y="%.0f" text-anchor="end">%s</text><text x="2" y="9">%s/h</text></svg>`,
		plotHeight+13, time.Unix(int64(from)*3600, 0).UTC().Format("2 Jan 15:04"), plotWidth, plotHeight+13, time.Unix(int64(to)*3600, 0).UTC().Format("2 Jan 15:04"), short(top))
	return template.HTML(b.String()) //nolint:gosec // numbers and escaped names only
}

const page = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Tollkeeper backtest</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.2rem .9rem .2rem 0;border-bottom:1px solid #e3e7ee;vertical-align:top}th{font-weight:600;color:#566}
article{border:1px solid #dde3ea;border-left:5px solid #8aa;border-radius:6px;padding:.6rem 1rem;margin:1rem 0}
article.suspend{border-left-color:#c0262d}article.quarantine{border-left-color:#d9702b}article.flag{border-left-color:#d6a300}
article h3{margin:.1rem 0;font-size:1rem}small,.dim{color:#667}svg{width:100%;height:auto;margin:.4rem 0}code{font-size:.9em}
.band{fill:#dcefe4}.usual{fill:none;stroke:#3a9a68;stroke-width:1}.real{fill:none;stroke:#24405f;stroke-width:1.3}.mark{stroke:#d6a300;stroke-width:2}
.mark.suspend{stroke:#c0262d}.label{fill:#f6e6c8}.label.suspend{fill:#f8d9da}.label.benign{fill:#e4eaf6}text{font-size:10px;fill:#667}
@media(prefers-color-scheme:dark){body{background:#12161c;color:#dde3ea}th,small,.dim,text{color:#9ab;fill:#9ab}th,td{border-color:#2a323d}article{border-color:#2a323d}
.band{fill:#1d3a2b}.real{stroke:#8fb8e8}.label{fill:#453a1e}.label.suspend{fill:#4a2226}.label.benign{fill:#232d42}}
</style>
<h1>Backtest of {{.Source}}</h1>
<p>{{.Records}} records of {{.Keys}} keys, {{time .First}} to {{time .Last}} UTC.</p>
{{with .Score}}<h2>Against the labels</h2><table>
<tr><th>suspend recall<td>{{percent .SuspendRecall}} of {{.SuspendEpisodes}}
<tr><th>flag recall<td>{{percent .FlagRecall}}
<tr><th>false suspensions<td>{{.FalseSuspends}} ({{num .FalseSuspendRate}} in 1,000 key-days)
<tr><th>false flags<td>{{.FalseFlagDays}} key-days ({{num .FalseFlagRate}} in 1,000)
<tr><th>time to suspend<td>median {{num .SecondsMedian}} s, {{num .RequestsMedian}} requests</table>
<table><tr><th>family<th>episodes<th>suspended<th>flagged{{range $n, $f := .Families}}<tr><td>{{$n}}<td>{{$f.Episodes}}<td>{{$f.Suspended}}<td>{{$f.Flagged}}{{end}}</table>{{end}}
<h2>What a stricter demand for evidence would have meant</h2><table><tr><th>required<th>suspended{{if .Score}}<th>recall<th>false in 30 days{{end}}
{{$labelled := .Score}}{{range .Tradeoffs}}<tr><td>{{.Required}}<td>{{.Suspended}}{{if $labelled}}<td>{{percent .Recall}}<td>{{num .FalseMonth}}{{end}}{{end}}</table>
<h2>Episodes</h2><p class="dim">Green: the usual day of the key, and what 99 of 100 active hours stay under. Blue: requests an hour. Red and yellow: suspension, alert. Shaded: labels.</p>
{{range $i, $e := .Episodes}}<article class="{{$e.Wanted}}" id="{{$e.ID}}"><h3>{{if $e.KeyID}}{{$e.KeyID}}{{else}}no key{{end}}: {{$e.Wanted}} <small>{{time $e.Lead.TimeMillis}}{{range $e.Labels}} · {{.}}{{end}}</small></h3>
<p>{{$e.Lead.Reason}}</p>{{if $e.Held}}<p><small>Held: {{$e.Held}}</small></p>{{end}}
{{if first $i}}{{plot $e}}{{end}}
<details><summary>evidence {{num $e.Lead.Score}}, {{len $e.Lead.Examples}} examples, {{len $e.Steps}} steps</summary>
<table><tr><th>family<th>detector<th>observed<th>expected<th>p{{range $e.Lead.Evidence}}<tr><td>{{.Family}}<td>{{.Detector}}<td>{{num .Observed}}<td>{{num .Expected}} (to {{num .High}})<td>{{p .PValue}}{{end}}</table>
<table>{{range $e.Lead.Examples}}<tr><td>{{time .TimeMillis}}<td>{{.Method}} <code>{{.Path}}</code><td>{{.Status}}<td>{{.ClientIP}} {{.Country}} AS{{.ASN}}<td>{{.Agent}}{{end}}</table></details></article>{{end}}
</html>`
