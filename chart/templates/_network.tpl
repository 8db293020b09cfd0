{{/*
Pieces of the NetworkPolicies. Ports are those of the Pods: policies look behind a Service.
*/}}

{{/* A peer: Pods of this release. Takes root, components. */}}
{{- define "ordinal.podsOf" -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ .root.Chart.Name }}
      app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
    matchExpressions:
      - key: app.kubernetes.io/component
        operator: In
        values: [{{ join ", " .components }}]
{{- end }}

{{- define "ordinal.tcp" -}}
{{- range . }}
- protocol: TCP
  port: {{ . }}
{{- end }}
{{- end }}

{{/* DNS over UDP and, for long answers, TCP; to anywhere, since a node's cache is no Pod. OpenShift's
     DNS Pods listen at 5353. */}}
{{- define "ordinal.dnsEgress" -}}
- ports:
    {{- range $port := .Capabilities.APIVersions.Has "security.openshift.io/v1" | ternary (list 53 5353) (list 53) }}
    {{- range list "UDP" "TCP" }}
    - protocol: {{ . }}
      port: {{ $port }}
    {{- end }}
    {{- end }}
{{- end }}

{{/* Who may ask a tier: this release's verifier and tests, clients, Prometheus. Takes root, ports. */}}
{{- define "ordinal.clientIngress" -}}
{{- $policy := .root.Values.networkPolicy -}}
- from:
    {{- include "ordinal.podsOf" (dict "root" .root "components" (list "verifier" "test")) | trim | nindent 4 }}
  ports:
    {{- include "ordinal.tcp" (list .ports.client .ports.metrics) | trim | nindent 4 }}
- ports:
    {{- include "ordinal.tcp" (list .ports.client) | trim | nindent 4 }}
  {{- if not $policy.allowExternal }}
  from:
    - podSelector:
        matchLabels:
          {{ include "ordinal.fullname" .root }}-client: "true"
  {{- end }}
{{- if .root.Values.metrics.enabled }}
- ports:
    {{- include "ordinal.tcp" (list .ports.metrics) | trim | nindent 4 }}
  {{- with $policy.metricsFrom }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- /* Without ports a rule would open them all, that of the peers too. */ -}}
{{- $client := include "ordinal.tcp" (list .ports.client) | fromYamlArray -}}
{{- range $policy.extraIngress }}
{{ list (.ports | empty | ternary (merge (dict "ports" $client) (omit . "ports")) .) | toYaml }}
{{- end }}
{{- end }}
