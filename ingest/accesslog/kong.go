package accesslog

// kongSpec is what Kong's kafka-log, http-log and file-log plugins write. Sizes are numbers or strings by version; older
// versions log the credential itself as authenticated_entity.key.
func kongSpec() *jsonSpec {
	return &jsonSpec{
		name: "kong",
		fields: []field{
			{path: "started_at", to: toTime, unit: unitMillis},
			{path: "request/headers/x-api-key", to: toKey},
			{path: "request/headers/apikey", to: toKey},
			{path: "request/headers/api-key", to: toKey},
			{path: "authenticated_entity/key", to: toKey},
			{path: "consumer/key", to: toKey},
			{path: "request/querystring/apikey", to: toKey},
			{path: "request/querystring/api_key", to: toKey},
			{path: "request/headers/authorization", to: toAuthorization},
			{path: "consumer/id", to: toKeyID},
			{path: "authenticated_entity/id", to: toKeyID},
			{path: "authenticated_entity/consumer_id", to: toKeyID},
			{path: "consumer/custom_id", to: toKeyID},
			{path: "consumer/username", to: toKeyID},
			{path: "request/id", to: toRequestID},
			{path: "request/method", to: toMethod},
			{path: "request/headers/host", to: toHost},
			{path: "request/uri", to: toPath},
			{path: "request/url", to: toPath},
			{path: "upstream_uri", to: toPath},
			{path: "response/status", to: toStatus},
			{path: "latencies/request", to: toLatency, unit: unitMillis},
			{path: "request/size", to: toBytesIn},
			{path: "response/size", to: toBytesOut},
			{path: "client_ip", to: toIP},
			{path: "request/headers/x-forwarded-for", to: toForwarded},
			{path: "request/headers/user-agent", to: toAgent},
			{path: "source", to: toSource},
			{path: "latencies", to: toNothing},
		},
		signature: []string{"latencies"},
	}
}
