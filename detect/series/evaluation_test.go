package series

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNAB(t *testing.T) {
	files := loadCorpus(t)
	scores := detectAll(t, Defaults(), files)
	t.Run("the standard score is at least 68", func(t *testing.T) { reachesTheBar(t, files, scores) })
	t.Run("the scorer is NAB's", func(t *testing.T) { scorersAgree(t, files, scores) })
}

// reachesTheBar: at least 68 on the standard profile of the half of the corpus that may be seen. What is reached, and how much of it is
// luck, is in SERIES.md.
func reachesTheBar(t *testing.T, files []*nabFile, scores map[string][]float64) {
	for name, least := range map[string]float64{"standard": 68, "reward_low_FP_rate": 62, "reward_low_FN_rate": 72} {
		got := scoreAt(files, scores, profiles[name], math.NaN())
		require.GreaterOrEqual(t, got.score, least, "%s: %+v", name, got)
	}
	// The threshold that a user has, without a scorer that knows the labels, is the alert itself.
	require.GreaterOrEqual(t, scoreAt(files, scores, profiles["standard"], 0.5).score, 68.0)
}

// scorersAgree: the scorer here and the corpus' own say the same of the same results.
func scorersAgree(t *testing.T, files []*nabFile, scores map[string][]float64) {
	dir := corpusDir(t)
	results := t.TempDir()
	for _, f := range files {
		path := filepath.Join(results, filepath.FromSlash(f.name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		in, err := os.Open(filepath.Join(dir, "data", filepath.FromSlash(f.name)))
		require.NoError(t, err)
		out, err := os.Create(path)
		require.NoError(t, err)
		sum, err := ScoreCSV(in, out, Defaults())
		require.NoError(t, err)
		require.Equal(t, len(f.values), sum.Rows)
		require.NoError(t, in.Close())
		require.NoError(t, out.Close())
	}
	report := filepath.Join(results, "report.json")
	out, err := exec.Command("python3", filepath.Join(dir, "nabscore.py"), "--nab", dir, "--results", results, "--json", report).CombinedOutput()
	require.NoError(t, err, "python3 with nabscore.py: %s", out)
	text, err := os.ReadFile(report)
	require.NoError(t, err)
	var theirs map[string]struct {
		Score float64 `json:"score"`
		Hits  int     `json:"windows_hit"`
	}
	require.NoError(t, json.Unmarshal(text, &theirs))
	for name, p := range profiles {
		ours := scoreAt(files, scores, p, math.NaN())
		require.InDelta(t, theirs[name].Score, ours.score, 1e-6, fmt.Sprint(name))
		require.Equal(t, theirs[name].Hits, ours.hits, name)
	}
}
