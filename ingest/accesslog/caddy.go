package accesslog

// caddySpec is Caddy's JSON access log. Durations are seconds, or strings with a unit by the encoder's duration_format;
// Caddy hides Authorization and Cookie, but not X-Api-Key. A request id is there with
// `log_append uuid {http.request.uuid}`.
func caddySpec() *jsonSpec {
	return &jsonSpec{
		name: "caddy",
		fields: []field{
			{path: "ts", to: toTime},
			{path: "request/headers/X-Api-Key", to: toKey},
			{path: "request/headers/Api-Key", to: toKey},
			{path: "request/headers/Authorization", to: toAuthorization},
			{path: "key_id", to: toKeyID},
			{path: "refused_key_id", to: toKeyID}, // of a call that Tollkeeper had refused
			{path: "user_id", to: toUser},
			{path: "uuid", to: toRequestID},
			{path: "request_id", to: toRequestID},
			{path: "request/method", to: toMethod},
			{path: "request/host", to: toHost},
			{path: "request/uri", to: toPath},
			{path: "status", to: toStatus},
			{path: "duration", to: toLatency, unit: unitSeconds},
			{path: "bytes_read", to: toBytesIn},
			{path: "size", to: toBytesOut},
			{path: "request/client_ip", to: toIP}, // behind Caddy's own trusted_proxies
			{path: "request/remote_ip", to: toIP},
			{path: "request/headers/X-Forwarded-For", to: toForwarded},
			{path: "request/headers/User-Agent", to: toAgent},
			{path: "resp_headers", to: toNothing},
			{path: "request/proto", to: toNothing},
		},
		signature: []string{"resp_headers", "request.proto"},
	}
}
