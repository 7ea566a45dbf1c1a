package deploytest

import (
	"log/slog"
	"regexp"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func rules(t *testing.T, raw []byte) []rulefmt.Rule {
	t.Helper()
	file, errs := rulefmt.Parse(raw, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	require.Empty(t, errs)
	require.Len(t, file.Groups, 1)
	return file.Groups[0].Rules
}

// What each rule is about, as what a server would expose then: a gauge's value, or by how much a counter grows in a minute.
var troubles = map[string]map[string]float64{
	"TollkeeperDown":              {"up": 0},
	"TollkeeperKeysStale":         {"tollkeeper_key_feed_silence_seconds": 31},
	"TollkeeperRecordsLost":       {"tollkeeper_ingest_gap_offsets_total": 1},
	"TollkeeperDecisionsLost":     {"tollkeeper_detect_decisions_dropped_total": 1},
	"TollkeeperIngestBehind":      {"tollkeeper_ingest_lag_age_seconds": 61},
	"TollkeeperIngestStalls":      {"tollkeeper_ingest_stalls_total": 1},
	"TollkeeperTransactionOpen":   {"tollkeeper_ingest_open_transaction_seconds": 301},
	"TollkeeperAlertsNotTold":     {"tollkeeper_notify_oldest_seconds": 601},
	"TollkeeperRatesNotShared":    {"tollkeeper_rate_limits_shared": 0},
	"TollkeeperLinesUnreadable":   {"tollkeeper_ingest_dead_letters_total": 1, "tollkeeper_ingest_records_total": 100},
	"TollkeeperPolicyInvalid":     {"tollkeeper_policy_file_invalid": 1},
	"TollkeeperEngineRestarts":    {"tollkeeper_clickhouse_engine_restarts_total": 1},
	"TollkeeperKeysForgotten":     {"tollkeeper_detect_keys_forgotten_total": 61},
	"TollkeeperRequestsWithoutId": {"tollkeeper_ingest_records_without_request_id_total": 2, "tollkeeper_ingest_records_total": 100},
}

// Every rule asks for metrics that a server really has, is silent about one that works, and speaks of what it is about.
func TestTheAlertRulesSpeakOfTroubleAndOfNothingElse(t *testing.T) {
	e := expose(t)
	well := e.record(t, 2*time.Hour, 0, map[string]float64{"tollkeeper_ingest_records_total": 6000, "tollkeeper_key_feed_silence_seconds": 1, "tollkeeper_rate_limits_shared": 1})
	all := rules(t, read(t, deploy(t, "prometheus", "alerts.yaml")))
	require.Len(t, all, len(troubles), "each rule has its trouble here")
	for _, r := range all {
		t.Run(r.Alert, func(t *testing.T) {
			require.Contains(t, []string{"page", "ticket"}, r.Labels["severity"])
			require.NotEmpty(t, r.Annotations["summary"])
			require.NotEmpty(t, r.Annotations["description"])
			well.requireKnown(t, e, r.Expr)
			require.Empty(t, well.ask(t, r.Expr), "speaks although nothing is wrong")
			require.Contains(t, troubles, r.Alert)
			require.NotEmpty(t, e.record(t, 2*time.Hour, 0, troubles[r.Alert]).ask(t, r.Expr), "is silent about what it is for")
			for _, m := range regexp.MustCompile(`'tollkeeper ([a-z]+)[^']*'`).FindAllStringSubmatch(r.Annotations["description"], -1) {
				_, errOut, code := tollkeeper(t, nil, m[1], "--help")
				require.Zero(t, code, "it says 'tollkeeper %s': %s", m[1], errOut)
			}
		})
	}
}

// scrape is how a file for Prometheus has it ask a server.
type scrape struct {
	JobName        string `json:"job_name"`
	ScrapeInterval string `json:"scrape_interval"`
	Authorization  struct {
		CredentialsFile string `json:"credentials_file"`
	}
	StaticConfigs []struct{ Targets []string } `json:"static_configs"`
}

func scrapeConfig(t *testing.T, raw []byte) scrape {
	t.Helper()
	var c struct {
		ScrapeConfigs []scrape `json:"scrape_configs"`
		RuleFiles     []string `json:"rule_files"`
	}
	require.NoError(t, yaml.UnmarshalStrict(raw, &c))
	require.Len(t, c.ScrapeConfigs, 1)
	require.Equal(t, "tollkeeper", c.ScrapeConfigs[0].JobName, "the rules know the job by this name")
	require.Equal(t, []string{"alerts.yaml"}, c.RuleFiles)
	return c.ScrapeConfigs[0]
}
