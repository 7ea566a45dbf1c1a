{{- define "tollkeeper.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "tollkeeper.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "tollkeeper.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "tollkeeper.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "tollkeeper.selector" -}}
app.kubernetes.io/name: {{ include "tollkeeper.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tollkeeper.labels" -}}
{{ include "tollkeeper.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "tollkeeper.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "tollkeeper.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- /* The file of settings. What is in config wins over what a pod needs by itself. */ -}}
{{- define "tollkeeper.config" -}}
{{- $config := dict "data" "/var/lib/tollkeeper/data" "listen" "0.0.0.0:8080" "log-format" "json" }}
{{- if .Values.policy }}
{{- $_ := set $config "policy" "/etc/tollkeeper/policy.yaml" }}
{{- end }}
{{- mergeOverwrite $config (deepCopy .Values.config) | toYaml }}
{{- end }}

{{- /* Processes that share nothing would each take some of the records, know some of the keys, and none could tell. */ -}}
{{- define "tollkeeper.validate" -}}
{{- if gt (int .Values.replicaCount) 1 }}
{{- if not .Values.config.kafka }}
{{- fail "replicaCount: several replicas need one log; name the brokers in config.kafka" }}
{{- end }}
{{- range $setting := list "clickhouse" "database" "pepper" }}
{{- if not (hasKey $.Values.secrets $setting) }}
{{- fail (printf "replicaCount: several replicas need one %s; name its Secret in secrets.%s" $setting $setting) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (not .Values.persistence.enabled) (not (and .Values.config.kafka (hasKey .Values.secrets "clickhouse") (hasKey .Values.secrets "database") (hasKey .Values.secrets "pepper"))) }}
{{- fail "persistence.enabled: false loses what is embedded with each pod; set config.kafka and secrets.clickhouse, secrets.database and secrets.pepper first" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.serviceMonitor.tokenSecret.name) }}
{{- fail "serviceMonitor.tokenSecret.name: metrics are for who has a token; make one with 'tollkeeper tokens create prometheus --role viewer' and name the Secret that holds it" }}
{{- end }}
{{- end }}
