package accesslog

// nginxSpec is nginx with a log_format of JSON. There is no standard one: these are nginx's own names of variables, of which
// a log_format may leave out what it likes except time, status and what was called.
func nginxSpec() *jsonSpec {
	return &jsonSpec{
		name: "nginx",
		fields: []field{
			{path: "msec", to: toTime, unit: unitSeconds}, // the others have whole seconds
			{path: "time_iso8601", to: toTime},
			{path: "time", to: toTime},
			{path: "time_local", to: toTime},
			{path: "timestamp", to: toTime},
			{path: "@timestamp", to: toTime},
			{path: "http_x_api_key", to: toKey},
			{path: "http_api_key", to: toKey},
			{path: "http_apikey", to: toKey},
			{path: "api_key", to: toKey},
			{path: "arg_api_key", to: toKey},
			{path: "http_authorization", to: toAuthorization},
			{path: "key_id", to: toKeyID},
			{path: "consumer", to: toKeyID},
			{path: "remote_user", to: toUser},
			{path: "request_id", to: toRequestID},
			{path: "request_method", to: toMethod},
			{path: "method", to: toMethod},
			{path: "host", to: toHost},
			{path: "http_host", to: toHost},
			{path: "server_name", to: toHost},
			{path: "route", to: toRoute},
			{path: "request_uri", to: toPath}, // as sent; $uri may be what a rewrite made of it
			{path: "uri", to: toPath},
			{path: "path", to: toPath},
			{path: "request", to: toRequest},
			{path: "status", to: toStatus},
			{path: "request_time", to: toLatency, unit: unitSeconds},
			{path: "request_length", to: toBytesIn},
			{path: "bytes_sent", to: toBytesOut},
			{path: "body_bytes_sent", to: toBytesOut},
			{path: "remote_addr", to: toIP},
			{path: "http_x_forwarded_for", to: toForwarded},
			{path: "http_user_agent", to: toAgent},
			{path: "source", to: toSource},
			{path: "units", to: toUnits},
		},
		signature: []string{"request_time", "body_bytes_sent", "remote_addr", "request_uri", "http_user_agent"},
	}
}
