package accesslog

// traefikSpec is Traefik's accessLog with format json. Headers are there when accessLog.fields.headers keeps them. Traefik has
// no request id of its own: its records are not protected against being shipped twice.
func traefikSpec() *jsonSpec {
	return &jsonSpec{
		name: "traefik",
		fields: []field{
			{path: "StartUTC", to: toTime},
			{path: "StartLocal", to: toTime},
			{path: "time", to: toTime},
			{path: "request_X-Api-Key", to: toKey},
			{path: "request_Api-Key", to: toKey},
			{path: "request_Authorization", to: toAuthorization},
			{path: "request_X-Tollkeeper-Key-Id", to: toKeyID},    // forwardAuth's answer, on its way to the service
			{path: "downstream_X-Tollkeeper-Key-Id", to: toKeyID}, // and on its way back, of a call that was refused
			{path: "ClientUsername", to: toUser},
			{path: "RequestMethod", to: toMethod},
			{path: "RequestHost", to: toHost},
			{path: "RequestAddr", to: toHost},
			{path: "RequestPath", to: toPath},
			{path: "DownstreamStatus", to: toStatus},
			{path: "OriginStatus", to: toStatus},
			{path: "Duration", to: toLatency, unit: unitNanos},
			{path: "RequestContentSize", to: toBytesIn},
			{path: "DownstreamContentSize", to: toBytesOut},
			{path: "ClientHost", to: toIP},
			{path: "ClientAddr", to: toIP},
			{path: "request_X-Forwarded-For", to: toForwarded},
			{path: "request_User-Agent", to: toAgent},
		},
		signature: []string{"DownstreamStatus", "RequestPath"},
	}
}
