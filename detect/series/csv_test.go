package series

import (
	"bytes"
	"encoding/csv"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func scoreText(tb testing.TB, text string) (rows [][]string, sum Summary) {
	tb.Helper()
	var out bytes.Buffer
	sum, err := ScoreCSV(strings.NewReader(text), &out, Defaults())
	require.NoError(tb, err)
	rows, err = csv.NewReader(&out).ReadAll()
	require.NoError(tb, err)
	return rows, sum
}

func TestRowsKeepTheirText(t *testing.T) {
	rows, sum := scoreText(t, "timestamp,value\n2014-04-01 00:00:00,20.0\n2014-04-01 00:05:00, 1e1\n2014-04-01 00:10:00,NaN\n2014-04-01 00:10:00,\n")
	require.Equal(t, [][]string{
		{"timestamp", "value", "anomaly_score"},
		{"2014-04-01 00:00:00", "20.0", "0.000000000"},
		{"2014-04-01 00:05:00", " 1e1", "0.000000000"},
		{"2014-04-01 00:10:00", "NaN", "0.000000000"},
		{"2014-04-01 00:10:00", "", "0.000000000"},
	}, rows)
	require.Equal(t, Summary{Rows: 4, Ignored: 2}, sum)
}

func TestColumnsAreFoundByName(t *testing.T) {
	rows, _ := scoreText(t, "\ufeffhost, Value ,TIMESTAMP\r\na,3,1700000000\r\nb,4,1700000060\r\n")
	require.Equal(t, [][]string{
		{"timestamp", "value", "anomaly_score"}, {"1700000000", "3", "0.000000000"}, {"1700000060", "4", "0.000000000"},
	}, rows)
}

func TestAHeaderAloneGivesAHeader(t *testing.T) {
	rows, sum := scoreText(t, "timestamp,value\n")
	require.Len(t, rows, 1)
	require.Zero(t, sum)
}

func TestErrorsNameTheLineAndTheText(t *testing.T) {
	for text, want := range map[string]string{
		"":                  "the file is empty",
		"time,value\n1,2\n": `the header is "time,value", want the columns timestamp and value`,
		"timestamp,value\n1700000000,3\nnever,4\n": `line 3: timestamp "never"`,
		"timestamp,value\n1700000000,much\n":       `line 2: value "much" is no number`,
		"timestamp,value\n1700000000\n":            "line 2 has 1 fields, the header has 2",
		"timestamp,value\n1700000000,\"3\n":        "extraneous or missing",
	} {
		_, err := ScoreCSV(strings.NewReader(text), io.Discard, Defaults())
		require.ErrorIs(t, err, ErrFormat)
		require.ErrorContains(t, err, want)
	}
}

func TestTimestampsOfManyKinds(t *testing.T) {
	want := time.Date(2026, 3, 2, 11, 30, 0, 0, time.UTC)
	var c clock
	for _, text := range []string{
		"2026-03-02 11:30:00", "2026-03-02 11:30:00.000", "2026-03-02T11:30:00Z", "2026-03-02T12:30:00+01:00", "2026-03-02T11:30:00",
		"2026-03-02 11:30", "1772451000", "1772451000.0", "1772451000000", " 2026/03/02 11:30:00 ", "03/02/2026 11:30",
	} {
		at, err := c.time(text)
		require.NoError(t, err)
		require.True(t, want.Equal(at), "%s: %s", text, at)
	}
}

func FuzzScoreCSV(f *testing.F) {
	f.Add("timestamp,value\n2014-04-01 00:00:00,20.0\n2014-04-01 00:05:00,1e400\n")
	f.Add("value,timestamp\n-,0\n5,99999999999\n")
	f.Fuzz(func(t *testing.T, text string) {
		var out bytes.Buffer
		sum, err := ScoreCSV(strings.NewReader(text), &out, Defaults())
		if err != nil {
			require.ErrorIs(t, err, ErrFormat)
			return
		}
		rows, err := csv.NewReader(&out).ReadAll()
		require.NoError(t, err)
		require.Len(t, rows, sum.Rows+1)
	})
}
