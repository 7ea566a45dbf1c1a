package deploytest

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	graph "github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// What Grafana puts in the place of its variables when all jobs and processes are shown.
var variables = strings.NewReplacer("$__rate_interval", "5m", "$job", ".*", "$instance", ".*")

var legendLabel = regexp.MustCompile(`\{\{ *(\w+) *\}\}`)

// Grafana passes over a field that it does not know, and shows an empty panel for a metric that does not exist. Here both fail.
func TestEveryPanelOfTheDashboardShowsSomethingOfARunningServer(t *testing.T) {
	grafana := cog.NewRuntime()
	grafana.RegisterPanelcfgVariant(timeseries.VariantConfig())
	grafana.RegisterPanelcfgVariant(stat.VariantConfig())
	grafana.RegisterDataqueryVariant(graph.VariantConfig())
	raw := read(t, deploy(t, "grafana", "tollkeeper.json"))
	var d dashboard.Dashboard                                               //nolint:staticcheck // the older form is the one that every Grafana in use reads
	for _, err := range []error{d.UnmarshalJSONStrict(raw), d.Validate()} { // a list of problems, which may be empty
		require.True(t, err == nil || err.Error() == "", "%v", err)
	}

	// The types above hold what Grafana knows; what is to be looked at is easier as it is written.
	var board struct {
		UID         string
		Templating  struct{ List []variable }
		Annotations struct{ List []struct{ Expr string } }
		Panels      []panel
	}
	require.NoError(t, json.Unmarshal(raw, &board))
	e := expose(t)
	p := e.record(t, 24*time.Hour, 1, nil)
	titles, ids := map[string]bool{}, map[int]bool{}
	for i, panel := range board.Panels {
		require.False(t, ids[panel.ID], "two panels have id %d", panel.ID)
		ids[panel.ID] = true
		for _, other := range board.Panels[:i] {
			require.False(t, panel.GridPos.overlaps(other.GridPos), "%q lies over %q", panel.Title, other.Title)
		}
		if panel.Type == "row" {
			continue
		}
		require.NotEmpty(t, panel.Description, panel.Title)
		require.NotEmpty(t, panel.FieldConfig.Defaults.Unit, panel.Title)
		require.NotEmpty(t, panel.Targets, panel.Title)
		titles[panel.Title] = true
		for _, q := range panel.Targets {
			require.Equal(t, "$datasource", q.Datasource.UID, panel.Title)
			query := variables.Replace(q.Expr)
			require.NotContains(t, query, "$", "a variable that is none")
			p.requireKnown(t, e, query)
			found := p.ask(t, query)
			require.NotEmpty(t, found, "%s: %s shows nothing", panel.Title, query)
			for _, m := range legendLabel.FindAllStringSubmatch(q.LegendFormat, -1) {
				for _, s := range found {
					require.True(t, s.Metric.Has(m[1]), "%s: the legend names %s, which %s has not", panel.Title, m[1], query)
				}
			}
			if len(found) > 1 {
				require.Regexp(t, legendLabel, q.LegendFormat, "%s: %s gives several lines of one name", panel.Title, query)
			}
		}
		// A panel that names a rule names one that there is.
		for _, name := range regexp.MustCompile(`Tollkeeper[A-Z]\w+`).FindAllString(panel.Description, -1) {
			require.Contains(t, troubles, name, panel.Title)
		}
	}
	require.Greater(t, len(titles), 30)
	for _, v := range board.Templating.List {
		if v.Type == "query" {
			m := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(v.Definition)
			require.NotNil(t, m, v.Definition)
			for _, s := range p.ask(t, variables.Replace(m[1])) {
				require.True(t, s.Metric.Has(m[2]), v.Definition)
			}
		}
	}
	require.Len(t, board.Annotations.List, 1)
	require.Regexp(t, `^ALERTS\{alertname=~"Tollkeeper\.\*"`, board.Annotations.List[0].Expr)
}

// Nothing that is counted or measured goes unseen but what is left out here, with the reason.
func TestTheDashboardShowsAllThatAServerMeasures(t *testing.T) {
	unseen := map[string]string{
		"tollkeeper_key_verifications_total":         "tollkeeper_api_verdicts_total has the same and MISSING_KEY, by operation",
		"tollkeeper_ingest_bytes_total":              "records are what is billed and what load is reckoned by",
		"tollkeeper_ingest_blocks_total":             "is the count of tollkeeper_ingest_insert_seconds",
		"tollkeeper_ingest_block_rows":               "for whoever tunes ingest",
		"tollkeeper_ingest_control_records_total":    "no records",
		"tollkeeper_ingest_dedup_bytes":              "part of ingest-memory; what it buys is the window shown",
		"tollkeeper_clickhouse_insert_bytes_total":   "rows are shown",
		"tollkeeper_api_event_streams":               "open dashboards",
		"tollkeeper_key_events_dropped_total":        "a subscriber that lost some reads the state anew",
		"tollkeeper_keys_observed_passed_over_total": "new keys in the log beyond what is remembered; no key that was issued is among them",
		"tollkeeper_quota_keys":                      "memory, in the resident set",
	}
	board := string(read(t, deploy(t, "grafana", "tollkeeper.json")))
	e := expose(t)
	for name := range e.kinds {
		if strings.HasPrefix(name, "tollkeeper_") {
			shown := regexp.MustCompile(name + `(_bucket|_count)?\{`).MatchString(board)
			require.Equal(t, unseen[name] == "", shown, "whether %s is on the dashboard", name)
		}
	}
	for name := range unseen {
		require.NotEqual(t, model.MetricTypeUnknown, e.kind(name), name)
	}
}

// The files that provide data source and dashboard hold fields of Grafana's only, and the dashboard lies where they look for it.
func TestGrafanaIsToldWhereThingsAre(t *testing.T) {
	var sources struct {
		APIVersion  int `json:"apiVersion"`
		Datasources []struct {
			Name, Type, UID, Access, URL string
			IsDefault                    bool                          `json:"isDefault"`
			Editable                     bool                          `json:"editable"`
			JSONData                     struct{ TimeInterval string } `json:"jsonData"`
		} `json:"datasources"`
	}
	folder := deploy(t, "grafana", "provisioning")
	require.NoError(t, yaml.UnmarshalStrict(read(t, filepath.Join(folder, "datasources", "tollkeeper.yaml")), &sources))
	require.Len(t, sources.Datasources, 1)
	require.Equal(t, "prometheus", sources.Datasources[0].Type)
	for _, folder := range []string{"prometheus", "compose"} {
		asks := scrapeConfig(t, read(t, deploy(t, folder, "prometheus.yaml")))
		require.Equal(t, asks.ScrapeInterval, sources.Datasources[0].JSONData.TimeInterval, "rates span four of Prometheus' intervals")
	}

	var providers struct {
		APIVersion int `json:"apiVersion"`
		Providers  []struct {
			Name, Type, Folder string
			AllowUIUpdates     bool                  `json:"allowUiUpdates"`
			DisableDeletion    bool                  `json:"disableDeletion"`
			Options            struct{ Path string } `json:"options"`
		} `json:"providers"`
	}
	require.NoError(t, yaml.UnmarshalStrict(read(t, filepath.Join(folder, "dashboards", "tollkeeper.yaml")), &providers))
	require.Len(t, providers.Providers, 1)
	require.Equal(t, "file", providers.Providers[0].Type)
	require.Equal(t, dashboardFolder, providers.Providers[0].Options.Path)
}

// dashboardFolder is where the compose file mounts the dashboard.
const dashboardFolder = "/var/lib/grafana/dashboards"

type variable struct{ Name, Type, Definition string }

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  position
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct {
		Expr, LegendFormat string
		Datasource         struct{ UID string }
	}
}

type position struct{ X, Y, W, H int }

func (a position) overlaps(b position) bool {
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}
