package series

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write SERIES.md")

// The committed table: what the constants reach, and how much of that is the choice of constants or of files. Writing it takes
// about a minute: go test ./detect/series -run EvaluationTable -update.
func TestEvaluationTable(t *testing.T) {
	const file = "SERIES.md"
	if !*update {
		text, err := os.ReadFile(file)
		require.NoError(t, err, "run the test with -update")
		require.Contains(t, string(text), fmt.Sprintf("%+v", Defaults()), "the constants have changed: run the test with -update")
		return
	}
	e := evaluation{t: t, files: loadCorpus(t)}
	require.NoError(t, os.WriteFile(file, []byte(e.table()), 0o644))
}

type evaluation struct {
	t     *testing.T
	files []*nabFile
	b     strings.Builder
}

func (e *evaluation) line(format string, args ...any) { fmt.Fprintf(&e.b, format+"\n", args...) }

func (e *evaluation) table() string {
	start := time.Now()
	scores := detectAll(e.t, Defaults(), e.files)
	took := time.Since(start)
	rows := 0
	for _, f := range e.files {
		rows += len(f.values)
	}
	e.line("# The series detector on the visible half of NAB\n")
	e.line("%s, after commit %s, %s %s/%s, one core of %s. Command: `make series-table` (the tool and the corpus' scorer: `make eval-series`).",
		time.Now().UTC().Format(time.DateOnly), head(), runtime.Version(), runtime.GOOS, runtime.GOARCH, processor())
	e.line("Constants: `%+v`.\n", Defaults())
	e.scores(scores)
	e.line("\nSpeed: %d rows in %.2f s, %.2f µs a row, without reading and writing.\n", rows, took.Seconds(), took.Seconds()*1e6/float64(rows))
	e.leaveOneOut()
	e.halves(scores)
	e.jitter()
	return e.b.String()
}

func head() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.SplitSeq(string(info), "\n") {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				return strings.Trim(name, "\t :")
			}
		}
	}
	return "an unknown processor"
}

func (e *evaluation) scores(scores map[string][]float64) {
	e.line("## Scores\n")
	e.line("No look-ahead, one threshold for all files. \"Best\" is NAB's rule: the threshold that suits these labels best. \"As shipped\" is")
	e.line("score >= 0.5, which is what the program calls an alert.\n")
	e.line("| profile | best | as shipped | windows | false alarm rows |\n|---|---|---|---|---|")
	for _, name := range []string{"standard", "reward_low_FP_rate", "reward_low_FN_rate"} {
		best := scoreAt(e.files, scores, profiles[name], math.NaN())
		shipped := scoreAt(e.files, scores, profiles[name], 0.5)
		e.line("| %s | %.2f | %.2f | %d of %d | %d |", name, best.score, shipped.score, best.hits, best.windows, best.falseAlarm)
	}
	e.line("\n| category | files | windows found | false alarm rows | score of what is possible |\n|---|---|---|---|---|")
	for _, c := range e.categories() {
		files := e.only(c)
		r := scoreAt(files, scores, profiles["standard"], 0.5)
		e.line("| %s | %d | %d of %d | %d | %.2f of %d |", c, len(files), r.hits, r.windows, r.falseAlarm, r.raw+float64(r.windows), 2*r.windows)
	}
}

func (e *evaluation) categories() []string {
	var names []string
	for _, f := range e.files {
		if !slices.Contains(names, f.category) {
			names = append(names, f.category)
		}
	}
	return names
}

func (e *evaluation) only(category string) []*nabFile {
	return slices.DeleteFunc(slices.Clone(e.files), func(f *nabFile) bool { return f.category != category })
}

func (e *evaluation) without(category string) []*nabFile {
	return slices.DeleteFunc(slices.Clone(e.files), func(f *nabFile) bool { return f.category == category })
}

// evidences are the series' evidence, for trying many alert settings on it without computing the statistics again.
func (e *evaluation) evidences(s Settings) map[string][]float64 {
	out := map[string][]float64{}
	for _, f := range e.files {
		d, err := New(s)
		require.NoError(e.t, err)
		v := make([]float64, len(f.values))
		for i, x := range f.values {
			v[i] = d.Observe(f.times[i], x).Evidence
		}
		out[f.name] = v
	}
	return out
}

// alertScores are the scores that these alert settings give, non-alerts 0.
func (e *evaluation) alertScores(evidence map[string][]float64, s Settings) map[string][]float64 {
	out := map[string][]float64{}
	for name, values := range evidence {
		a := newAlerts(s)
		scores := make([]float64, len(values))
		for i, x := range values {
			v := Verdict{Evidence: x, Bar: a.bar()}
			if v.Alert = a.next(x); v.Alert {
				scores[i] = score(v)
			}
		}
		out[name] = scores
	}
	return out
}

// leaveOneOut chooses alert settings and threshold on all categories but one and scores that one, for each in turn.
func (e *evaluation) leaveOneOut() {
	evidence := e.evidences(Defaults())
	standard := profiles["standard"]
	windows := 0.0
	for _, f := range e.files {
		windows += float64(f.windows)
	}
	normal := func(raw float64) float64 { return 100 * (raw + windows) / (2 * windows) }
	type setting struct {
		name   string
		scores map[string][]float64
	}
	var settings []setting
	for _, at := range []float64{1.35, 1.5, 1.65, 1.8, 1.95} {
		for _, habituation := range []float64{0, 0.15, 0.25, 0.4} {
			for _, refractory := range []int{50, 100, 150} {
				s := Defaults()
				s.AlertAt, s.Habituation, s.Refractory = at, habituation, refractory
				settings = append(settings, setting{fmt.Sprintf("%v, %v, %d", at, habituation, refractory), e.alertScores(evidence, s)})
			}
		}
	}
	shipped := e.alertScores(evidence, Defaults())
	e.line("## Leave one category out\n")
	e.line("Chosen on the other categories, scored on the one left out. The first column fixes the constants and chooses the threshold, the second")
	e.line("chooses AlertAt, Habituation, Refractory (of %d settings) and threshold.\n", len(settings))
	e.line("| left out | threshold only | everything | chosen |\n|---|---|---|---|")
	var first, second float64
	for _, c := range e.categories() {
		rest, out := e.without(c), e.only(c)
		one := scoreAt(out, shipped, standard, max(scoreAt(rest, shipped, standard, math.NaN()).threshold, 0.5)).raw
		best, chosen := math.Inf(-1), setting{}
		threshold := 0.5
		for _, s := range settings {
			if r := scoreAt(rest, s.scores, standard, math.NaN()); r.raw > best {
				best, chosen, threshold = r.raw, s, max(r.threshold, 0.5)
			}
		}
		two := scoreAt(out, chosen.scores, standard, threshold).raw
		first, second = first+one, second+two
		e.line("| %s | %.2f | %.2f | %s |", c, one, two, chosen.name)
	}
	e.line("| **standard score** | **%.2f** | **%.2f** | |\n", normal(first), normal(second))
}

func (e *evaluation) halves(scores map[string][]float64) {
	r := rand.New(rand.NewPCG(1, 1))
	var got []float64
	for range 40 {
		files := slices.Clone(e.files)
		r.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
		half := len(files) / 2
		threshold := max(scoreAt(files[:half], scores, profiles["standard"], math.NaN()).threshold, 0.5)
		got = append(got, scoreAt(files[half:], scores, profiles["standard"], threshold).score)
	}
	mean, deviation := meanDeviation(got)
	e.line("## Random halves of the files\n")
	e.line("Threshold chosen on one half, scored on the other, 40 times: %.1f ± %.1f (standard deviation), from %.1f to %.1f.\n",
		mean, deviation, slices.Min(got), slices.Max(got))
}

func meanDeviation(values []float64) (mean, deviation float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		deviation += (v - mean) * (v - mean) / float64(len(values)-1)
	}
	return mean, math.Sqrt(deviation)
}

// knobs are the constants that are varied.
var knobs = []struct {
	name string
	by   func(s *Settings, factor float64)
}{
	{"LevelWindow", func(s *Settings, f float64) { s.LevelWindow = times(s.LevelWindow, f) }},
	{"SpreadWindow", func(s *Settings, f float64) { s.SpreadWindow = times(s.SpreadWindow, f) }},
	{"SeasonWindow", func(s *Settings, f float64) { s.SeasonWindow = times(s.SeasonWindow, f) }},
	{"MedianWindow", func(s *Settings, f float64) { s.MedianWindow = times(s.MedianWindow, f) }},
	{"BinsPerDay", func(s *Settings, f float64) { s.BinsPerDay = times(s.BinsPerDay, f) }},
	{"SeasonRate", func(s *Settings, f float64) { s.SeasonRate *= f }},
	{"Memory", func(s *Settings, f float64) { s.Memory = min(times(s.Memory, f), 8000) }},
	{"AlertAt", func(s *Settings, f float64) { s.AlertAt *= math.Pow(f, 1.0/3) }}, // a logarithm: 12% is a factor of 1.6 in p
	{"Refractory", func(s *Settings, f float64) { s.Refractory = times(s.Refractory, f) }},
	{"Escalation", func(s *Settings, f float64) { s.Escalation *= f }},
	{"Habituation", func(s *Settings, f float64) { s.Habituation *= f }},
	{"HabituationHalfLife", func(s *Settings, f float64) { s.HabituationHalfLife *= f }},
}

func times(n int, factor float64) int { return int(math.Round(float64(n) * factor)) }

func (e *evaluation) jitter() {
	standard := func(s Settings) float64 {
		return scoreAt(e.files, e.alertScores(e.evidences(s), s), profiles["standard"], math.NaN()).score
	}
	e.line("## Other constants\n\nStandard score with one constant at 0.7 and 1.4 times its value (AlertAt: its cube root, 0.89 and 1.12).\n")
	e.line("| constant | less | more |\n|---|---|---|")
	for _, k := range knobs {
		var got [2]float64
		for i, factor := range []float64{0.7, 1.4} {
			s := Defaults()
			k.by(&s, factor)
			got[i] = standard(s)
		}
		e.line("| %s | %.2f | %.2f |", k.name, got[0], got[1])
	}
	r := rand.New(rand.NewPCG(2, 2))
	var got []float64
	for range 40 {
		s := Defaults()
		for _, k := range knobs {
			k.by(&s, math.Pow(2, r.Float64()-0.5))
		}
		got = append(got, standard(s))
	}
	slices.Sort(got)
	mean, deviation := meanDeviation(got)
	e.line("\nAll constants at once, each by a random factor between 0.71 and 1.41, 40 times: %.1f ± %.1f, from %.1f to %.1f, median %.1f.",
		mean, deviation, got[0], got[len(got)-1], got[len(got)/2])
	e.line("\nThat median, not the best score, is what to expect of other streams.")
}
