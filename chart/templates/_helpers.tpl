{{/*
Names, labels and metadata. What Pods share is in _pod.tpl.
*/}}

{{/* The release's name, with nameOverride unless it is in there; 40 characters, since a StatefulSet's
     name may have 52 and the Services append to it. A dot is legal in a release's name only. */}}
{{- define "ordinal.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := .Values.fullnameOverride -}}
{{- if not $full -}}
{{- $full = contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- end -}}
{{- $full | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* What selectors use: nothing that ever changes. Takes root, component. */}}
{{- define "ordinal.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of a Pod: without a version, or each bump of the chart would roll it. Takes root,
     component, labels. */}}
{{- define "ordinal.podLabels" -}}
{{- include "ordinal.selectorLabels" . }}
{{- with merge dict (.labels | default dict) .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Name, labels and annotations of an object. Takes root, component, name, and maybe labels,
     annotations. */}}
{{- define "ordinal.metadata" -}}
name: {{ .name | quote }}
labels:
  helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
  app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ .root.Release.Service }}
  {{- include "ordinal.podLabels" . | nindent 2 }}
{{- with merge dict (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "ordinal.peerSecret" -}}
{{- .Values.cluster.existingSecret | default (printf "%s-peer" (include "ordinal.fullname" .)) -}}
{{- end }}

{{- define "ordinal.authSecret" -}}
{{- .Values.auth.existingSecret | default (printf "%s-auth" (include "ordinal.fullname" .)) -}}
{{- end }}

{{- define "ordinal.tlsSecret" -}}
{{- .Values.tls.existingSecret | default (printf "%s-tls" (include "ordinal.fullname" .)) -}}
{{- end }}

{{/* A ServiceAccount's name. Takes settings (`serviceAccount`), made (the name of the one made). */}}
{{- define "ordinal.serviceAccount" -}}
{{- .settings.name | default (.settings.create | ternary .made "default") -}}
{{- end }}

{{/* data of a Secret that is made once: what the cluster has stays, byte for byte. A key that is named
     differently now gets the same value beside it, so that no Pod waits for it and nobody is locked
     out. Takes root, name, key, setting (the value that names the key). */}}
{{- define "ordinal.keptSecret" -}}
{{- $live := (lookup "v1" "Secret" .root.Release.Namespace .name | default dict).data -}}
{{- if not $live -}}
{{ .key | quote }}: {{ randAlphaNum 48 | b64enc }}
{{- else if hasKey $live .key -}}
{{- toYaml $live -}}
{{- else if gt (values $live | uniq | len) 1 -}}
{{- fail (printf "%s: the Secret %s has no key %s, and its keys %s differ: put the key into it, or name one of those" .setting .name .key (keys $live | sortAlpha | join ", ")) -}}
{{- else -}}
{{- toYaml (merge (dict .key (values $live | first)) $live) -}}
{{- end -}}
{{- end }}

{{/* ipFamilyPolicy and ipFamilies of a Service. */}}
{{- define "ordinal.ipFamilies" -}}
{{- with .Values.service.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.service.ipFamilies }}
ipFamilies:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* "true" where there is a Service that follows the leader: without a token no replica could put on the
     label that it selects by, and it would never have an endpoint. */}}
{{- define "ordinal.leaderService" -}}
{{- if and .Values.service.leader.enabled .Values.serviceAccount.automount -}}true{{- end -}}
{{- end }}

{{/* appProtocol of the client ports. */}}
{{- define "ordinal.scheme" -}}
{{- .Values.tls.enabled | ternary "https" "http" -}}
{{- end }}

{{/* Where clients in the cluster find the API. */}}
{{- define "ordinal.url" -}}
{{ include "ordinal.scheme" . }}://{{ include "ordinal.fullname" . }}-api:{{ .Values.api.service.port }}
{{- end }}

{{/* What the schema cannot see: relations between values. */}}
{{- define "ordinal.check" -}}
{{- $values := .Values -}}
{{- $api := $values.api -}}
{{- $fullname := include "ordinal.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $fullname) -}}
{{- fail (printf "%q cannot name a Service, which begins with a letter: set fullnameOverride" $fullname) -}}
{{- end -}}
{{- if and $values.tls.enabled (not (or $values.tls.existingSecret $values.tls.certManager.enabled)) -}}
{{- fail "tls.enabled needs tls.existingSecret or tls.certManager.enabled" -}}
{{- end -}}
{{- if and $values.tls.caConfigMap $values.tls.caSecret -}}
{{- fail "tls.caConfigMap and tls.caSecret name two places for ca.crt: set one of them" -}}
{{- end -}}
{{- if and (or $values.tls.caConfigMap $values.tls.caSecret) (not $values.tls.enabled) -}}
{{- fail "tls.caConfigMap and tls.caSecret need tls.enabled" -}}
{{- end -}}
{{- if and (not $values.tls.enabled) (or $values.tls.existingSecret $values.tls.certManager.enabled) -}}
{{- fail "tls.existingSecret and tls.certManager.enabled do nothing without tls.enabled: set tls.enabled=true, or take them away" -}}
{{- end -}}
{{- if and $values.tls.certManager.enabled (not $values.tls.certManager.issuerRef.name) -}}
{{- fail "tls.certManager.enabled needs tls.certManager.issuerRef.name" -}}
{{- end -}}
{{- if and (eq $values.podManagementPolicy "OrderedReady") (not (and $values.cluster.marker.enabled $values.serviceAccount.automount)) -}}
{{- fail "podManagementPolicy OrderedReady needs cluster.marker.enabled and serviceAccount.automount: the first replica forms the cluster alone, and only once it has read that there is none yet" -}}
{{- end -}}
{{- if lt (int $api.terminationGracePeriodSeconds) (add (int $api.shutdownDelaySeconds) 10 | int) -}}
{{- fail "api.terminationGracePeriodSeconds must be at least 10 more than api.shutdownDelaySeconds" -}}
{{- end -}}
{{- if and $api.autoscaling.enabled (gt (int $api.autoscaling.minReplicas) (int $api.autoscaling.maxReplicas)) -}}
{{- fail "api.autoscaling.minReplicas must not be more than api.autoscaling.maxReplicas" -}}
{{- end -}}
{{- if and $api.autoscaling.enabled (not (or $api.autoscaling.targetCPUUtilizationPercentage $api.autoscaling.targetMemoryUtilizationPercentage)) -}}
{{- fail "api.autoscaling.enabled needs a target for CPU or memory" -}}
{{- end -}}
{{- if and $api.httpRoute.enabled (not $api.httpRoute.parentRefs) -}}
{{- fail "api.httpRoute.enabled needs api.httpRoute.parentRefs" -}}
{{- end -}}
{{- include "ordinal.checkPods" . -}}
{{- end }}
