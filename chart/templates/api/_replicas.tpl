{{/*
The Deployment's replicas; empty: left out, since an autoscaler sets them.

Taking the field away from a manifest that had it sets it to 1 for seconds, under both Helms. So the
upgrade that turns the autoscaler on keeps what is live, at least the minimum, and marks the
Deployment. It is left out from then on where that does no harm:
  server-side apply (Helm 4)   as soon as the autoscaler owns the field. While nobody else does, taking
                               it away would reset it
  client-side apply (Helm 3)   never: it always resets what the manifest before had. A value that is
                               equal to the live one changes nothing there and conflicts with nobody
A release that begins with an autoscaler never has the field.
*/}}
{{- define "ordinal.apiReplicas" -}}
{{- $auto := .Values.api.autoscaling -}}
{{- if not $auto.enabled -}}
{{- .Values.api.replicaCount -}}
{{- else -}}
{{- $name := printf "%s-api" (include "ordinal.fullname" .) -}}
{{- $live := lookup "apps/v1" "Deployment" .Release.Namespace $name -}}
{{- if $live -}}
{{- $on := lookup "autoscaling/v2" "HorizontalPodAutoscaler" .Release.Namespace $name -}}
{{- $marked := hasKey ($live.metadata.annotations | default dict) "ordinal.dev/replicas" -}}
{{- $applied := false -}}
{{- $taken := false -}}
{{- range $live.metadata.managedFields -}}
{{- $spec := dig "fieldsV1" "f:spec" dict . -}}
{{- if and (eq .operation "Apply") (hasKey $spec "f:template") -}}{{- $applied = true -}}{{- end -}}
{{- if and (ne .operation "Apply") (hasKey $spec "f:replicas") -}}{{- $taken = true -}}{{- end -}}
{{- end -}}
{{- if not (and $applied $taken) -}}
{{- if not $on -}}
{{- max $live.spec.replicas $auto.minReplicas -}}
{{- else if $marked -}}
{{- $live.spec.replicas -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
