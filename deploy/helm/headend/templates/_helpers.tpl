{{- define "headend.labels" -}}
app.kubernetes.io/name: headend
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
