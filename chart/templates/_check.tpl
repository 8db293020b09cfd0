{{/*
What the schema cannot see about Pods and Services: relations between values.
*/}}

{{/* Takes root. */}}
{{- define "ordinal.checkPods" -}}
{{- $values := .Values -}}
{{- if and (eq (int $values.replicaCount) 1) (not $values.cluster.marker.enabled) $values.serviceAccount.automount -}}
{{- fail "replicaCount 1 needs cluster.marker.enabled: a replica that is alone forms the cluster only once it has read that there is none yet" -}}
{{- end -}}
{{- include "ordinal.checkTier" (dict "at" "" "root" . "tier" $values "main" "replica" "volumes" (list "data" "topology")) -}}
{{- include "ordinal.checkTier" (dict "at" "api." "root" . "tier" $values.api "main" "api" "volumes" list) -}}
{{- $fullname := include "ordinal.fullname" . -}}
{{- if and $values.serviceAccount.create $values.api.serviceAccount.create -}}
{{- $account := include "ordinal.serviceAccount" (dict "settings" $values.serviceAccount "made" $fullname) -}}
{{- if eq $account (include "ordinal.serviceAccount" (dict "settings" $values.api.serviceAccount "made" (printf "%s-api" $fullname))) -}}
{{- fail (printf "serviceAccount and api.serviceAccount would both make a ServiceAccount %s: give one another name, or set its create to false" $account) -}}
{{- end -}}
{{- end -}}
{{- $strategy := $values.api.strategy -}}
{{- if not (or (trimSuffix "%" (toString $strategy.maxUnavailable) | int) (trimSuffix "%" (toString $strategy.maxSurge) | int)) -}}
{{- fail "api.strategy.maxUnavailable and api.strategy.maxSurge must not both be 0: no rollout could begin" -}}
{{- end -}}
{{- $settings := list "DNS_SERVERS" "LOG_LEVEL" "LOG_FORMAT" "ELECTION_TIMEOUT" "HEARTBEAT" "STAGGER" "HAND_BACK_AFTER" "BALLAST_BYTES" "DISK_FREE_MIN_BYTES" -}}
{{- range $name, $_ := $values.config -}}
{{- if and (hasPrefix "ORDINAL_" $name) (not (has (trimPrefix "ORDINAL_" $name) $settings)) -}}
{{- fail (printf "config.%s: there is no such setting; there are ORDINAL_%s" $name (join ", ORDINAL_" $settings)) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $values.service.ipFamilyPolicy "SingleStack") (gt (len $values.service.ipFamilies) 1) -}}
{{- fail "service.ipFamilyPolicy SingleStack goes with one of service.ipFamilies: leave one out, or set PreferDualStack" -}}
{{- end -}}
{{- end }}

{{/* One tier. Takes at (what its values' names begin with), root, tier (its values), main (its
     container), volumes (those that it alone has). */}}
{{- define "ordinal.checkTier" -}}
{{- $at := .at -}}
{{- $tier := .tier -}}
{{- $ports := values $tier.containerPorts -}}
{{- if ne (len $ports) (len (uniq $ports)) -}}
{{- fail (printf "the ports of %scontainerPorts must differ from each other" $at) -}}
{{- end -}}
{{- range $name := list "startupProbe" "livenessProbe" "readinessProbe" -}}
{{- with index $tier $name -}}
{{- $handlers := list -}}
{{- range $handler := list "httpGet" "exec" "tcpSocket" "grpc" -}}
{{- if kindIs "map" (index $tier $name $handler) -}}{{- $handlers = append $handlers $handler -}}{{- end -}}
{{- end -}}
{{- if gt (len $handlers) 1 -}}
{{- fail (printf "%s%s takes one of %s: set the others to null" $at $name (join ", " $handlers)) -}}
{{- else if not $handlers -}}
{{- fail (printf "%s%s needs one of httpGet, exec, tcpSocket, grpc; set all of it to null for no probe" $at $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $containers := list .main -}}
{{- range concat ($tier.initContainers | default list) ($tier.sidecars | default list) -}}
{{- if has .name $containers -}}
{{- fail (printf "%sinitContainers and %ssidecars: there is another container %v in the Pod: name it differently" $at $at .name) -}}
{{- end -}}
{{- $containers = append $containers .name -}}
{{- end -}}
{{- $volumes := concat .volumes (list "peer-secret" "tmp") -}}
{{- if .root.Values.auth.enabled -}}{{- $volumes = append $volumes "auth" -}}{{- end -}}
{{- if .root.Values.tls.enabled -}}{{- $volumes = append $volumes "tls" -}}{{- end -}}
{{- range $tier.extraVolumes -}}
{{- if has .name $volumes -}}
{{- fail (printf "%sextraVolumes: there is another volume %v in the Pod: name it differently" $at .name) -}}
{{- end -}}
{{- $volumes = append $volumes .name -}}
{{- end -}}
{{- end }}
