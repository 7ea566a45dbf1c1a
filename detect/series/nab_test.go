package series

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The Numenta Anomaly Benchmark's rules (v1.1), as a second implementation beside the corpus' own nabscore.py; a test compares the
// two. Detection is score >= threshold, one threshold for all files, chosen where the score is best.

type nabFile struct {
	name, category string
	times          []time.Time
	values         []float64
	weight         []float64 // what a detection in this row is worth, before the profile's weights
	window         []int     // which window the row is in, -1 outside
	windows        int
	probation      int // rows that are not scored
}

// profile weighs hits, false alarms and misses.
type profile struct{ hit, falseAlarm, miss float64 }

var profiles = map[string]profile{
	"standard": {1, 0.11, 1}, "reward_low_FP_rate": {1, 0.22, 1}, "reward_low_FN_rate": {1, 0.11, 2},
}

type nabScore struct {
	score, raw, threshold     float64
	hits, windows, falseAlarm int
}

// corpusDir is the half of the corpus that the tests may see.
func corpusDir(tb testing.TB) string {
	tb.Helper()
	shared := os.Getenv("TOLLKEEPER_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	dir := filepath.Join(shared, "nab")
	if _, err := os.Stat(filepath.Join(dir, "labels", "combined_windows.json")); err != nil {
		tb.Fatalf("no NAB corpus in %s: set TOLLKEEPER_SHARED to the folder that holds nab/ (%v)", dir, err)
	}
	return dir
}

func scaledSigmoid(position float64) float64 {
	if position > 3 {
		return -1
	}
	return 2/(1+math.Exp(5*position)) - 1
}

func loadCorpus(tb testing.TB) []*nabFile {
	tb.Helper()
	dir := corpusDir(tb)
	text, err := os.ReadFile(filepath.Join(dir, "labels", "combined_windows.json"))
	require.NoError(tb, err)
	var labels map[string][][2]string
	require.NoError(tb, json.Unmarshal(text, &labels))
	var files []*nabFile
	for name := range labels {
		files = append(files, &nabFile{name: name, category: strings.Split(name, "/")[0]})
	}
	slices.SortFunc(files, func(a, b *nabFile) int { return strings.Compare(a.name, b.name) })
	next := 0
	for _, f := range files {
		f.read(tb, filepath.Join(dir, "data", filepath.FromSlash(f.name)))
		next = f.label(tb, labels[f.name], next)
	}
	return files
}

func nabTime(tb testing.TB, s string) time.Time {
	tb.Helper()
	at, err := time.Parse("2006-01-02 15:04:05", s) // accepts a fraction, which the labels have
	require.NoError(tb, err)
	return at
}

func (f *nabFile) read(tb testing.TB, path string) {
	tb.Helper()
	file, err := os.Open(path)
	require.NoError(tb, err)
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	require.NoError(tb, err)
	for _, row := range rows[1:] {
		f.times = append(f.times, nabTime(tb, row[0]))
		value, err := strconv.ParseFloat(row[1], 64)
		require.NoError(tb, err)
		f.values = append(f.values, value)
	}
	f.probation = int(min(0.15*float64(len(rows)-1), 750)) // rounded down
}

// label works out what each row is worth. next numbers the windows of the corpus.
func (f *nabFile) label(tb testing.TB, labels [][2]string, next int) int {
	tb.Helper()
	first := map[time.Time]int{}
	for i, at := range f.times {
		if _, ok := first[at]; !ok {
			first[at] = i
		}
	}
	f.windows = len(labels)
	f.weight, f.window = make([]float64, len(f.times)), make([]int, len(f.times))
	left, right := make([]int, len(labels)), make([]int, len(labels))
	for k, l := range labels {
		var ok, ok2 bool
		left[k], ok = first[nabTime(tb, l[0])]
		right[k], ok2 = first[nabTime(tb, l[1])]
		require.True(tb, ok && ok2, "%s: window %v matches no row", f.name, l)
	}
	previous, k := -1, 0
	for i := range f.times {
		if k < len(labels) && i > right[k] {
			previous, k = k, k+1
		}
		f.window[i], f.weight[i] = -1, -1
		switch {
		case k < len(labels) && i >= left[k]:
			width := float64(right[k] - left[k] + 1)
			f.window[i] = next + k
			f.weight[i] = scaledSigmoid(-float64(right[k]-i+1)/width) / scaledSigmoid(-1)
		case previous >= 0:
			f.weight[i] = scaledSigmoid(float64(i-right[previous]) / float64(right[previous]-left[previous]))
		}
	}
	return next + len(labels)
}

// scoreAt is the score at the best threshold, or at the given one if it is not NaN.
func scoreAt(files []*nabFile, scores map[string][]float64, p profile, threshold float64) nabScore {
	type row struct {
		score, weight float64
		window        int
	}
	var rows []row
	windows := 0
	for _, f := range files {
		windows += f.windows
		for i := f.probation; i < len(f.values); i++ {
			rows = append(rows, row{scores[f.name][i], f.weight[i], f.window[i]})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(b.score, a.score) })
	worst, perfect := -p.miss*float64(windows), p.hit*float64(windows)
	now := nabScore{raw: worst, threshold: 1.1, windows: windows}
	best := now
	gained := map[int]float64{}
	for i, r := range rows {
		if r.score < threshold {
			break
		}
		if r.window < 0 {
			now.falseAlarm++
			now.raw += r.weight * p.falseAlarm
		} else {
			before, hit := gained[r.window]
			if !hit {
				before, now.hits = -p.miss, now.hits+1
			}
			gained[r.window] = max(before, r.weight*p.hit)
			now.raw += gained[r.window] - before
		}
		now.threshold = r.score
		if i+1 < len(rows) && rows[i+1].score == r.score {
			continue
		}
		if !math.IsNaN(threshold) || now.raw > best.raw {
			best = now
		}
	}
	if windows > 0 {
		best.score = 100 * (best.raw - worst) / (perfect - worst)
	}
	return best
}

func detectAll(tb testing.TB, s Settings, files []*nabFile) map[string][]float64 {
	tb.Helper()
	scores := map[string][]float64{}
	for _, f := range files {
		d, err := New(s)
		require.NoError(tb, err)
		out := make([]float64, len(f.values))
		for i, x := range f.values {
			out[i] = d.Observe(f.times[i], x).Score
		}
		scores[f.name] = out
	}
	return scores
}
