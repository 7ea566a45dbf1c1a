package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/stretchr/testify/require"
)

// scenario writes labelled traffic with the shared generator and returns its folder.
func scenario(t *testing.T, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(program(t, "python3"), append([]string{shared(t, "scenarios/scenario.py"), "--out", dir}, args...)...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir
}

// replayIntoKafka writes a recorded log into the topic, in order, and returns the number of records.
func replayIntoKafka(t *testing.T, broker, events string) int64 {
	t.Helper()
	f, err := os.Open(events)
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	w := &kafka.Writer{Addr: kafka.TCP(broker), Topic: "access-log", Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll, BatchSize: 10_000, BatchBytes: 4 << 20, BatchTimeout: 10 * time.Millisecond, Compression: compress.Lz4}
	defer w.Close()
	var n int64
	var batch []kafka.Message
	flush := func() {
		require.NoError(t, w.WriteMessages(t.Context(), batch...))
		batch = batch[:0]
	}
	for s := bufio.NewScanner(z); s.Scan(); n++ {
		line := slices.Clone(s.Bytes())
		_, rest, ok := strings.Cut(string(line), `"key_id":"`)
		require.True(t, ok)
		key, _, _ := strings.Cut(rest, `"`)
		if batch = append(batch, kafka.Message{Key: []byte(key), Value: line}); len(batch) == 20_000 {
			flush()
		}
	}
	flush()
	return n
}

func TestTheLivePathDecidesAsTheBacktestDoes(t *testing.T) {
	traffic := scenario(t, "--seed", "3", "--keys", "60", "--days", "12")
	result := t.TempDir()
	_, errOut, code := tollkeeper(t, "backtest", traffic, "--out", result, "--format", "tollkeeper")
	require.Zero(t, code, errOut)
	want := episodesIn(t, result)
	require.NotEmpty(t, want)

	data := t.TempDir()
	live := serve(t, "--data", data, "--kafka-partitions", "1", "--format", "tollkeeper", "--mode", "observe", "--events-days", "3650")
	live.wantTotal(replayIntoKafka(t, live.kafka, filepath.Join(traffic, "events.jsonl.gz")))
	// Alerts follow what is stored: one may be opened already and become serious yet.
	eventually(t, 60*time.Second, func() error {
		if diff := cmp.Diff(want, live.episodes(want)); diff != "" {
			return fmt.Errorf("the backtest (-) and the live path (+) differ:\n%s", diff)
		}
		return nil
	})

	// The backtest of what the server has stored finds the same, and holds it against what people said.
	_, errOut, code = tollkeeper(t, "backtest", "--from-clickhouse", "--data", data, "--out", result)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut, "in use by another process")
	require.Contains(t, errOut, "stop the server")
	var serious struct {
		Items []struct {
			ID    string
			Usual struct {
				Requests int64
				Networks struct{ Most []struct{ Name string } }
			}
		}
	}
	require.Equal(t, http.StatusOK, live.call("GET", "/v1/alerts?severity=high&limit=200", nil, &serious))
	require.GreaterOrEqual(t, len(serious.Items), 2)
	require.NotZero(t, serious.Items[0].Usual.Requests)
	require.Regexp(t, `^AS\d+`, serious.Items[0].Usual.Networks.Most[0].Name)
	for i, verdict := range []string{"confirm", "dismiss"} {
		require.Equal(t, http.StatusOK, live.call("POST", "/v1/alerts/"+serious.Items[i].ID+"/"+verdict, map[string]any{"reason": "for the test"}, nil))
	}
	live.stop()
	again := t.TempDir()
	out, errOut, code := tollkeeper(t, "backtest", "--from-clickhouse", "--data", data, "--out", again, "--html")
	require.Zero(t, code, errOut)
	require.Equal(t, want, episodesIn(t, again))
	require.Contains(t, out, "Of 1 confirmed alerts it would find 1 and suspend 1; of 1 dismissed ones it would suspend 1 again.")
	require.Contains(t, out, "At most 1 false suspensions in 30 days: required_evidence.suspend ")
	require.FileExists(t, filepath.Join(again, "report.html"))

	strict := filepath.Join(again, "strict.yaml")
	require.NoError(t, os.WriteFile(strict, []byte("version: 1\npolicies: [{id: strict, required_evidence: {suspend: 30}}]\n"), 0o600))
	out, errOut, code = tollkeeper(t, "policy", "simulate", strict, "--from-clickhouse", "--data", data)
	require.Zero(t, code, errOut)
	require.Contains(t, out, "would have acted on 0 keys")
	require.Contains(t, out, "keys are dealt with differently")
	require.Contains(t, out, "suspend -> flag")
	_, errOut, code = tollkeeper(t, "policy", "simulate", strict, "--from-clickhouse", "--data", data, "--since", "1h")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut, "there are no events in ClickHouse in that time")
}

// episode is what was found about an actor.
type episode struct {
	Serious bool     // it was, or would have been, suspended
	Steps   []string // what was found when, by the log's clock, in order, and the end
	Reason  string   // of the decision that counts
}

func step(kind string, at time.Time) string {
	return kind + " " + at.UTC().Format("2006-01-02 15:04:05.000")
}

// episodes reads from the server's alerts what it found, by key and episode. Of what is said about it only the reason that is wanted is kept, where it is there.
func (s *server) episodes(want map[string]episode) map[string]episode {
	found := map[string]episode{}
	for cursor := ""; ; {
		var page struct {
			Items []struct {
				ID       string
				KeyID    string `json:"key_id"`
				Episode  string
				Severity string
			}
			NextCursor string `json:"next_cursor"`
		}
		require.Equal(s.t, http.StatusOK, s.call("GET", "/v1/alerts?limit=200"+cursor, nil, &page))
		for _, a := range page.Items {
			var line struct {
				Items []struct {
					EventTime  time.Time `json:"event_time"`
					Kind, Text string
				}
			}
			require.Equal(s.t, http.StatusOK, s.call("GET", "/v1/alerts/"+a.ID+"/timeline", nil, &line))
			e := episode{Serious: a.Severity == "high"}
			reason := want[a.KeyID+" "+a.Episode].Reason
			for _, entry := range line.Items {
				if !entry.EventTime.IsZero() {
					e.Steps = append(e.Steps, step(entry.Kind, entry.EventTime))
				}
				if entry.Text == reason {
					e.Reason = reason
				}
			}
			found[a.KeyID+" "+a.Episode] = e
		}
		if page.NextCursor == "" {
			return found
		}
		cursor = "&cursor=" + page.NextCursor
	}
}

// episodesIn reads what a backtest found about whom.
func episodesIn(t *testing.T, result string) map[string]episode {
	t.Helper()
	found := map[string]episode{}
	f, err := os.Open(filepath.Join(result, "episodes.jsonl"))
	require.NoError(t, err)
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 4<<20)
	for s.Scan() {
		var e struct {
			KeyID     string `json:"key_id"`
			EpisodeID string `json:"episode_id"`
			Wanted    string
			Decision  struct{ Reason string }
			Timeline  []struct {
				TimeMillis int64 `json:"time_millis"`
				Phase      string
			}
		}
		require.NoError(t, json.Unmarshal(s.Bytes(), &e))
		is := episode{Serious: e.Wanted == "suspend", Reason: e.Decision.Reason}
		for i, at := range e.Timeline {
			kind := "finding"
			switch {
			case i == 0:
				kind = "opened"
			case at.Phase == "ended":
				kind = "ended"
			}
			is.Steps = append(is.Steps, step(kind, time.UnixMilli(at.TimeMillis)))
		}
		found[e.KeyID+" "+e.EpisodeID] = is
	}
	require.NoError(t, s.Err())
	return found
}

func TestScenarioBacktestAndScoreWorkEndToEnd(t *testing.T) {
	traffic, result := scenario(t, "--seed", "1", "--keys", "40", "--days", "12"), t.TempDir()
	out, errOut, code := tollkeeper(t, "backtest", traffic, "--out", result, "--html")
	require.Zero(t, code, errOut)
	require.Contains(t, out, "suspend_recall")
	page, err := os.ReadFile(filepath.Join(result, "report.html"))
	require.NoError(t, err)
	require.Contains(t, string(page), `<polygon class="band"`, "what was expected of the keys is not drawn")
	score := exec.Command(program(t, "python3"), shared(t, "scenarios/score.py"), traffic, filepath.Join(result, "decisions.jsonl"), "--json")
	raw, err := score.CombinedOutput()
	require.NoError(t, err, "%s", raw)
	var table struct {
		Recall float64 `json:"suspend_recall"`
		False  float64 `json:"false_suspends_per_1000_key_days"`
	}
	require.NoError(t, json.Unmarshal(raw, &table))
	require.GreaterOrEqual(t, table.Recall, 0.9)
	require.LessOrEqual(t, table.False, 2.1) // one in this little traffic
}
