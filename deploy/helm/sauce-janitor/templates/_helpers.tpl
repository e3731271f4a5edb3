{{- define "sauce-janitor.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- /* The labels that select: of a daemon or worker, or of a pod that runs once. */ -}}
{{- define "sauce-janitor.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sauce-janitor.labels" -}}
{{ include "sauce-janitor.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "sauce-janitor.image" -}}
{{- $tag := .Values.image.tag | default (ternary .Chart.AppVersion (printf "%s-cluster" .Chart.AppVersion) (eq .Values.mode "daemon")) -}}
{{ .Values.image.repository }}:{{ $tag }}
{{- end }}

{{- define "sauce-janitor.config" -}}
{{- $serves := ne .Values.mode "cronjob-per-account" -}}
{{- $config := deepCopy .Values.config -}}
{{- $_ := set $config "version" 1 -}}
{{- $_ := set $config "include" (list "policies.yaml") -}}
{{- /* What you write in config wins. */ -}}
{{- $archive := $config.archive | default dict -}}
{{- if eq .Values.mode "daemon" -}}
{{- $_ := set $config "archive" (merge $archive (dict "path" "/var/lib/sauce-janitor/archive")) -}}
{{- $_ := set $config "state" (dict "path" "/var/lib/sauce-janitor/state.db") -}}
{{- else -}}
{{- $archive = merge $archive (deepCopy .Values.storage.archive) -}}
{{- if .Values.storage.keys -}}
{{- $_ := set $archive "access_key_id" (dict "file" "/run/secrets/sauce-janitor-storage/s3-key-id") -}}
{{- $_ := set $archive "secret_access_key" (dict "file" "/run/secrets/sauce-janitor-storage/s3-secret") -}}
{{- end -}}
{{- $_ := set $config "archive" $archive -}}
{{- $_ := set $config "state" (dict "url" (dict "file" "/run/secrets/sauce-janitor-storage/state-url")) -}}
{{- end -}}
{{- if $serves -}}
{{- $auth := dict "token" (dict "file" "/run/secrets/sauce-janitor/web-token") -}}
{{- $web := dict "listen" "0.0.0.0:9469" "auth" $auth "metrics" "open" -}}
{{- $_ := set $config "web" (merge ($config.web | default dict) $web) -}}
{{- else if .Values.pushgateway -}}
{{- $_ := set $config "metrics" (merge ($config.metrics | default dict) (dict "pushgateway" .Values.pushgateway)) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end }}

{{- /* The spec of every pod. `root` is the chart's context; `args` are the command's; `once` is true where a run ends. */ -}}
{{- define "sauce-janitor.pod" -}}
{{- $root := .root -}}
{{- with $root.Values -}}
{{- $own := eq .mode "daemon" -}}
{{- if $.once }}
restartPolicy: Never
{{- end }}
serviceAccountName: {{ include "sauce-janitor.name" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
# On a stop it finishes the current asset, for at most 20 s, and closes its state.
terminationGracePeriodSeconds: 45
{{- with .imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
containers:
  - name: sauce-janitor
    image: {{ include "sauce-janitor.image" $root | quote }}
    imagePullPolicy: {{ .image.pullPolicy }}
    args:
      {{- toYaml $.args | nindent 6 }}
    {{- if not $.once }}
    ports:
      - name: http
        containerPort: 9469
        protocol: TCP
    {{- end }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop:
          - ALL
    resources:
      {{- if .resources }}
      {{- toYaml .resources | nindent 6 }}
      {{- else }}
      requests:
        cpu: {{ ternary "100m" "50m" $.once }}
        memory: 192Mi
        ephemeral-storage: {{ ternary "64Mi" "1Gi" $own }}
      limits:
        cpu: "1"
        memory: {{ ternary "512Mi" "1Gi" $own }}
        ephemeral-storage: {{ ternary "512Mi" "11Gi" $own }}
      {{- end }}
    {{- if not $.once }}
    # At its start it may migrate and check the whole state before it answers.
    startupProbe:
      httpGet:
        path: /healthz
        port: http
      periodSeconds: 5
      timeoutSeconds: 5
      failureThreshold: 60
    livenessProbe:
      httpGet:
        path: /healthz
        port: http
      periodSeconds: 20
      timeoutSeconds: 5
      failureThreshold: 3
    readinessProbe:
      httpGet:
        path: /readyz
        port: http
      periodSeconds: 15
      timeoutSeconds: 5
      failureThreshold: 2
    {{- end }}
    volumeMounts:
      {{- if $own }}
      - name: data
        mountPath: /var/lib/sauce-janitor
      {{- else }}
      - name: storage
        mountPath: /run/secrets/sauce-janitor-storage
        readOnly: true
      {{- end }}
      - name: config
        mountPath: /etc/sauce-janitor
        readOnly: true
      - name: secrets
        mountPath: /run/secrets/sauce-janitor
        readOnly: true
      - name: tmp
        mountPath: /tmp
volumes:
  {{- if $own }}
  - name: data
    persistentVolumeClaim:
      claimName: {{ .volume.existingClaim | default (printf "%s-data" (include "sauce-janitor.name" $root)) }}
  {{- else }}
  - name: storage
    secret:
      secretName: {{ .storage.secret }}
      defaultMode: 288
      optional: false
  {{- end }}
  - name: config
    configMap:
      name: {{ include "sauce-janitor.name" $root }}-config
  - name: secrets
    secret:
      secretName: {{ .credentialsSecret }}
      defaultMode: 288
      optional: false
  - name: tmp
    emptyDir:
      sizeLimit: {{ .spool | default (ternary "256Mi" "10Gi" $own) }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The spec of a CronJob: `root`, `args`, `schedule`, and `suspend` for one that only a person starts. */ -}}
{{- define "sauce-janitor.cronjob" -}}
schedule: {{ .schedule | quote }}
timeZone: {{ .root.Values.config.timezone | default "Etc/UTC" }}
{{- if .suspend }}
suspend: true
{{- end }}
# One run at a time: if one is still running when the next is due, the next is skipped.
concurrencyPolicy: Forbid
startingDeadlineSeconds: 600
successfulJobsHistoryLimit: 3
failedJobsHistoryLimit: 3
jobTemplate:
  spec:
    # No immediate retry: a refused plan stays refused, and the next run continues where this one stopped.
    backoffLimit: 0
    # With a small request budget a first run can take hours. If it is stopped here, it ends cleanly, and the next run continues.
    activeDeadlineSeconds: 21600
    ttlSecondsAfterFinished: 604800
    {{- if not .suspend }}
    # Exit code 5 says that another run has the account's lease, and a pod that Kubernetes removes from its node did nothing wrong.
    # Neither is a failure: the Job starts another pod, later and later, until that one can work.
    podFailurePolicy:
      rules:
        - action: Ignore
          onExitCodes:
            containerName: sauce-janitor
            operator: In
            values: [5]
        - action: Ignore
          onPodConditions:
            - type: DisruptionTarget
              status: "True"
    {{- end }}
    template:
      metadata:
        labels:
          {{- include "sauce-janitor.selector" .root | nindent 10 }}
          app.kubernetes.io/component: cronjob
        {{- with .root.Values.podAnnotations }}
        annotations:
          {{- toYaml . | nindent 10 }}
        {{- end }}
      spec:
        {{- include "sauce-janitor.pod" (dict "root" .root "args" .args "once" true) | trim | nindent 8 }}
{{- end }}
