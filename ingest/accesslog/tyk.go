package accesslog

// tykSpec is what Tyk Pump writes to Kafka. api_key is a hash only with hash_keys set: it is always treated as a key in
// clear. raw_request and raw_response hold whole requests and are never read.
func tykSpec() *jsonSpec {
	return &jsonSpec{
		name: "tyk",
		fields: []field{
			{path: "timestamp", to: toTime},
			{path: "api_key", to: toKey},
			{path: "oauth_id", to: toKeyID},
			{path: "method", to: toMethod},
			{path: "host", to: toHost},
			{path: "raw_path", to: toPath},
			{path: "path", to: toPath},
			{path: "response_code", to: toStatus},
			{path: "request_time_ms", to: toLatency, unit: unitMillis},
			{path: "content_length", to: toLength},
			{path: "ip_address", to: toIP},
			{path: "user_agent", to: toAgent},
			{path: "api_id", to: toSource},
			{path: "raw_request", to: toNothing},
		},
		signature: []string{"request_time_ms", "raw_request"},
	}
}
