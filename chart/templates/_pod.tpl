{{/*
What the Pods of this chart share. "pod" is .Values for the database and .Values.api for the API.
*/}}

{{- define "ordinal.image" -}}
{{- $image := .Values.image -}}
{{- $registry := .Values.global.imageRegistry | default $image.registry -}}
{{- with $registry }}{{ . | trimSuffix "/" }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end -}}
{{- end }}

{{/* The context of a Pod or container with the fixed ids left out on OpenShift, which gives its own.
     Takes root, base, over. */}}
{{- define "ordinal.securityContext" -}}
{{- $context := mergeOverwrite (deepCopy (.base | default dict)) (.over | default dict) -}}
{{- if .root.Capabilities.APIVersions.Has "security.openshift.io/v1" -}}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" -}}
{{- end -}}
{{- toYaml $context -}}
{{- end }}

{{/* First lines of every Pod's spec. Takes root, serviceAccountName, token, and maybe podSecurityContext. */}}
{{- define "ordinal.podStart" -}}
serviceAccountName: {{ .serviceAccountName | default "default" | quote }}
automountServiceAccountToken: {{ .token | default false }}
# A Service named ordinal-… would put ORDINAL_… variables into the Pod.
enableServiceLinks: false
{{- with .root.Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ if kindIs "map" . }}{{ .name | quote }}{{ else }}{{ . | quote }}{{ end }}
  {{- end }}
{{- end }}
securityContext:
  {{- include "ordinal.securityContext" (dict "root" .root "base" .root.Values.podSecurityContext "over" .podSecurityContext) | nindent 2 }}
{{- end }}

{{/* On which nodes a Pod may run, and before whom. Takes pod. */}}
{{- define "ordinal.nodes" -}}
{{- with .pod.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .pod.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pod.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Where a Pod runs. Takes root, pod, component. */}}
{{- define "ordinal.placement" -}}
{{- $selector := include "ordinal.selectorLabels" . | fromYaml -}}
{{- include "ordinal.nodes" . -}}
{{- $selected := dict "matchLabels" $selector -}}
{{- $apart := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" $selected -}}
{{- /* Zones by affinity: as a second spread constraint it would void the first one wherever nodes have
       no zone label, since the scheduler then leaves those nodes out of the count (kind, minikube). */ -}}
{{- $zones := dict "topologyKey" "topology.kubernetes.io/zone" "labelSelector" $selected -}}
{{- $rather := list -}}
{{- if eq .pod.podAntiAffinityPreset "soft" -}}
{{- $rather = append $rather (dict "weight" 100 "podAffinityTerm" $apart) -}}
{{- end -}}
{{- if not .pod.topologySpreadConstraints -}}
{{- $rather = append $rather (dict "weight" 50 "podAffinityTerm" $zones) -}}
{{- end -}}
{{- $anti := dict -}}
{{- if eq .pod.podAntiAffinityPreset "hard" -}}
{{- $anti = set $anti "requiredDuringSchedulingIgnoredDuringExecution" (list $apart) -}}
{{- end -}}
{{- if $rather -}}
{{- $anti = set $anti "preferredDuringSchedulingIgnoredDuringExecution" $rather -}}
{{- end -}}
{{- with merge dict .pod.affinity (dict "podAntiAffinity" $anti) }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
{{- if .pod.topologySpreadConstraints }}
  {{- toYaml .pod.topologySpreadConstraints | nindent 2 }}
{{- else }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- toYaml $selector | nindent 8 }}
{{- end }}
{{- end }}

{{/* Lines of a container that serves. Takes root, pod. */}}
{{- define "ordinal.containerStart" -}}
image: {{ include "ordinal.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- include "ordinal.securityContext" (dict "root" .root "base" .root.Values.containerSecurityContext "over" .containerSecurityContext) | nindent 2 }}
{{- end }}

{{- define "ordinal.probes" -}}
{{- range $probe := list "startupProbe" "livenessProbe" "readinessProbe" }}
{{- with index $ $probe }}
{{ $probe }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* What every process is told: who and where it is, and which secrets there are. Takes root, client
     (true: it is no peer, so that it gets tokens and a CA, no key and no peers' secret). */}}
{{- define "ordinal.env" -}}
{{- $values := .root.Values -}}
{{- $fullname := include "ordinal.fullname" .root -}}
- name: ORDINAL_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: ORDINAL_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: ORDINAL_CLUSTER
  value: {{ $fullname | quote }}
- name: ORDINAL_SERVICE
  value: {{ $fullname }}-headless
{{- with $values.clusterDomain }}
- name: ORDINAL_CLUSTER_DOMAIN
  value: {{ . | quote }}
{{- end }}
{{- if $values.auth.enabled }}
- name: ORDINAL_TOKENS_FILE
  value: /run/secrets/ordinal/auth/tokens
{{- end }}
{{- if .client }}
{{- if $values.tls.enabled }}
- name: NODE_EXTRA_CA_CERTS
  value: /run/secrets/ordinal/tls/ca.crt
{{- end }}
{{- else }}
- name: ORDINAL_HOST
  value: {{ include "ordinal.host" .root | quote }}
- name: ORDINAL_PEER_SECRET_FILE
  value: /run/secrets/ordinal/peer/secret
{{- if $values.tls.enabled }}
- name: ORDINAL_TLS_FOLDER
  value: /run/secrets/ordinal/tls
{{- end }}
{{- end }}
{{- end }}

{{/* All IPv4 addresses, or all of both families where IPv6 is asked for. */}}
{{- define "ordinal.host" -}}
{{- $dual := has .Values.service.ipFamilyPolicy (list "PreferDualStack" "RequireDualStack") -}}
{{- or $dual (has "IPv6" .Values.service.ipFamilies) | ternary "::" "0.0.0.0" -}}
{{- end }}

{{/* The settings of `config`; a Pod rolls when they change, and for nothing else in that file. */}}
{{- define "ordinal.configData" -}}
{{- range $name, $value := .Values.config }}
{{ toYaml $name }}: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}
{{- end }}
{{- end }}

{{- define "ordinal.podAnnotations" -}}
checksum/config: {{ include "ordinal.configData" .root | sha256sum }}
{{- with .pod.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "ordinal.secretMounts" -}}
{{- if not .client }}
- name: peer-secret
  mountPath: /run/secrets/ordinal/peer
  readOnly: true
{{- end }}
{{- if .root.Values.auth.enabled }}
- name: auth
  mountPath: /run/secrets/ordinal/auth
  readOnly: true
{{- end }}
{{- if .root.Values.tls.enabled }}
- name: tls
  mountPath: /run/secrets/ordinal/tls
  readOnly: true
{{- end }}
- name: tmp
  mountPath: /tmp
{{- end }}

{{- define "ordinal.secretVolumes" -}}
{{- $values := .root.Values -}}
{{- if not .client }}
- name: peer-secret
  secret:
    secretName: {{ include "ordinal.peerSecret" .root | quote }}
    items:
      - key: {{ $values.cluster.existingSecretKey | quote }}
        path: secret
{{- end }}
{{- if $values.auth.enabled }}
- name: auth
  secret:
    secretName: {{ include "ordinal.authSecret" .root | quote }}
    items:
      - key: {{ $values.auth.existingSecretKey | quote }}
        path: tokens
{{- end }}
{{- if and $values.tls.enabled (or $values.tls.caConfigMap $values.tls.caSecret) }}
- name: tls
  projected:
    sources:
      {{- if not .client }}
      - secret:
          name: {{ include "ordinal.tlsSecret" .root | quote }}
          items:
          {{- range list "tls.crt" "tls.key" }}
            - key: {{ . }}
              path: {{ . }}
          {{- end }}
      {{- end }}
      - {{ $values.tls.caConfigMap | empty | ternary "secret" "configMap" }}:
          name: {{ $values.tls.caConfigMap | default $values.tls.caSecret | quote }}
          items:
            - key: ca.crt
              path: ca.crt
{{- else if $values.tls.enabled }}
- name: tls
  secret:
    secretName: {{ include "ordinal.tlsSecret" .root | quote }}
    items:
    {{- range .client | ternary (list "ca.crt") (list "tls.crt" "tls.key" "ca.crt") }}
      - key: {{ . }}
        path: {{ . }}
    {{- end }}
{{- end }}
- name: tmp
  emptyDir: {}
{{- end }}

{{/* A Pod that asks the release, on nodes where API servers may run. Takes root, name, args, resources, client (as ordinal.env), and maybe
     restartPolicy. */}}
{{- define "ordinal.askingPodSpec" -}}
{{- include "ordinal.podStart" (dict "root" .root) }}
{{- with .restartPolicy }}
restartPolicy: {{ . }}
{{- end }}
{{- include "ordinal.nodes" (dict "pod" .root.Values.api) }}
containers:
  - name: {{ .name }}
    {{- include "ordinal.containerStart" . | nindent 4 }}
    args:
      {{- toYaml .args | nindent 6 }}
    env:
      {{- include "ordinal.env" . | nindent 6 }}
      # Where replicas answer /status.
      - name: ORDINAL_METRICS_PORT
        value: {{ .root.Values.containerPorts.metrics | quote }}
    envFrom:
      - configMapRef:
          name: {{ include "ordinal.fullname" .root }}-config
    resources:
      {{- toYaml .resources | nindent 6 }}
    volumeMounts:
      {{- include "ordinal.secretMounts" . | trim | nindent 6 }}
volumes:
  {{- include "ordinal.secretVolumes" . | trim | nindent 2 }}
{{- end }}
