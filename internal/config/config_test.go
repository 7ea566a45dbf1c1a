package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func load(t *testing.T, env []string, args ...string) (Config, error) {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Flags(fs, Default())
	require.NoError(t, fs.Parse(args))
	return Load(fs, env, Default())
}

// wantProblem says that settings are refused for that, or taken where it is "". What is secret in them is "canary".
func wantProblem(t *testing.T, problem string, args ...string) {
	t.Helper()
	_, err := load(t, nil, args...)
	if problem == "" {
		require.NoError(t, err)
		return
	}
	require.ErrorContains(t, err, problem)
	require.NotContains(t, err.Error(), "canary", "addresses and secrets are nobody's business")
}

func TestDefaultsAreValid(t *testing.T) {
	c, err := load(t, nil)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(Default(), c))
}

func TestFlagWinsOverEnvironmentOverFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tollkeeper.yaml")
	require.NoError(t, os.WriteFile(file, []byte("group: from-file\ntopics: [a, b]\nseal-grace: 1h\nlisten: 127.0.0.1:1\n"), 0o600))
	c, err := load(t, []string{"TOLLKEEPER_GROUP=from-env", "TOLLKEEPER_LISTEN=127.0.0.1:2"}, "--config", file, "--listen", "127.0.0.1:3")
	require.NoError(t, err)
	require.Equal(t, "from-env", c.Group)
	require.Equal(t, "127.0.0.1:3", c.Listen)
	require.Equal(t, []string{"a", "b"}, c.Topics)
	require.Equal(t, time.Hour, c.SealGrace)
}

func TestEveryProblemIsReportedAtOnceByName(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bad.yaml")
	require.NoError(t, os.WriteFile(file, []byte("listn: 127.0.0.1:1\nevents-days: many\n"), 0o600))
	_, err := load(t, []string{"TOLLKEEPER_MODE=maybe", "TOLLKEEPER_TOPIC=x", "TOLLKEEPER_PORT=tcp://10.0.0.1:80"},
		"--config", file, "--clickhouse", "ftp://u:hunter2@h/x", "--kafka", "nohost")
	require.Error(t, err)
	for _, want := range []string{
		"listn: ", "did you mean listen?", `events-days: `, `"many" is not a whole number`, `mode: "maybe"`,
		"TOLLKEEPER_TOPIC: unknown setting; did you mean topics?", "clickhouse: scheme", `kafka: "nohost" is not host:port`,
	} {
		require.Contains(t, err.Error(), want)
	}
	require.NotContains(t, err.Error(), "hunter2")
	require.NotContains(t, err.Error(), "TOLLKEEPER_PORT")
}

func TestWhatIsKeptTooShortIsRefused(t *testing.T) {
	_, err := load(t, nil, "--alerts-days", "29", "--audit-days", "89", "--kafka-retention-size", "63MiB", "--kafka-retention", "30m", "--events-days", "2")
	for _, want := range []string{"alerts-days: 29 is too few", "audit-days: 89 is too few", "kafka-retention-size: 63 MiB is too small", "kafka-retention: 30m0s is too short", "events-days: 2 is too few"} {
		require.ErrorContains(t, err, want)
	}
	c, err := load(t, nil, "--alerts-days", "30", "--audit-days", "90", "--kafka-retention-size", "2GiB")
	require.NoError(t, err)
	require.Equal(t, 2048, c.KafkaRetentionSize)
}

func TestPrintedSettingsLoadBackAndHoldNoPassword(t *testing.T) {
	c := Default()
	c.Database = "postgres://tk:hunter2@db/tollkeeper"
	c.Topics = []string{"edge", "inner"}
	printed := c.Print()
	require.NotContains(t, printed, "hunter2")
	file := filepath.Join(t.TempDir(), "printed.yaml")
	require.NoError(t, os.WriteFile(file, []byte(printed), 0o600))
	got, err := load(t, nil, "--config", file)
	require.NoError(t, err)
	c.Database = strings.Replace(c.Database, "hunter2", "xxxxx", 1)
	require.Empty(t, cmp.Diff(c, got, cmp.Transformer("nil", func(s []string) []string { return append([]string{}, s...) })))
}

func TestTheLogIsKeptLongEnoughToBeReadOrForEver(t *testing.T) {
	for value, good := range map[string]bool{"0": true, "1h": true, "720h": true, "59m": false, "-1h": false} {
		_, err := load(t, nil, "--kafka-retention", value)
		require.Equal(t, good, err == nil, "%s: %v", value, err)
		if !good {
			require.ErrorContains(t, err, "kafka-retention")
		}
	}
}

func TestEventsAreKeptLongEnoughToBeSealed(t *testing.T) {
	_, err := load(t, nil, "--events-days", "2")
	require.ErrorContains(t, err, "events-days: 2 is too few")
	_, err = load(t, nil, "--events-days", "3")
	require.NoError(t, err)
}

func TestASizeHasAUnitOrIsInMiB(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tollkeeper.yaml")
	require.NoError(t, os.WriteFile(file, []byte("ingest-memory: 2GiB\n"), 0o600))
	c, err := load(t, nil, "--config", file)
	require.NoError(t, err)
	require.Equal(t, 2048, c.IngestMemory)

	c, err = load(t, []string{"TOLLKEEPER_INGEST_MEMORY=300 MiB"})
	require.NoError(t, err)
	require.Equal(t, 300, c.IngestMemory)

	c, err = load(t, nil, "--ingest-memory", "128")
	require.NoError(t, err)
	require.Equal(t, 128, c.IngestMemory)

	for _, bad := range []string{"512MB", "many", "1.5GiB", "99999999999GiB", "GiB", ""} {
		_, err = load(t, []string{"TOLLKEEPER_INGEST_MEMORY=" + bad})
		require.ErrorContains(t, err, "ingest-memory: TOLLKEEPER_INGEST_MEMORY: \""+bad+"\" is not a size such as 512MiB or 2GiB")
	}
}

func TestTheHostsOfADSNHavePortsThatExist(t *testing.T) {
	for dsn, problem := range map[string]string{
		"clickhouse://h:9000/db":               "",
		"clickhouse://h1:9000,h2:9000/x":       "",
		"clickhouse://[::1]:9000/x":            "",
		"http://u:p@h1:8123,h2:8123/db":        "",
		"http://u:hunter2@h1:8123,h2:99999/db": `"h2:99999" has no valid port`,
		"u:hunter2@h/db":                       "is not one of http, https, clickhouse",
		"http://u:hunter2@h:99999/db":          `"h:99999" has no valid port`,
		"clickhouse://h1:9000,h2:0x/db":        "is not a DSN",
		"http://u:hunter2#@h/db":               "write special characters of the password as %XX, such as %23 for #",
	} {
		_, err := load(t, nil, "--clickhouse", dsn)
		if problem == "" {
			require.NoError(t, err, dsn)
			continue
		}
		require.ErrorContains(t, err, problem, dsn)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestASecretMayComeFromAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dsn")
	require.NoError(t, os.WriteFile(file, []byte("postgres://tk:x@db/tk\n"), 0o600))
	c, err := load(t, []string{"TOLLKEEPER_DATABASE_FILE=" + file})
	require.NoError(t, err)
	require.Equal(t, "postgres://tk:x@db/tk", c.Database)

	_, err = load(t, []string{"TOLLKEEPER_DATABASE_FILE=" + file, "TOLLKEEPER_DATABASE=postgres://tk:other@db/tk"})
	require.ErrorContains(t, err, "leave one out")
	require.NotContains(t, err.Error(), "other")
}

// Both engines take the password as a parameter, too.
func TestPrintedSettingsHoldNoPasswordFromAParameter(t *testing.T) {
	c := Default()
	c.Database = "postgres://db/tollkeeper?user=tk&password=hunter2&sslmode=require&sslpassword=hunter2"
	c.ClickHouse = "http://h:8123/tollkeeper?username=tk&Password=hunter2&http_headers=X-Key:hunter2&secure=true"
	printed := c.Print()
	require.NotContains(t, printed, "hunter2")
	for _, want := range []string{"user=tk", "sslmode=require", "username=tk", "secure=true"} {
		require.Contains(t, printed, want)
	}
}

func TestPrintedSettingsKeepAllHostsOfADSN(t *testing.T) {
	c := Default()
	c.ClickHouse = "https://tk:hunter2@h1:8443,h2:8443/tollkeeper"
	require.Contains(t, c.Print(), "https://tk:xxxxx@h1:8443,h2:8443/tollkeeper")
}

func TestOddValuesInAFile(t *testing.T) {
	for _, c := range []struct{ name, file, problem string }{
		{"nothing after the name", "policy:\nclickhouse: ~\ndatabase: null\n", ""},
		{"an alias", "group: &g edge\ntopics: [*g]\n", "topics: "},
		{"an alias of a value", "group: &g edge\nformat: *g\n", ""},
		{"a list for one value", "listen: [127.0.0.1:1, 127.0.0.1:2]\n", "one value"},
		{"objects in a list", "topics: [{a: b}]\n", "a list of values"},
		{"an object for a value", "group: {a: b}\n", "one value"},
		{"one value for a list", "topics: edge\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "tollkeeper.yaml")
			require.NoError(t, os.WriteFile(file, []byte(c.file), 0o600))
			got, err := load(t, nil, "--config", file)
			if c.problem != "" {
				require.ErrorContains(t, err, c.problem)
				return
			}
			require.NoError(t, err)
			require.Empty(t, got.ClickHouse)
			require.Empty(t, got.Database)
		})
	}
}

// A mapping that no line is read by would turn every line into a dead letter, or be left out without a word.
func TestAMappingNeedsItsFormat(t *testing.T) {
	_, err := load(t, nil, "--mapping", "m.yaml")
	require.ErrorContains(t, err, "mapping: names m.yaml, which the format auto does not read; set format to mapping")
	_, err = load(t, nil, "--mapping", "m.yaml", "--format", "mapping")
	require.NoError(t, err)
}
