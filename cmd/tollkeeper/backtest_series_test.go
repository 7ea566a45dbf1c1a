package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// backtestSeries runs the command and returns what it printed.
func backtestSeries(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := newBacktestSeriesCmd()
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func writeSeries(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, "data", name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

// spiky is a day of minutes with one spike.
func spiky(spike int) string {
	var b strings.Builder
	b.WriteString("timestamp,value\n")
	at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for i := range 1440 {
		value := 10 + i%7
		if i == spike {
			value = 500
		}
		fmt.Fprintf(&b, "%s,%d\n", at.Add(time.Duration(i)*time.Minute).Format(time.DateTime), value)
	}
	return b.String()
}

func TestBacktestSeriesWritesOneResultForEachFile(t *testing.T) {
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "deep", "results")
	writeSeries(t, dir, "web/a.csv", spiky(1000))
	writeSeries(t, dir, "web/b.csv", spiky(-1))
	writeSeries(t, dir, "db/c.csv", "timestamp,value\n2026-03-02 00:00:00,5\n2026-03-02 00:01:00,\n")
	writeSeries(t, dir, "db/notes.txt", "not a series")

	text, err := backtestSeries(t, dir, "--out", out, "--json")
	require.NoError(t, err)
	var sum struct {
		Files, Rows, Alerts int
		Ignored             int `json:"ignored_values"`
		Categories          map[string]struct{ Files, Rows int }
	}
	require.NoError(t, json.Unmarshal([]byte(text), &sum))
	require.Equal(t, 3, sum.Files)
	require.Equal(t, 2882, sum.Rows)
	require.Equal(t, 1, sum.Ignored)
	require.Equal(t, 2, sum.Categories["web"].Files)

	result, err := os.ReadFile(filepath.Join(out, "web", "a.csv"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(result)), "\n")
	require.Len(t, lines, 1441)
	require.Equal(t, "timestamp,value,anomaly_score", lines[0])
	require.Regexp(t, `^2026-03-02 16:40:00,500,0\.[5-9]`, lines[1001])
	left, err := filepath.Glob(filepath.Join(out, "*", "*"))
	require.NoError(t, err)
	require.Len(t, left, 3, "only results, no temporary files")

	text, err = backtestSeries(t, dir, "--out", out)
	require.NoError(t, err)
	require.Contains(t, text, "results in "+out)
}

func TestBacktestSeriesSaysWhatIsWrong(t *testing.T) {
	empty, broken, out := t.TempDir(), t.TempDir(), t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(empty, "data"), 0o755))
	writeSeries(t, broken, "web/a.csv", "timestamp,value\nnever,5\n")
	for _, c := range []struct {
		args []string
		want string
		work bool // failed while working
	}{
		{[]string{empty}, "--out is missing", false},
		{[]string{filepath.Join(empty, "nowhere"), "--out", out}, "give the folder that holds data/CATEGORY/FILE.csv", false},
		{[]string{empty, "--out", out}, "holds no CATEGORY/FILE.csv", false},
		{[]string{broken, "--out", out}, `a.csv: not a series of timestamps and values: line 2: timestamp "never"`, true},
	} {
		_, err := backtestSeries(t, c.args...)
		require.ErrorContains(t, err, c.want)
		var f failed
		require.Equal(t, c.work, errors.As(err, &f))
	}
	left, err := filepath.Glob(filepath.Join(out, "*", "*"))
	require.NoError(t, err)
	require.Empty(t, left, "a failed file leaves nothing behind")
}
