package deploytest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	kubejson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

const pepper = "1 7d1f0c5e9ab04c6e8f25b1d36a7094c2e5d8f1a3b6c9e0d2f4a5b7c8d9e0f1a2"

// What the secrets of the tests' releases hold.
var secretTexts = map[string]string{
	"clickhouse": "https://tollkeeper:hunter2@clickhouse.example:8443/tollkeeper", "database": "postgres://tollkeeper:hunter2@postgres.example/tollkeeper",
	"redis":  "rediss://:hunter2@redis.example:6379/0",
	"pepper": pepper, "kafka-password": "hunter2", "notify-url": "https://hooks.example/x", "notify-secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8=",
}

// trial is what nothing but defaults gives; production has everything on.
const (
	trial      = ``
	production = `
replicaCount: 3
image: {repository: registry.example/tollkeeper, tag: v1.2.3}
imagePullSecrets: [{name: registry}]
config:
  kafka: broker-1:9093,broker-2:9093
  kafka-tls: true
  kafka-ca-file: /etc/kafka-ca/ca.crt
  kafka-sasl: scram-sha-512
  kafka-user: tollkeeper
  topics: [edge, inner]
  truncate-ip: true
  events-days: 30
  detect-keys: 2000000
  ingest-memory: 1GiB
  feed-bound: 10s
  public-url: https://tollkeeper.example
secrets:
  clickhouse: {name: tollkeeper, key: clickhouse-dsn}
  database: {name: tollkeeper, key: database-dsn}
  pepper: {name: tollkeeper-pepper, key: pepper}
  kafka-password: {name: kafka-user, key: password}
  notify-url: {name: tollkeeper, key: notify-url}
  notify-secret: {name: tollkeeper, key: notify-secret}
  redis: {name: tollkeeper, key: redis-url}
policy: |
  version: 1
  policies: [{id: careful}]
persistence: {enabled: false}
ingress: {enabled: true, className: nginx, host: tollkeeper.example, tlsSecret: tollkeeper-tls, annotations: {example.com/b: c}}
service: {type: LoadBalancer, port: 80, annotations: {example.com/internal: "true"}}
podLabels: {team: platform}
podAnnotations: {example.com/a: b}
priorityClassName: high
nodeSelector: {disk: fast}
tolerations: [{key: dedicated, operator: Exists}]
affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: zone}}]}}
topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]
extraVolumes: [{name: kafka-ca, configMap: {name: kafka-ca}}]
extraVolumeMounts: [{name: kafka-ca, mountPath: /etc/kafka-ca, readOnly: true}]
serviceMonitor: {enabled: true, labels: {release: prometheus}, tokenSecret: {name: tollkeeper-metrics}}
prometheusRule: {enabled: true, labels: {release: prometheus}}
dashboard: {enabled: true}
networkPolicy:
  enabled: true
  from: [{namespaceSelector: {matchLabels: {gateways: "yes"}}}]
  egress: [{ports: [{port: 9093}, {port: 5432}, {port: 8443}]}, {ports: [{port: 53, protocol: UDP}]}]
`
)

// release is what a chart is rendered to, each object as Kubernetes' own type for it.
type release struct {
	objects map[string]any // by kind and name
	notes   string
}

// render is `helm template` with the values, schema included.
func render(t *testing.T, values string) (release, error) {
	t.Helper()
	chart, err := loader.Load(deploy(t, "helm", "tollkeeper"))
	require.NoError(t, err)
	given, err := common.ReadValues([]byte(values))
	require.NoError(t, err)
	all, err := util.ToRenderValues(chart, given, common.ReleaseOptions{Name: "tk", Namespace: "metering", Revision: 1, IsInstall: true}, nil)
	if err != nil {
		return release{}, err
	}
	files, err := engine.Render(chart, all)
	if err != nil {
		return release{}, err
	}
	r := release{objects: map[string]any{}}
	for name, text := range files {
		if filepath.Base(name) == "NOTES.txt" {
			r.notes = text
			continue
		}
		for _, document := range strings.Split("\n"+text, "\n---") {
			if strings.TrimSpace(document) != "" && filepath.Ext(name) == ".yaml" {
				r.add(t, name, document)
			}
		}
	}
	return r, nil
}

// add decodes an object; a field that Kubernetes does not know, or one given twice, fails.
func (r release) add(t *testing.T, file, document string) {
	t.Helper()
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string
		Metadata   struct{ Name string }
	}
	require.NoError(t, yaml.Unmarshal([]byte(document), &head), "%s:\n%s", file, document)
	object, ok := map[string]any{
		"apps/v1 StatefulSet": &apps.StatefulSet{}, "v1 Service": &core.Service{}, "v1 ConfigMap": &core.ConfigMap{}, "v1 ServiceAccount": &core.ServiceAccount{},
		"policy/v1 PodDisruptionBudget": &policy.PodDisruptionBudget{}, "networking.k8s.io/v1 NetworkPolicy": &networking.NetworkPolicy{},
		"networking.k8s.io/v1 Ingress":            &networking.Ingress{},
		"monitoring.coreos.com/v1 ServiceMonitor": &monitoring.ServiceMonitor{}, "monitoring.coreos.com/v1 PrometheusRule": &monitoring.PrometheusRule{},
	}[head.APIVersion+" "+head.Kind]
	require.True(t, ok, "%s: what is a %s %s?", file, head.APIVersion, head.Kind)
	raw, err := yaml.YAMLToJSONStrict([]byte(document))
	require.NoError(t, err, "%s:\n%s", file, document)
	unknown, err := kubejson.UnmarshalStrict(raw, object) // with upper and lower case told apart, as Kubernetes does
	require.NoError(t, err, "%s:\n%s", file, document)
	require.Empty(t, unknown, "%s:\n%s", file, document)
	name := head.Kind + "/" + head.Metadata.Name
	require.NotContains(t, r.objects, name)
	r.objects[name] = object
}

func object[T any](t *testing.T, r release, name string) T {
	t.Helper()
	o, ok := r.objects[name].(T)
	require.True(t, ok, "no %s", name)
	return o
}

func TestHelmFindsNothingToComplainOf(t *testing.T) {
	for _, values := range []string{trial, production} {
		given, err := common.ReadValues([]byte(values))
		require.NoError(t, err)
		for _, m := range lint.RunAll(deploy(t, "helm", "tollkeeper"), given, "metering").Messages {
			require.Less(t, m.Severity, support.WarningSev, m.Error())
		}
	}
}

// Whatever the values, the settings that a pod gets are ones that the program takes, and every file that they name is mounted.
func TestTheChartsSettingsFitTheProgram(t *testing.T) {
	for name, values := range map[string]string{"trial": trial, "production": production} {
		t.Run(name, func(t *testing.T) {
			r, err := render(t, values)
			require.NoError(t, err)
			pod := object[*apps.StatefulSet](t, r, "StatefulSet/tk-tollkeeper").Spec.Template.Spec
			// The pod's files, below a folder of the test.
			root := t.TempDir()
			write := func(path, text string) {
				path = filepath.Join(root, path)
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
				require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			}
			for _, m := range pod.Containers[0].VolumeMounts {
				i := slices.IndexFunc(pod.Volumes, func(v core.Volume) bool { return v.Name == m.Name })
				switch {
				case m.Name == "data" || m.Name == "tmp":
					require.False(t, m.ReadOnly)
				case m.Name == "kafka-ca":
					write(m.MountPath+"/ca.crt", string(read(t, filepath.Join("testdata", "ca.crt"))))
				case pod.Volumes[i].ConfigMap != nil:
					for file, text := range object[*core.ConfigMap](t, r, "ConfigMap/"+pod.Volumes[i].ConfigMap.Name).Data {
						write(m.MountPath+"/"+file, strings.ReplaceAll(strings.ReplaceAll(text, "/etc/", root+"/etc/"), root+root, root))
					}
				default:
					for _, source := range pod.Volumes[i].Projected.Sources {
						require.NotEmpty(t, source.Secret.Name)
						write(m.MountPath+"/"+source.Secret.Items[0].Path, secretTexts[source.Secret.Items[0].Path]+"\n")
					}
				}
			}
			var env []string
			for _, e := range pod.Containers[0].Env {
				env = append(env, e.Name+"="+filepath.Join(root, e.Value))
			}
			out, errOut, code := tollkeeper(t, env, "config", "check")
			require.Zero(t, code, errOut)
			require.Equal(t, "the settings are valid\n", out)
			out, _, _ = tollkeeper(t, env, "config", "print")
			var settings map[string]any
			require.NoError(t, yaml.Unmarshal([]byte(out), &settings))
			require.Equal(t, "0.0.0.0:8080", settings["listen"])
			require.Equal(t, "/var/lib/tollkeeper/data", settings["data"], "in the volume, where commands in the pod look for it")
			if name == "production" {
				for setting := range secretTexts {
					require.NotEmpty(t, settings[setting], "%s was not taken from its Secret", setting)
				}
				require.EqualValues(t, 30, settings["events-days"])
				require.EqualValues(t, 2_000_000, settings["detect-keys"], "not 2e+06, as Helm writes numbers")
				require.Equal(t, []any{"edge", "inner"}, settings["topics"])
			}
		})
	}
}

// What cannot work is refused with the value to mend, before anything is installed.
func TestTheChartRefusesWhatCannotWork(t *testing.T) {
	for values, want := range map[string]string{
		`replicaCount: 2`: "name the brokers in config.kafka",
		`{replicaCount: 2, config: {kafka: "b:9092"}, secrets: {clickhouse: {name: s, key: c}, database: {name: s, key: d}}}`: "name its Secret in secrets.pepper",
		`persistence: {enabled: false}`:                  "loses what is embedded with each pod",
		`serviceMonitor: {enabled: true}`:                "serviceMonitor.tokenSecret.name",
		`ingress: {enabled: true}`:                       "ingress.host: is empty",
		`replicas: 2`:                                    "additional properties 'replicas' not allowed",
		`config: {database: "postgres://u:hunter2@h/x"}`: "invalid propertyName 'database'",
		`config: {kafka: {brokers: [b]}}`:                "config",
		`secrets: {kafka: {name: s, key: k}}`:            "invalid propertyName 'kafka'",
		`secrets: {pepper: {name: s}}`:                   "key",
		`image: {pullPolicy: Sometimes}`:                 "pullPolicy",
	} {
		_, err := render(t, values)
		require.ErrorContains(t, err, want, values)
		require.NotContains(t, err.Error(), "hunter2")
	}
}
