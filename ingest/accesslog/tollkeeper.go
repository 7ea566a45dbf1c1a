package accesslog

// tollkeeperSpec is Tollkeeper's own format, one JSON object a line: what services write that have no gateway, what `ship`
// and the re-keying write into Kafka, and what AppendRecord makes.
func tollkeeperSpec() *jsonSpec {
	return &jsonSpec{
		name: "tollkeeper",
		fields: []field{
			{path: "time", to: toTime},
			{path: "request_id", to: toRequestID},
			{path: "key_id", to: toKeyID},
			{path: "api_key", to: toKey},
			{path: "method", to: toMethod},
			{path: "host", to: toHost},
			{path: "path", to: toPath},
			{path: "route", to: toRoute},
			{path: "status", to: toStatus},
			{path: "latency_ms", to: toLatency, unit: unitMillis},
			{path: "request_bytes", to: toBytesIn},
			{path: "response_bytes", to: toBytesOut},
			{path: "client_ip", to: toIP},
			{path: "forwarded_for", to: toForwarded},
			{path: "user_agent", to: toAgent},
			{path: "source", to: toSource},
			{path: "units", to: toUnits},
			{path: "origin", to: toOrigin}, // of the re-keying's lines, read from its topic alone
		},
		signature: []string{"key_id", "latency_ms", "client_ip", "response_bytes"},
	}
}
