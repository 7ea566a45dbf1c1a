package replay

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/detect"
)

const (
	plotWidth, plotHeight = 860.0, 130.0
	plotLeft, plotFoot    = 44.0, 18.0
	plotBefore            = 7 * 24 // hours shown before an episode
	plotAfter             = 2 * 24
	logFrom               = 8 // times the band's height, from which on the scale is logarithmic
)

// frame is the part of a key's life that a plot shows, in hours since 1970, and its scale.
type frame struct {
	from, to int32
	top      float64
	log      bool
}

func (f *frame) x(hour float64) float64 {
	return plotLeft + (hour-float64(f.from))/float64(f.to-f.from+1)*(plotWidth-plotLeft)
}

func (f *frame) y(n float64) float64 {
	n = min(max(n, 0), f.top)
	share := n / f.top
	if f.log {
		share = math.Log1p(n) / math.Log1p(f.top)
	}
	return plotHeight - share*(plotHeight-8)
}

// ticks are round numbers along the axis.
func (f *frame) ticks() []float64 {
	if f.log {
		var out []float64
		for v := 1.0; v <= f.top; v *= 10 {
			out = append(out, v)
		}
		return out
	}
	step := math.Pow(10, math.Floor(math.Log10(f.top)))
	for f.top/step < 2 {
		step /= 2
	}
	for f.top/step > 4 {
		step *= 2
	}
	var out []float64
	for v := step; v <= f.top; v += step {
		out = append(out, v)
	}
	return out
}

// plot draws requests an hour around an episode, over what was expected of them: the band that 98 hours in a hundred lie in, its middle, and the line
// that one active hour in a hundred is above.
func (r *Report) plot(e Episode) template.HTML {
	ep := &e
	expected, ok := r.Profiles[ep.ID]
	if !ok || r.Hours == nil {
		return ""
	}
	first := int32(r.First / 3600e3)
	f := frame{from: max(first, int32(ep.Start/3600e3)-plotBefore), to: min(int32(r.Last/3600e3), int32(ep.Last/3600e3)+plotAfter), top: max(1, expected.High)}
	if f.to <= f.from {
		return ""
	}
	counts := r.Hours.by[ep.KeyID]
	for h := f.from; h <= f.to; h++ {
		f.top = max(f.top, float64(counts[h]), float64(expected.Week[detect.HourOfWeek(h)].High))
	}
	f.log = f.top > logFrom*max(expected.High, 1)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f %.0f" role="img" aria-label="requests an hour, %.0f at most">`, plotWidth, plotHeight+plotFoot, f.top)
	r.drawLabels(&b, &f, ep.KeyID)
	drawAxes(&b, &f)
	drawBand(&b, &f, &expected)
	if y := f.y(expected.High); expected.High > 0 {
		fmt.Fprintf(&b, `<line class="high" x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f"/>`, plotLeft, plotWidth, y, y)
	}
	drawLine(&b, &f, "usual", func(h int32) float64 { return float64(expected.Week[detect.HourOfWeek(h)].Expected) })
	drawLine(&b, &f, "real", func(h int32) float64 { return float64(counts[h]) })
	for _, s := range ep.Steps {
		if s.Phase <= detect.PhaseEscalated || s.Phase == detect.PhaseEnded {
			drawMark(&b, &f, s)
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // numbers and escaped names only
}

func (r *Report) drawLabels(b *strings.Builder, f *frame, key string) {
	for _, l := range r.Labels {
		if l.KeyID != key {
			continue
		}
		a, z := max(plotLeft, f.x(float64(l.Start.UnixMilli())/3600e3)), min(plotWidth, f.x(float64(l.End.UnixMilli())/3600e3))
		if z > a {
			fmt.Fprintf(b, `<rect class="label %s" x="%.1f" y="0" width="%.1f" height="%.0f"><title>%s/%s</title></rect>`, template.HTMLEscapeString(l.Expect), a,
				max(z-a, 1), plotHeight, template.HTMLEscapeString(l.Expect), template.HTMLEscapeString(l.Family))
		}
	}
}

func drawAxes(b *strings.Builder, f *frame) {
	for _, v := range f.ticks() {
		fmt.Fprintf(b, `<line class="grid" x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f"/><text x="%.0f" y="%.1f" text-anchor="end">%s</text>`,
			plotLeft, plotWidth, f.y(v), f.y(v), plotLeft-4, f.y(v)+3, short(v))
	}
	days := (f.to - f.from) / 24
	every := max(1, (days+9)/10) * 24
	for h := (f.from + 23) / 24 * 24; h <= f.to; h += 24 {
		x := f.x(float64(h))
		fmt.Fprintf(b, `<line class="day" x1="%.1f" x2="%.1f" y1="0" y2="%.0f"/>`, x, x, plotHeight)
		if h/24*24%every == 0 && x < plotWidth-36 {
			fmt.Fprintf(b, `<text x="%.1f" y="%.0f">%s</text>`, x+2, plotHeight+13, time.Unix(int64(h)*3600, 0).UTC().Format("Mon 2 Jan"))
		}
	}
}

// drawBand fills between the least and the most that is expected of each hour.
func drawBand(b *strings.Builder, f *frame, expected *detect.Profile) {
	b.WriteString(`<polygon class="band" points="`)
	for h := f.from; h <= f.to; h++ {
		fmt.Fprintf(b, "%.1f,%.1f ", f.x(float64(h)+0.5), f.y(float64(expected.Week[detect.HourOfWeek(h)].High)))
	}
	for h := f.to; h >= f.from; h-- {
		fmt.Fprintf(b, "%.1f,%.1f ", f.x(float64(h)+0.5), f.y(float64(expected.Week[detect.HourOfWeek(h)].Low)))
	}
	b.WriteString(`"/>`)
}

func drawLine(b *strings.Builder, f *frame, class string, value func(int32) float64) {
	fmt.Fprintf(b, `<polyline class="%s" points="`, class)
	for h := f.from; h <= f.to; h++ {
		fmt.Fprintf(b, "%.1f,%.1f ", f.x(float64(h)+0.5), f.y(value(h)))
	}
	b.WriteString(`"/>`)
}

// drawMark shows a decision: a line with a flag at its top.
func drawMark(b *strings.Builder, f *frame, s Step) {
	x, class := f.x(float64(s.TimeMillis)/3600e3), s.Action.String()
	if s.Phase == detect.PhaseEnded {
		class = "ended"
	}
	fmt.Fprintf(b, `<g class="mark %s"><title>%s %s</title><line x1="%.1f" x2="%.1f" y1="0" y2="%.0f"/><path d="M%.1f 0l8 4l-8 4z"/></g>`, class,
		time.UnixMilli(s.TimeMillis).UTC().Format("2 Jan 15:04:05"), class, x, x, plotHeight, x)
}
