{{- define "mayfly.name" -}}
{{- default "mayfly" .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "mayfly.labels" -}}
app.kubernetes.io/name: mayfly
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: mayfly
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "mayfly.selector" -}}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "mayfly.metadata" -}}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "mayfly.labels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
{{- with .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "mayfly.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "mayfly.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{- define "mayfly.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "mayfly.placement" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "mayfly.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: {{ . }}}
  periodSeconds: 1
  failureThreshold: 120
livenessProbe:
  httpGet: {path: /healthz, port: {{ . }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: {{ . }}}
  periodSeconds: 2
  timeoutSeconds: 5
{{- end -}}

{{- define "mayfly.registryEnv" -}}
- {name: MAYFLY_REGISTRY, value: {{ .Values.registry.address | quote }}}
- {name: MAYFLY_REGISTRY_INSECURE, value: {{ .Values.registry.insecure | quote }}}
{{- if .Values.registry.existingSecret }}
- {name: MAYFLY_REGISTRY_CONFIG, value: /var/run/mayfly/registry/config.json}
{{- end }}
{{- end -}}

{{- define "mayfly.registryMount" -}}
{{- if .Values.registry.existingSecret }}
- {name: registry, mountPath: /var/run/mayfly/registry, readOnly: true}
{{- end }}
{{- end -}}

{{- define "mayfly.registryVolume" -}}
{{- with .Values.registry.existingSecret }}
- name: registry
  secret:
    secretName: {{ . }}
    items: [{key: .dockerconfigjson, path: config.json}]
{{- end }}
{{- end -}}

{{- /* Seconds of a duration in one unit, such as 24h. */ -}}
{{- define "mayfly.seconds" -}}
{{- $units := dict "s" 1 "m" 60 "h" 3600 -}}
{{- $unit := . | trunc -1 -}}
{{- mul (trimSuffix $unit . | int64) (get $units $unit) -}}
{{- end -}}
