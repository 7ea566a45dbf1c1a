package accesslog

// FormatInfo describes a format for people.
type FormatInfo struct {
	Name        string `json:"name"`
	Gateway     string `json:"gateway"`
	Description string `json:"description"`
	Configure   string `json:"configure"` // what to set in the gateway: a snippet of its configuration
}

type format struct {
	FormatInfo
	make func(*core) (Decoder, error)
}

// Formats lists the formats that New knows, auto first.
func Formats() []FormatInfo {
	var out []FormatInfo
	for _, f := range registry() {
		out = append(out, f.FormatInfo)
	}
	return out
}

func ofJSON(spec func() *jsonSpec) func(*core) (Decoder, error) {
	return func(c *core) (Decoder, error) { return newJSONDecoder(c, spec()) }
}

func registry() []format {
	return []format{
		{FormatInfo{"auto", "any of these but mapping", "recognises the format of each line", ""}, newAuto},
		{FormatInfo{
			"tollkeeper", "your own services", "Tollkeeper's own JSON, one record a line",
			`{"time":"2026-11-24T15:04:05.123Z","request_id":"req_1","key_id":"key_1","method":"GET","host":"api.example.com","path":"/v1/items/7",
 "status":200,"latency_ms":12.5,"request_bytes":180,"response_bytes":900,"client_ip":"192.0.2.7","user_agent":"curl/8.7.1","units":{"input_tokens":12}}
api_key (in clear; never stored) instead of key_id; route, source and forwarded_for if known.`,
		}, ofJSON(tollkeeperSpec)},
		{FormatInfo{
			"nginx", "nginx", "JSON by log_format with escape=json, fields named as nginx's variables",
			`log_format tollkeeper escape=json '{"time_iso8601":"$time_iso8601","msec":"$msec","remote_addr":"$remote_addr","remote_user":"$remote_user",'
  '"http_x_api_key":"$http_x_api_key","request_method":"$request_method","host":"$host","request_uri":"$request_uri","status":"$status",'
  '"request_time":"$request_time","request_length":"$request_length","bytes_sent":"$bytes_sent","request_id":"$request_id",'
  '"http_x_forwarded_for":"$http_x_forwarded_for","http_user_agent":"$http_user_agent"}';
access_log /var/log/nginx/tollkeeper.log tollkeeper;`,
		}, ofJSON(nginxSpec)},
		{FormatInfo{
			"combined", "nginx, Apache", "the combined log format; the user is the key's id, so let the gateway check it (auth_basic)",
			"access_log /var/log/nginx/access.log combined;",
		}, newCombined},
		{FormatInfo{
			"apache", "Apache", "common or combined, and %D behind it for the duration",
			`LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" %D" tollkeeper
CustomLog /var/log/apache2/tollkeeper.log tollkeeper`,
		}, newApache},
		{
			FormatInfo{
				"envoy", "Envoy, Istio", "JSON access log with Istio's names; with use_remote_address: true, so that callers cannot choose request ids",
				`access_log: [{name: file, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: /dev/stdout,
  log_format: {json_format: {start_time: "%START_TIME%", method: "%REQ(:METHOD)%", path: "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", authority: "%REQ(:AUTHORITY)%",
  response_code: "%RESPONSE_CODE%", duration: "%DURATION%", bytes_received: "%BYTES_RECEIVED%", bytes_sent: "%BYTES_SENT%", request_id: "%REQ(X-REQUEST-ID)%",
  x_api_key: "%REQ(X-API-KEY)%", downstream_remote_address: "%DOWNSTREAM_REMOTE_ADDRESS%", x_forwarded_for: "%REQ(X-FORWARDED-FOR)%", user_agent: "%REQ(USER-AGENT)%"}}}}]`,
			},
			ofJSON(envoySpec),
		},
		{FormatInfo{"envoy-text", "Envoy, Istio", "the default text format; it holds no key, so all calls are anonymous", "access_log: the default of Envoy, or Istio's meshConfig.accessLogEncoding: TEXT"}, newEnvoyText},
		{FormatInfo{
			"kong", "Kong", "the JSON of kafka-log, http-log and file-log",
			`plugins: [{name: kafka-log, config: {bootstrap_servers: [{host: kafka, port: 9092}], topic: access}}]
# key-auth with hide_credentials: true keeps the key out of the log; consumer.id names the caller.`,
		}, ofJSON(kongSpec)},
		{FormatInfo{
			"apisix", "Apache APISIX", "the JSON of kafka-logger and http-logger, single or in arrays",
			`plugins: {kafka-logger: {brokers: [{host: kafka, port: 9092}], kafka_topic: access, batch_max_size: 1, required_acks: -1}}`,
		}, ofJSON(apisixSpec)},
		{FormatInfo{
			"traefik", "Traefik", "accessLog as JSON; Traefik gives no request id",
			`accessLog: {format: json, fields: {headers: {names: {X-Api-Key: keep, User-Agent: keep, X-Forwarded-For: keep}}}}`,
		}, ofJSON(traefikSpec)},
		{FormatInfo{
			"aws", "Amazon API Gateway", "JSON of $context variables",
			`{"requestId":"$context.requestId","requestTimeEpoch":"$context.requestTimeEpoch","httpMethod":"$context.httpMethod","path":"$context.path",
 "resourcePath":"$context.resourcePath","status":"$context.status","responseLength":"$context.responseLength","responseLatency":"$context.responseLatency",
 "ip":"$context.identity.sourceIp","userAgent":"$context.identity.userAgent","apiKeyId":"$context.identity.apiKeyId","domainName":"$context.domainName"}`,
		}, ofJSON(awsSpec)},
		{FormatInfo{"caddy", "Caddy", "the JSON access log", "log { output file /var/log/caddy/access.log\n      format json }\nlog_append uuid {http.request.uuid}"}, ofJSON(caddySpec)},
		{FormatInfo{
			"haproxy", "HAProxy", "option httplog, with captured headers",
			`option httplog
http-request capture req.hdr(X-Api-Key) len 128
http-request capture req.hdr(User-Agent) len 256`,
		}, newHAProxy},
		{FormatInfo{
			"tyk", "Tyk", "the JSON of Tyk Pump's kafka pump",
			`"pumps": {"kafka": {"type": "kafka", "meta": {"broker": ["kafka:9092"], "topic": "access"}, "omit_detailed_recording": true}}   with hash_keys: true in the gateway`,
		}, ofJSON(tykSpec)},
		{FormatInfo{
			"otel", "OpenTelemetry Collector", "logs as OTLP JSON, attributes by the semantic conventions",
			`exporters: {kafka: {brokers: [kafka:9092], logs: {topic: access, encoding: otlp_json}, producer: {required_acks: -1}}}`,
		}, ofJSON(otelSpec)},
		{FormatInfo{
			"cloudevents", "anything that sends CloudEvents", "JSON, single or in batches; subject is the key's id, data the call",
			`{"specversion":"1.0","id":"1","source":"gateway-1","type":"api-call","subject":"key_1","time":"2026-11-24T15:04:05Z",
 "data":{"method":"GET","path":"/v1/items/7","status":200,"latency_ms":12,"client_ip":"192.0.2.7"}}`,
		}, ofJSON(cloudeventsSpec)},
		{FormatInfo{
			"mapping", "any other", "JSON objects, fields by a mapping file",
			`# A file for --mapping. On the left a field of a call, on the right where the log has it. Needed are time, status and one of path,
# route, route_key and request_line.
fields:
  time: {from: ts, unit: ms}             # s, ms, us or ns; without a unit by the number's size, or as text
  status: http.status                    # names of nested objects, separated by dots
  path: /http/url.path                   # or a JSON pointer, for names with dots; a query string is cut off
  route: http.route                      # a template such as /v1/items/{id}, if the gateway has one
  route_key: context.route_key           # "GET /v1/items/{id}"
  request_line: http.line                # "GET /v1/items/7 HTTP/1.1"
  method: http.method
  host: http.host
  api_key: headers.x-api-key             # in clear; never stored
  authorization: headers.authorization   # the header
  key_id: [consumer.id, consumer.name]   # the first that is not empty
  user: auth.user                        # as the caller sent it
  request_id: meta.id                    # as the gateway gave it: a call that repeats it counts once
  latency: {from: took, unit: ms}        # a unit is needed
  request_bytes: http.bytes_in
  response_bytes: http.bytes_out
  client_ip: peer
  forwarded_for: headers.x-forwarded-for # for --trusted-hops
  user_agent: headers.user-agent
  source: gateway                        # which gateway it was
  units: usage.all                       # an object of names and numbers
units:
  input_tokens: usage.prompt_tokens      # or one by one`,
		}, newMapped},
	}
}
