package deploytest

import (
	"slices"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// fullname is what the objects of the tests' release are called.
const fullname = "tk-tollkeeper"

// A pod may do no more than it needs to, is asked by the program's own addresses, has time to end in order, and keeps what is embedded.
func TestTheChartsPodsAreUnprivilegedWatchedAndEndInOrder(t *testing.T) {
	for name, values := range map[string]string{"trial": trial, "production": production} {
		t.Run(name, func(t *testing.T) {
			r, err := render(t, values)
			require.NoError(t, err)
			set := object[*apps.StatefulSet](t, r, "StatefulSet/"+fullname)
			pod := set.Spec.Template.Spec
			c := pod.Containers[0]
			require.True(t, *pod.SecurityContext.RunAsNonRoot)
			require.Equal(t, core.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
			require.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
			require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
			require.Equal(t, []core.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop)
			require.False(t, *pod.AutomountServiceAccountToken)
			require.False(t, *pod.EnableServiceLinks, "what Kubernetes sets for a Service tollkeeper-kafka looks like a setting")
			require.Greater(t, time.Duration(*pod.TerminationGracePeriodSeconds)*time.Second, 30*time.Second)
			require.NotZero(t, c.Resources.Requests.Memory().Value())

			// Where the probes ask, a server answers; and the pod has a port of that name.
			s := serve(t)
			require.Equal(t, "http", c.Ports[0].Name)
			require.EqualValues(t, 8080, c.Ports[0].ContainerPort)
			for probe, path := range map[*core.Probe]string{c.StartupProbe: "/livez", c.LivenessProbe: "/livez", c.ReadinessProbe: "/readyz"} {
				require.Equal(t, path, probe.HTTPGet.Path)
				require.Equal(t, "http", probe.HTTPGet.Port.String())
				require.Contains(t, string(s.get(t, path)), `"status":"ok"`)
			}

			// Each mount has its volume, and what is kept is claimed or, where nothing is, passes with the pod.
			volumes := []string{}
			for _, v := range pod.Volumes {
				volumes = append(volumes, v.Name)
			}
			for _, claim := range set.Spec.VolumeClaimTemplates {
				volumes = append(volumes, claim.Name)
			}
			for _, m := range c.VolumeMounts {
				require.Contains(t, volumes, m.Name)
			}
			require.Len(t, slices.Compact(slices.Sorted(slices.Values(volumes))), len(volumes))
			require.Equal(t, name == "trial", len(set.Spec.VolumeClaimTemplates) == 1)
		})
	}
}

// What selects pods selects those of this release, and pods are found under the names that the notes tell.
func TestTheChartsObjectsFindEachOther(t *testing.T) {
	r, err := render(t, production)
	require.NoError(t, err)
	set := object[*apps.StatefulSet](t, r, "StatefulSet/"+fullname)
	require.EqualValues(t, 3, *set.Spec.Replicas)
	require.Equal(t, "registry.example/tollkeeper:v1.2.3", set.Spec.Template.Spec.Containers[0].Image)
	pod := labels.Set(set.Spec.Template.Labels)
	selects := func(want map[string]string) {
		t.Helper()
		require.NotEmpty(t, want)
		require.True(t, labels.SelectorFromSet(want).Matches(pod), "%v does not select %v", want, pod)
	}
	selects(set.Spec.Selector.MatchLabels)
	service := object[*core.Service](t, r, "Service/"+fullname)
	selects(service.Spec.Selector)
	require.Equal(t, "http", service.Spec.Ports[0].TargetPort.String())
	require.EqualValues(t, 80, service.Spec.Ports[0].Port)
	headless := object[*core.Service](t, r, "Service/"+set.Spec.ServiceName)
	selects(headless.Spec.Selector)
	require.Equal(t, core.ClusterIPNone, headless.Spec.ClusterIP)
	selects(object[*policy.PodDisruptionBudget](t, r, "PodDisruptionBudget/"+fullname).Spec.Selector.MatchLabels)
	network := object[*networking.NetworkPolicy](t, r, "NetworkPolicy/"+fullname).Spec
	selects(network.PodSelector.MatchLabels)
	require.Equal(t, []networking.PolicyType{"Ingress", "Egress"}, network.PolicyTypes)
	require.Equal(t, "http", network.Ingress[0].Ports[0].Port.String())
	require.Len(t, network.Ingress[0].From, 1)
	require.Len(t, network.Egress, 2)
	object[*core.ServiceAccount](t, r, "ServiceAccount/"+set.Spec.Template.Spec.ServiceAccountName)

	way := object[*networking.Ingress](t, r, "Ingress/"+fullname).Spec
	require.Equal(t, "nginx", *way.IngressClassName)
	require.Equal(t, "tollkeeper.example", way.Rules[0].Host)
	backend := way.Rules[0].HTTP.Paths[0].Backend.Service
	require.Equal(t, service.Name, backend.Name)
	require.Equal(t, service.Spec.Ports[0].Name, backend.Port.Name)
	require.Equal(t, []networking.IngressTLS{{Hosts: []string{"tollkeeper.example"}, SecretName: "tollkeeper-tls"}}, way.TLS)

	// Each pod is scraped once, under the job that rules and dashboard know, with a token.
	monitor := object[*monitoring.ServiceMonitor](t, r, "ServiceMonitor/"+fullname).Spec
	watched := labels.SelectorFromSet(monitor.Selector.MatchLabels)
	require.True(t, watched.Matches(labels.Set(service.Labels)))
	require.False(t, watched.Matches(labels.Set(headless.Labels)), "the same pods would be scraped twice")
	endpoint := monitor.Endpoints[0]
	require.Equal(t, service.Spec.Ports[0].Name, endpoint.Port)
	require.Equal(t, "tollkeeper-metrics", endpoint.Authorization.Credentials.Name)
	require.Equal(t, "tollkeeper", *endpoint.RelabelConfigs[0].Replacement)
	require.Equal(t, "job", endpoint.RelabelConfigs[0].TargetLabel)

	require.Contains(t, r.notes, "exec "+fullname+"-0 -- tollkeeper login")
	require.NotContains(t, r.notes, "Keep a copy")
}

// The rules and the dashboard are those of deploy/, whose tests run them.
func TestTheChartHasTheSameRulesAndDashboard(t *testing.T) {
	r, err := render(t, production)
	require.NoError(t, err)
	rendered := object[*monitoring.PrometheusRule](t, r, "PrometheusRule/"+fullname).Spec.Groups[0].Rules
	all := rules(t, read(t, deploy(t, "prometheus", "alerts.yaml")))
	require.Len(t, rendered, len(all))
	for i, rule := range all {
		require.Equal(t, rule.Alert, rendered[i].Alert)
		require.Equal(t, rule.Expr, rendered[i].Expr.String())
		require.Equal(t, rule.Annotations, rendered[i].Annotations)
		require.Equal(t, rule.Labels, rendered[i].Labels)
	}
	require.JSONEq(t, string(read(t, deploy(t, "grafana", "tollkeeper.json"))),
		object[*core.ConfigMap](t, r, "ConfigMap/"+fullname+"-dashboard").Data["tollkeeper.json"])
}

// With nothing set there is only what anyone needs; and the notes say what a trial lacks.
func TestTheChartsTrialIsSmall(t *testing.T) {
	r, err := render(t, trial)
	require.NoError(t, err)
	var names []string
	for name := range r.objects {
		names = append(names, name)
	}
	slices.Sort(names)
	require.Equal(t, []string{
		"ConfigMap/tk-tollkeeper", "PodDisruptionBudget/tk-tollkeeper", "Service/tk-tollkeeper", "Service/tk-tollkeeper-pods", "ServiceAccount/tk-tollkeeper",
		"StatefulSet/tk-tollkeeper",
	}, names)
	require.Contains(t, r.notes, "Gateways need a Kafka, named in config.kafka")
	require.Contains(t, r.notes, "Keep a copy of the file data/pepper")
}
