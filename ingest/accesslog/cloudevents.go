package accesslog

// cloudeventsSpec is CloudEvents in JSON, one event or a batch: subject is the key or customer, id and source are the
// record's identity, data holds the call.
func cloudeventsSpec() *jsonSpec {
	return &jsonSpec{
		name: "cloudevents",
		fields: []field{
			{path: "specversion", to: toNothing},
			{path: "time", to: toTime},
			{path: "data/time", to: toTime},
			{path: "data/api_key", to: toKey},
			{path: "data/key_id", to: toKeyID},
			{path: "subject", to: toKeyID},
			{path: "id", to: toRequestID},
			{path: "data/method", to: toMethod},
			{path: "data/host", to: toHost},
			{path: "data/route", to: toRoute},
			{path: "data/path", to: toPath},
			{path: "data/url", to: toPath},
			{path: "data/status", to: toStatus},
			{path: "data/status_code", to: toStatus},
			{path: "data/response_code", to: toStatus},
			{path: "data/latency_ms", to: toLatency, unit: unitMillis},
			{path: "data/duration_ms", to: toLatency, unit: unitMillis},
			{path: "data/request_bytes", to: toBytesIn},
			{path: "data/response_bytes", to: toBytesOut},
			{path: "data/client_ip", to: toIP},
			{path: "data/ip", to: toIP},
			{path: "data/forwarded_for", to: toForwarded},
			{path: "data/user_agent", to: toAgent},
			{path: "source", to: toSource},
			{path: "data/units", to: toUnits},
		},
		signature: []string{"specversion"},
	}
}
