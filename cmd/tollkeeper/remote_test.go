package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// answers is a server that says the same to everybody, by method and path.
func answers(t *testing.T, byPath map[string]string) func(args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return answersWith(t, http.StatusOK, byPath)
}

func answersWith(t *testing.T, status int, byPath map[string]string) func(args ...string) (stdout, stderr string, code int) {
	t.Helper()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := byPath[r.URL.RequestURI()]
		if ok {
			w.WriteHeader(status)
		} else {
			w.WriteHeader(http.StatusNotFound)
			body = `{"title":"Not found","detail":"Check the id.","code":"not_found"}`
		}
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(api.Close)
	return func(args ...string) (string, string, int) {
		return tollkeeper(t, append(args, "--server", api.URL, "--token", "x")...)
	}
}

// A script reads JSON and the exit code; both must say it.
func TestAnAuditThatIsNotExactExitsWithOneInEveryForm(t *testing.T) {
	do := answers(t, map[string]string{"/v1/ingest/audit": `{"exact":false,"at":"2026-11-30T00:00:00Z","differences":["orders/1: offset 7"],"notes":[],"partitions":[]}`})
	out, errOut, code := do("audit")
	require.Equal(t, 1, code)
	require.Equal(t, "tollkeeper: not exact\n", errOut)
	require.Contains(t, out, "differs: orders/1: offset 7\n")

	out, errOut, code = do("audit", "--json")
	require.Equal(t, 1, code)
	require.Equal(t, "tollkeeper: not exact\n", errOut)
	require.JSONEq(t, `{"exact":false,"at":"2026-11-30T00:00:00Z","differences":["orders/1: offset 7"],"notes":[],"partitions":[]}`, out)
}

// Records that no seal covers are no fault of the books, but somebody must hear of them: of those in sealed hours nobody is billed.
func TestAnAuditTellsWhichRecordsAreTooOldToBeSealed(t *testing.T) {
	do := answers(t, map[string]string{"/v1/ingest/audit": `{"exact":true,"at":"2026-11-30T00:00:00Z","differences":[],"notes":[],"partitions":[],
		"too_old":{"records":1204,"hours":3,"first":[{"hour":"2026-01-01T03:00:00Z","records":4,"counted":true},{"hour":"2026-02-01T05:00:00Z","records":1000,"counted":false}]}}`})
	out, errOut, code := do("audit")
	require.Zero(t, code, errOut)
	require.Contains(t, out, `too old: 1204 records of 3 hours came when these could not be sealed any more (see events-days):
  2026-01-01T03:00:00Z  4 records count until they are dropped
  2026-02-01T05:00:00Z  1000 records do not count: the hour was sealed without them
  and 1 later hours
exact
`)
}

func TestAnAuditMayLookAtSomeDaysOnly(t *testing.T) {
	exact := `{"exact":true,"at":"2026-11-30T00:00:00Z","differences":[],"notes":[],"partitions":[]}`
	do := answers(t, map[string]string{"/v1/ingest/audit?from=2026-03-01T00%3A00%3A00Z&to=2026-03-08T00%3A00%3A00Z": exact})
	out, errOut, code := do("audit", "--since", "2026-03-01T12:00:00Z", "--until", "2026-03-08")
	require.Zero(t, code, errOut)
	require.Contains(t, out, "exact\n")
	_, errOut, code = do("audit", "--since", "May")
	require.Equal(t, 2, code)
	require.Contains(t, errOut, `--since is "May": write 2026-03-01`)
	_, errOut, code = do("audit", "--since", "2d", "--until", "3d")
	require.Equal(t, 2, code)
	require.Contains(t, errOut, "--since 2d is not before --until 3d")
}

func TestEveryListSaysThatItGoesOnAndFromWhere(t *testing.T) {
	do := answers(t, map[string]string{
		"/v1/dead-letters?limit=50":                `{"items":[],"next_cursor":"further"}`,
		"/v1/dead-letters?cursor=further&limit=50": `{"items":[]}`,
		"/v1/alerts?limit=50&severity=high":        `{"items":[],"next_cursor":"further"}`,
		"/v1/alerts?cursor=further&limit=50":       `{"items":[]}`,
	})
	for _, list := range [][]string{{"deadletters", "list"}, {"alerts", "list", "--severity", "high"}} {
		_, errOut, code := do(list...)
		require.Zero(t, code, errOut)
		require.Equal(t, "There are more: add --cursor further\n", errOut)
		_, errOut, code = do(list[0], list[1], "--cursor", "further")
		require.Zero(t, code, errOut)
		require.Empty(t, errOut)
	}
}

func TestAnAlertAsJSONHasItsTimelineAndSimilarOnes(t *testing.T) {
	do := answers(t, map[string]string{
		"/v1/alerts/a1":                 `{"id":"a1","sentence":"why","status":"open","evidence":[{"family":"volume","sentence":"s","window_seconds":86400},{"family":"errors","sentence":"t","window_seconds":73}]}`,
		"/v1/alerts/a1/timeline":        `{"items":[{"kind":"opened","actor":"detector:abuse","text":"opened"}]}`,
		"/v1/alerts/a2":                 `{"id":"a2","sentence":"why","status":"open","evidence":[],"usual":{"networks":{"all":3,"most":[{"name":"AS16509 Amazon"},{"name":"AS3320 Telekom"},{"name":"AS1"}]},"countries":{"all":1,"most":[{"name":"DE"}]},"agents":{"all":0,"most":[]},"routes":{"all":1,"most":[{"name":"GET /v1/x"}]},"hour":{"expected":9,"low":1,"high":28}}}`,
		"/v1/alerts/a2/timeline":        `{"items":[{"kind":"opened","actor":"detector:abuse","text":"why"}]}`,
		"/v1/alerts/a2/similar?limit=5": `{"items":[]}`,
		"/v1/alerts/a1/similar?limit=5": `{"items":[{"because":["same network"],"alert":{"id":"a0"}}]}`,
	})
	out, errOut, code := do("alerts", "show", "a1")
	require.Zero(t, code, errOut)
	require.Regexp(t, `(?m)^volume +1d +s$`, out)
	require.Regexp(t, `(?m)^errors +1m13s +t$`, out)
	out, errOut, code = do("alerts", "show", "a2")
	require.Zero(t, code, errOut)
	require.Contains(t, out, "\nusually AS16509 Amazon, AS3320 Telekom and 1 more; DE; GET /v1/x; 1 to 28 requests in such an hour\n")
	require.Equal(t, 1, strings.Count(out, "why"), "the timeline says the sentence again:\n%s", out)
	out, errOut, code = do("alerts", "show", "a1", "--json")
	require.Zero(t, code, errOut)
	var a struct {
		ID       string `json:"id"`
		Sentence string
		Timeline []struct{ Text string }
		Similar  []struct{ Because []string }
	}
	require.NoError(t, json.Unmarshal([]byte(out), &a))
	require.Equal(t, "a1", a.ID)
	require.Equal(t, "why", a.Sentence)
	require.Equal(t, "opened", a.Timeline[0].Text)
	require.Equal(t, []string{"same network"}, a.Similar[0].Because)
}

func TestADismissalMayLeaveTheKeyAsItIs(t *testing.T) {
	body := make(chan string, 1)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		body <- r.URL.Path + " " + string(raw)
		_, _ = w.Write([]byte(`{"id":"a1","status":"dismissed"}`))
	}))
	defer api.Close()
	for flag, want := range map[string]string{"--json=false": `{"reason":"r"}`, "--keep": `{"reason":"r","reinstate":false}`} {
		_, errOut, code := tollkeeper(t, "alerts", "dismiss", "a1", "--reason", "r", flag, "--server", api.URL, "--token", "x")
		require.Zero(t, code, errOut)
		require.Equal(t, "/v1/alerts/a1/dismiss "+want, <-body)
	}
}

func TestPolicyDiffNamesWhatItDoesNotFindAndPrintsJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(file, []byte("a\nb\n"), 0o600))
	do := answers(t, map[string]string{"/v1/policies/123": `{"revision":"123","content":"a\nc\n"}`})
	out, errOut, code := do("policy", "diff", "123", file)
	require.Zero(t, code, errOut)
	require.Equal(t, "  a\n- c\n+ b\n", out)
	out, errOut, code = do("policy", "diff", "123", file, "--json")
	require.Zero(t, code, errOut)
	require.JSONEq(t, `{"from":"123","to":"`+file+`","lines":[{"change":"same","text":"a"},{"change":"removed","text":"c"},{"change":"added","text":"b"}]}`, out)

	_, errOut, code = do("policy", "diff", "123", "policy.yml")
	require.Equal(t, 1, code)
	require.Equal(t, "tollkeeper: policy.yml is no file here and no revision there; 'tollkeeper policy history' lists those\n", errOut)
	_, errOut, code = do("policy", "show", "124")
	require.Equal(t, 1, code)
	require.Equal(t, "tollkeeper: there is no revision 124; 'tollkeeper policy history' lists those that were in force\n", errOut)
}
