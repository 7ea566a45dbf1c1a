package accesslog

// apisixSpec is what APISIX's kafka-logger and http-logger write, with their default format or a log_format of nginx's
// variables. Batches of several are JSON arrays.
func apisixSpec() *jsonSpec {
	return &jsonSpec{
		name: "apisix",
		fields: []field{
			{path: "start_time", to: toTime, unit: unitMillis},
			{path: "@timestamp", to: toTime},
			{path: "request/headers/x-api-key", to: toKey},
			{path: "request/headers/apikey", to: toKey},
			{path: "http_apikey", to: toKey},
			{path: "request/querystring/apikey", to: toKey},
			{path: "request/headers/authorization", to: toAuthorization},
			{path: "consumer/username", to: toKeyID},
			{path: "consumer_name", to: toKeyID},
			{path: "request_id", to: toRequestID},
			{path: "request/method", to: toMethod},
			{path: "request_method", to: toMethod},
			{path: "request/headers/host", to: toHost},
			{path: "host", to: toHost},
			{path: "request/uri", to: toPath},
			{path: "request/url", to: toPath},
			{path: "request_uri", to: toPath},
			{path: "response/status", to: toStatus},
			{path: "status", to: toStatus},
			{path: "latency", to: toLatency, unit: unitMillis},
			{path: "request_time", to: toLatency, unit: unitSeconds},
			{path: "request/size", to: toBytesIn},
			{path: "response/size", to: toBytesOut},
			{path: "body_bytes_sent", to: toBytesOut},
			{path: "client_ip", to: toIP},
			{path: "remote_addr", to: toIP},
			{path: "request/headers/x-forwarded-for", to: toForwarded},
			{path: "request/headers/user-agent", to: toAgent},
			{path: "http_user_agent", to: toAgent},
			{path: "route_id", to: toNothing},
			{path: "apisix_latency", to: toNothing},
		},
		signature: []string{"route_id", "apisix_latency"},
	}
}
