package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatIsWrongWithTheSetUpIsOneLineThatNamesItAndExit2(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer busy.Close()
	file := filepath.Join(t.TempDir(), "a-file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	quiet := []string{"--listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0"}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"unknown setting":       {[]string{"serve", "--lisen", "x"}, "lisen"},
		"unknown command":       {[]string{"sevre"}, "sevre"},
		"bad ClickHouse DSN":    {[]string{"serve", "--data", t.TempDir(), "--clickhouse", "ftp://h/x"}, "clickhouse: scheme \"ftp\""},
		"bad database DSN":      {[]string{"serve", "--data", t.TempDir(), "--database", "mysql://h/x"}, "database: scheme \"mysql\""},
		"busy API port":         {[]string{"serve", "--data", t.TempDir(), "--kafka-listen", "127.0.0.1:0", "--listen", busy.Addr().String()}, busy.Addr().String()},
		"busy Kafka port":       {[]string{"serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--kafka-listen", busy.Addr().String()}, busy.Addr().String()},
		"missing library":       {append([]string{"serve", "--data", t.TempDir(), "--clickhouse-library", "/nowhere/libchdb.so"}, quiet...), "/nowhere/libchdb.so"},
		"data folder is a file": {append([]string{"serve", "--data", file}, quiet...), file},
		"unknown format":        {append([]string{"serve", "--data", t.TempDir(), "--format", "nginks"}, quiet...), "nginks"},
		"no such file":          {[]string{"import", "--data", t.TempDir(), "/nowhere/x.log"}, "/nowhere/x.log"},
	} {
		t.Run(name, func(t *testing.T) {
			out, errOut, code := tollkeeper(t, c.args...)
			require.Equal(t, 2, code, errOut)
			require.Empty(t, out)
			var said []string
			for line := range strings.SplitSeq(strings.TrimSpace(errOut), "\n") {
				if strings.HasPrefix(line, "tollkeeper: ") {
					said = append(said, line)
				}
			}
			require.Len(t, said, 1, errOut)
			require.Contains(t, said[0], c.want)
		})
	}
}

func TestASecondProcessOnTheSameDataFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	serve(t, "--data", dir)
	_, errOut, code := tollkeeper(t, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0")
	require.Equal(t, 2, code)
	require.Contains(t, errOut, dir+" is in use by another process (pid ")
}

var statusInCombined = regexp.MustCompile(`" (\d{3}) `)

func TestImportCountsTheApacheLogExactly(t *testing.T) {
	log := shared(t, "logs/apache_combined.log")
	want, lines := map[string]int64{}, int64(0)
	f, err := os.Open(log)
	require.NoError(t, err)
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); lines++ {
		want[statusInCombined.FindStringSubmatch(s.Text())[1]]++
	}
	require.EqualValues(t, 10_000, lines)
	dir := t.TempDir()
	var got struct {
		Lines, Events, Unprotected int64
		DeadLetters                int64            `json:"dead_letters"`
		ByStatus                   map[string]int64 `json:"by_status"`
	}
	for _, run := range []string{"first", "again, which adds nothing"} {
		out, errOut, code := tollkeeper(t, "import", "--json", "--format", "combined", "--data", dir, log)
		require.Zero(t, code, errOut)
		require.NoError(t, json.Unmarshal([]byte(out), &got), run)
		require.Equal(t, lines, got.Lines, run)
		require.Equal(t, lines, got.Events+got.DeadLetters, run)
		require.Equal(t, want, got.ByStatus, run)
		require.Equal(t, got.Events, got.Unprotected, "this format has no request ids")
	}
	s := serve(t, "--data", dir)
	out, errOut, code := tollkeeper(t, "audit", "--data", dir)
	require.Zero(t, code, errOut)
	require.Contains(t, out, fmt.Sprintf("not protected: %d events have no request id", got.Events))
	var stats struct {
		RequestsTotal int64 `json:"requests_total"`
		DeadLetters   int64 `json:"dead_letters"`
	}
	require.Equal(t, 200, s.call("GET", "/v1/stats", nil, &stats))
	require.Equal(t, got.Events, stats.RequestsTotal)
	require.Equal(t, got.DeadLetters, stats.DeadLetters)
}

func TestAnImportThatReadsNothingOrIsCutShortSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	packed := filepath.Join(dir, "cut.log.gz")
	var whole bytes.Buffer
	z := gzip.NewWriter(&whole)
	for i := range 5000 {
		fmt.Fprintf(z, "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET /%d HTTP/1.1\" 200 %d\n", i, i*i)
	}
	require.NoError(t, z.Close())
	require.NoError(t, os.WriteFile(packed, whole.Bytes()[:whole.Len()/2], 0o600))
	_, errOut, code := tollkeeper(t, "import", "--data", filepath.Join(dir, "a"), "--format", "combined", packed)
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "ends early")

	log := filepath.Join(dir, "other.log")
	require.NoError(t, os.WriteFile(log, []byte("what is this\nand that\n"), 0o600))
	out, errOut, code := tollkeeper(t, "import", "--data", filepath.Join(dir, "a"), "--format", "nginx", log)
	require.Equal(t, 1, code)
	require.Contains(t, out, "2 lines")
	require.Contains(t, errOut, "no line could be read as nginx; 'tollkeeper formats'")

	for _, how := range []string{"--dry-run", "--dry-run=false"} {
		_, errOut, code = tollkeeper(t, "import", "--data", filepath.Join(dir, "b"), "--format", "ngnix", how, log)
		require.Equal(t, 2, code, "nothing was tried")
		require.Contains(t, errOut, `format: accesslog: unknown format "ngnix": use one of auto, `)
	}
	require.NoDirExists(t, filepath.Join(dir, "b"))
}

// Whoever tries a format out has no data folder yet, and wants none.
func TestADryRunNeedsNothingAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "access.log")
	require.NoError(t, os.WriteFile(log, []byte("192.0.2.1 - frank [17/May/2015:10:05:03 +0000] \"GET /a HTTP/1.1\" 200 5\nrubbish\n"), 0o600))
	for _, command := range []string{"import", "ship"} {
		data := filepath.Join(dir, "none")
		out, errOut, code := tollkeeper(t, command, "--dry-run", "--data", data, "--format", "apache", log)
		require.Zero(t, code, errOut)
		require.Contains(t, out, "2 lines")
		require.Contains(t, out, "1 events, 1 dead letters")
		require.NoDirExists(t, data)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
}

func TestWhatIsInterruptedSaysSo(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "big.log")
	f, err := os.Create(log)
	require.NoError(t, err)
	one, err := os.ReadFile(shared(t, "logs/apache_combined.log"))
	require.NoError(t, err)
	for range 200 {
		_, err := f.Write(one)
		require.NoError(t, err)
	}
	require.NoError(t, f.Close())
	for _, c := range []struct {
		args  []string
		begun string // a file that is there once the work goes on
	}{
		{[]string{"import", "--data", filepath.Join(dir, "a"), "--format", "combined", log}, filepath.Join(dir, "a", "clickhouse", "store")},
		{[]string{"serve", "--data", filepath.Join(dir, "b"), "--listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0"}, filepath.Join(dir, "b", "lock")},
	} {
		p := launch(t, binary, c.args...)
		eventually(t, 30*time.Second, func() error { _, err := os.Stat(c.begun); return err })
		require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
		require.Equal(t, 130, p.code(30*time.Second), p.output())
		require.Regexp(t, `(?m)^tollkeeper: interrupted(; run the same command again.*)?$`, p.output())
		require.NotContains(t, p.output(), "context canceled")
	}
}

func TestADryRunStoresAndShipsNothing(t *testing.T) {
	log, dir := shared(t, "logs/apache_combined.log"), t.TempDir()
	for _, command := range []string{"import", "ship"} {
		var got struct{ Lines, Events int64 }
		out, errOut, code := tollkeeper(t, command, "--dry-run", "--json", "--format", "combined", "--data", dir, log)
		require.Zero(t, code, errOut)
		require.NoError(t, json.Unmarshal([]byte(out), &got))
		require.EqualValues(t, 10_000, got.Lines)
		_, errOut, code = tollkeeper(t, command, "--dry-run", "--format", "kong", "--data", dir, log)
		require.Equal(t, 1, code)
		require.Contains(t, errOut, "--format")
	}
	require.NoDirExists(t, filepath.Join(dir, "clickhouse"))
}

func TestShipOnceEndsWithTheFile(t *testing.T) {
	dir, log := t.TempDir(), filepath.Join(t.TempDir(), "access.log")
	s := serve(t, "--data", dir, "--format", "tollkeeper")
	raw, err := os.ReadFile(shared(t, "logs/apache_combined.log"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(log, raw, 0o600))
	for _, want := range []int64{10_000, 0} {
		out, errOut, code := tollkeeper(t, "ship", "--once", "--json", "--data", dir, "--kafka", s.kafka, "--format", "combined", log)
		require.Zero(t, code, errOut)
		var st struct{ Shipped int64 }
		require.NoError(t, json.Unmarshal([]byte(out), &st))
		require.Equal(t, want, st.Shipped)
	}
}

func TestShipOnceEndsWhenKafkaStaysAway(t *testing.T) {
	dir, log := t.TempDir(), filepath.Join(t.TempDir(), "access.log")
	serve(t, "--data", dir)
	require.NoError(t, os.WriteFile(log, []byte("a line\n"), 0o600))
	out, errOut, code := tollkeeper(t, "ship", "--once", "--give-up", "1s", "--json", "--data", dir, "--kafka", freeAddr(t), "--format", "combined", log)
	require.Equal(t, 1, code, errOut)
	require.Contains(t, errOut, "has taken no lines for")
	require.Contains(t, errOut, "0 lines were shipped, the other 7 bytes follow with the next start")
	var st struct{ Failing string }
	require.NoError(t, json.Unmarshal([]byte(out), &st))
	require.NotEmpty(t, st.Failing)

	_, errOut, code = tollkeeper(t, "ship", "--give-up", "1s", "--data", dir, log)
	require.Equal(t, 2, code)
	require.Contains(t, errOut, "--give-up goes with --once")
}

func TestFormatsAreShownAsTextAndJSON(t *testing.T) {
	type format struct{ Name, Description, Configure string }
	out, errOut, code := tollkeeper(t, "formats", "--json")
	require.Zero(t, code, errOut)
	require.Contains(t, out, `{"name":"auto","gateway":`)
	var all []format
	require.NoError(t, json.Unmarshal([]byte(out), &all))
	for _, want := range all {
		out, errOut, code := tollkeeper(t, "formats", want.Name, "--json")
		require.Zero(t, code, errOut)
		var got format
		require.NoError(t, json.Unmarshal([]byte(out), &got))
		require.Equal(t, want, got)
		out, _, _ = tollkeeper(t, "formats", want.Name)
		require.Contains(t, out, want.Name+": "+want.Description+"\n")
		require.Contains(t, out, want.Configure)
	}
}
